//! [`Goal`]: where `--until-caught-up` ends. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sluice_contract::manifest::PartitionProgress;

/// The ends that the partitions had at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    ends: BTreeMap<i32, i64>,
    read_to_end: BTreeSet<i32>,
}

impl Goal {
    /// The goal of a topic whose partitions ended there when they were assigned.
    pub(crate) fn new(ends: BTreeMap<i32, i64>) -> Self {
        Self { ends, read_to_end: BTreeSet::new() }
    }

    /// The partition was read to its end at some time since: beyond the goal, even if the log's last
    /// offsets hold no message.
    pub(crate) fn reached_end(&mut self, partition: i32) {
        self.read_to_end.insert(partition);
    }

    /// The partition cannot be read on: the goal is that of the others.
    pub(crate) fn give_up(&mut self, partition: i32) {
        self.ends.remove(&partition);
    }

    /// Whether every partition has come as far as it was to.
    pub(crate) fn is_reached(&self, progress: &BTreeMap<i32, PartitionProgress>) -> bool {
        self.ends.iter().all(|(partition, end)| {
            self.read_to_end.contains(partition)
                || progress.get(partition).is_some_and(|progress| progress.next_offset >= *end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(offsets: &[(i32, i64)]) -> BTreeMap<i32, PartitionProgress> {
        let at = |(partition, offset): &(i32, i64)| (*partition, PartitionProgress::starting_at(*offset));
        offsets.iter().map(at).collect()
    }

    #[test]
    fn the_goal_is_reached_when_every_partition_is_at_or_beyond_its_end() {
        let goal = Goal::new(BTreeMap::from([(0, 10), (1, 20)]));
        assert!(!goal.is_reached(&progress(&[(0, 10), (1, 19)])));
        assert!(!goal.is_reached(&progress(&[(0, 10)])));
        assert!(goal.is_reached(&progress(&[(0, 12), (1, 20)])));
    }

    #[test]
    fn a_log_that_ends_in_transaction_markers_is_reached_by_reading_to_its_end() {
        let mut goal = Goal::new(BTreeMap::from([(0, 10)]));
        assert!(!goal.is_reached(&progress(&[(0, 9)])));
        goal.reached_end(0);
        assert!(goal.is_reached(&progress(&[(0, 9)])));
    }

    #[test]
    fn a_shard_without_partitions_is_done_at_once() {
        assert!(Goal::default().is_reached(&BTreeMap::new()));
    }
}
