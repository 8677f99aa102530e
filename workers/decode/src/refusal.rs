//! [`Refusal`]: why one message goes to quarantine.

use std::borrow::Cow;

/// Why one message goes to quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the message in its batch.
    pub message: usize,
    /// Stable code, see `sluice_contract::reasons`; for silver rules the user's own.
    pub reason: Cow<'static, str>,
    /// What exactly was wrong where, for a person.
    pub detail: String,
}
