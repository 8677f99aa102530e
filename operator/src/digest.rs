//! Short digests that identify contents: of configurations, of secret material.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// 16 hexadecimal digits of the SHA-256 of a document's JSON.
pub(crate) fn of_document<T: Serialize>(document: &T) -> String {
    of_text(&serde_json::to_string(document).expect("Kubernetes objects have string keys only"), 16)
}

/// The first `digits` hexadecimal digits of the SHA-256 of a text.
pub(crate) fn of_text(text: &str, digits: usize) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()), digits)
}

/// The first `digits` hexadecimal digits of some bytes.
pub(crate) fn hexadecimal(bytes: &[u8], digits: usize) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    text
}

/// 16 hexadecimal digits of the SHA-256 of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes), 16)
}
