//! [`Landed`]: what it means that a version we wanted to commit is taken. Pure.

use sluice_contract::manifest::Manifest;

use super::log_entry::LogEntry;

/// What took the version.
///
/// | the entry has | it is |
/// |---|---|
/// | our manifest's id | [`Ours`](Self::Ours): an earlier try whose answer was lost, or a predecessor's |
/// | a transaction of our chain, another manifest | [`Rival`](Self::Rival): somebody broke the rules |
/// | a new definition of the table | [`Redefined`](Self::Redefined): check it, then try the next version |
/// | anything else (another shard's rows, an OPTIMIZE) | [`Foreign`](Self::Foreign): try the next version |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    Ours,
    Rival { found: i64 },
    Redefined,
    Foreign,
}

impl Landed {
    /// Judges the entry that took our version.
    pub(super) fn judge(entry: &LogEntry, manifest: &Manifest) -> Self {
        if entry.manifest == Some(manifest.id) {
            return Self::Ours;
        }
        if let Some(found) = entry.transactions.get(&manifest.chain.to_string()) {
            return Self::Rival { found: *found };
        }
        if entry.metadata.is_some() || entry.protocol.is_some() { Self::Redefined } else { Self::Foreign }
    }
}

#[cfg(test)]
mod tests;
