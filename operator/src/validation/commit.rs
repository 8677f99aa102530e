//! The part `spec.commit`.

use sluice_contract::config;
use sluice_crds::stream_pipeline as crd;

use super::measure::{HOUR, SECOND, bytes, milliseconds};
use crate::problem::Faults;

/// When an epoch closes, where a pipeline says nothing.
pub(crate) const DEFAULT: config::Commit = config::Commit { every_ms: 2 * SECOND, max_bytes: 64 << 20 };

/// When an epoch closes; what is left open is as in `default`.
pub(crate) fn validate_commit(
    commit: Option<&crd::Commit>,
    default: config::Commit,
    faults: &mut Faults,
) -> config::Commit {
    let every = commit.and_then(|commit| commit.every.as_deref());
    let max_bytes = commit.and_then(|commit| commit.max_bytes.as_deref());
    config::Commit {
        every_ms: milliseconds("spec.commit.every", every, default.every_ms, SECOND / 10..=HOUR, faults),
        // A batch of messages counts its bytes in 32 bits.
        max_bytes: bytes("spec.commit.maxBytes", max_bytes, default.max_bytes, 64 << 10..=2 << 30, faults),
    }
}
