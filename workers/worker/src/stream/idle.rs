//! [`IdleTracker`]: which partitions are idle, or read to their ends, so that they do not hold finality back. Pure.
//!
//! A partition is idle when it has been read to its end and has brought no silver row for
//! `idleAfter` of wall clock. One that has messages waiting is never idle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Watches partitions for silence.
#[derive(Debug)]
pub(crate) struct IdleTracker {
    idle_after: Duration,
    partitions: BTreeMap<i32, Silence>,
}

#[derive(Debug)]
struct Silence {
    silver_rows: u64,
    last_row_at: Instant,
    at_end: bool,
}

impl IdleTracker {
    /// A tracker of no partitions.
    pub(crate) fn new(idle_after_ms: u64) -> Self {
        Self { idle_after: Duration::from_millis(idle_after_ms), partitions: BTreeMap::new() }
    }

    /// Watches a partition too. Its silence counts from now.
    pub(crate) fn add(&mut self, partition: i32, silver_rows: u64, now: Instant) {
        self.partitions.insert(partition, Silence { silver_rows, last_row_at: now, at_end: false });
    }

    /// The partition is read to its end.
    pub(crate) fn reached_end(&mut self, partition: i32) {
        if let Some(silence) = self.partitions.get_mut(&partition) {
            silence.at_end = true;
        }
    }

    /// The partition has brought messages: its end is not known any more.
    pub(crate) fn left_end(&mut self, partition: i32) {
        if let Some(silence) = self.partitions.get_mut(&partition) {
            silence.at_end = false;
        }
    }

    /// Whether the partition is read to its end.
    pub(crate) fn is_at_end(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|silence| silence.at_end)
    }

    /// Takes the partition's number of silver rows so far, and says whether it is idle.
    pub(crate) fn is_idle(&mut self, partition: i32, silver_rows: u64, now: Instant) -> bool {
        let Some(silence) = self.partitions.get_mut(&partition) else { return false };
        if silence.silver_rows != silver_rows {
            silence.silver_rows = silver_rows;
            silence.last_row_at = now;
        }
        silence.at_end && now.duration_since(silence.last_row_at) >= self.idle_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tracker(start: Instant) -> IdleTracker {
        let mut tracker = IdleTracker::new(60_000);
        tracker.add(0, 10, start);
        tracker
    }

    #[test]
    fn a_partition_at_its_end_is_idle_after_its_time_of_silence_and_not_before() {
        let start = Instant::now();
        let mut tracker = tracker(start);
        tracker.reached_end(0);
        assert!(!tracker.is_idle(0, 10, start + 59 * SECOND));
        assert!(tracker.is_idle(0, 10, start + 60 * SECOND));
    }

    #[test]
    fn a_partition_with_a_backlog_is_never_idle() {
        let start = Instant::now();
        let mut tracker = tracker(start);
        assert!(!tracker.is_idle(0, 10, start + 600 * SECOND));
        tracker.reached_end(0);
        tracker.left_end(0);
        assert!(!tracker.is_idle(0, 10, start + 600 * SECOND));
    }

    #[test]
    fn a_partition_is_at_its_end_until_it_brings_messages() {
        let mut tracker = tracker(Instant::now());
        assert!(!tracker.is_at_end(0), "nobody has looked");
        tracker.reached_end(0);
        assert!(tracker.is_at_end(0));
        tracker.left_end(0);
        assert!(!tracker.is_at_end(0));
    }

    #[test]
    fn a_silver_row_wakes_it_and_refused_messages_do_not() {
        let start = Instant::now();
        let mut tracker = tracker(start);
        tracker.reached_end(0);
        assert!(!tracker.is_idle(0, 11, start + 60 * SECOND), "a row came");
        tracker.left_end(0);
        tracker.reached_end(0);
        assert!(!tracker.is_idle(0, 11, start + 119 * SECOND));
        assert!(tracker.is_idle(0, 11, start + 120 * SECOND));
    }

    #[test]
    fn an_unknown_partition_is_neither_idle_nor_at_its_end() {
        let mut tracker = tracker(Instant::now());
        assert!(!tracker.is_idle(7, 0, Instant::now()) && !tracker.is_at_end(7));
    }
}
