//! When an epoch closes ([`EpochPolicy`]), and what it leaves ([`ClosedEpoch`]).

use std::collections::BTreeMap;

use sluice_contract::config::Commit;
use sluice_contract::manifest::PartitionProgress;

/// Decides when an epoch closes: by age or by size, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochPolicy {
    /// Age at which an epoch that has messages closes.
    pub every_ms: u64,
    /// Bytes of message values at which it closes.
    pub max_bytes: u64,
}

impl EpochPolicy {
    /// The policy of a configuration.
    pub fn new(commit: &Commit) -> Self {
        Self { every_ms: commit.every_ms, max_bytes: commit.max_bytes }
    }

    /// Whether the epoch that was opened at `opened_at_ms` should close now.
    ///
    /// An epoch without messages never closes. Both times are of one clock that does not go back.
    pub fn should_close(&self, now_ms: i64, opened_at_ms: i64, size: EpochSize) -> bool {
        if size.messages == 0 {
            return false;
        }
        let age_ms = now_ms.saturating_sub(opened_at_ms).max(0).unsigned_abs();
        age_ms >= self.every_ms || size.bytes >= self.max_bytes
    }
}

/// How much the open epoch has taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochSize {
    /// Messages.
    pub messages: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// What an epoch leaves for its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedEpoch {
    /// Where each partition stands, with its cumulative counts.
    pub partitions: BTreeMap<i32, PartitionProgress>,
    /// What the epoch added to the state: the bytes of a state file; `None` when nothing.
    pub state_delta: Option<Vec<u8>>,
    /// What the epoch adds to the windowed tables: the bytes of a file for [`Merge::fold`](crate::gold::Merge::fold);
    /// `None` when nothing.
    pub partial_aggregates: Option<Vec<u8>>,
    /// What the epoch took in.
    pub size: EpochSize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: EpochPolicy = EpochPolicy { every_ms: 2_000, max_bytes: 1_000 };

    fn size(messages: u64, bytes: u64) -> EpochSize {
        EpochSize { messages, bytes }
    }

    #[test]
    fn an_epoch_without_messages_never_closes() {
        assert!(!POLICY.should_close(1_000_000, 0, size(0, 0)));
    }

    #[test]
    fn an_epoch_closes_at_its_age_and_not_before() {
        assert!(!POLICY.should_close(11_999, 10_000, size(1, 10)));
        assert!(POLICY.should_close(12_000, 10_000, size(1, 10)));
    }

    #[test]
    fn an_epoch_closes_at_its_size_and_not_before() {
        assert!(!POLICY.should_close(10_000, 10_000, size(5, 999)));
        assert!(POLICY.should_close(10_000, 10_000, size(5, 1_000)));
    }

    #[test]
    fn tombstones_alone_close_an_epoch_by_age() {
        assert!(POLICY.should_close(12_000, 10_000, size(3, 0)));
    }
}
