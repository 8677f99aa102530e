//! Short digests that identify contents: of configurations, of secret material.

use sha2::{Digest, Sha256};

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
