//! A sparse index of one segment: where batches start, and the newest timestamp so far.

use serde::{Deserialize, Serialize};

use super::batch::BatchHeader;

/// How far entries lie apart. Behind an entry, batches are found by reading their headers.
const INTERVAL: u64 = 16 << 10;

/// The entries of one segment, in the order of their offsets and positions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    entries: Vec<Entry>,
}

/// The start of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    base_offset: i64,
    position: u64,
    /// The newest timestamp of all batches of the segment before the next entry.
    max_timestamp: i64,
}

impl Index {
    /// Takes note of the next batch of the segment.
    pub(crate) fn note(&mut self, header: &BatchHeader, base_offset: i64, position: u64) {
        let newest = header.max_timestamp;
        match self.entries.last_mut() {
            Some(last) if position - last.position < INTERVAL => {
                last.max_timestamp = last.max_timestamp.max(newest);
            }
            last => {
                let max_timestamp = last.map_or(newest, |last| last.max_timestamp.max(newest));
                self.entries.push(Entry { base_offset, position, max_timestamp });
            }
        }
    }

    /// The position of a batch at or before the one that holds this offset.
    pub(crate) fn position_before(&self, offset: i64) -> u64 {
        let following = self.entries.partition_point(|entry| entry.base_offset <= offset);
        following.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    /// The last known start of a batch up to this position.
    pub(crate) fn boundary_up_to(&self, position: u64) -> u64 {
        let following = self.entries.partition_point(|entry| entry.position <= position);
        following.checked_sub(1).map_or(0, |at| self.entries[at].position)
    }

    /// The position of a batch at or before the first one with at least this timestamp.
    pub(crate) fn position_before_time(&self, timestamp: i64) -> Option<u64> {
        let at = self.entries.partition_point(|entry| entry.max_timestamp < timestamp);
        self.entries.get(at).map(|entry| entry.position)
    }

    /// The newest timestamp of the segment's records.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.entries.last().map(|entry| entry.max_timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::BatchBuilder;

    /// Batches of 10 records every 6 KiB, so that every third gets an entry.
    fn index() -> Index {
        let mut index = Index::default();
        for number in 0..9 {
            let timestamp = [10, 20, 30, 25, 15, 40, 35, 50, 60][number as usize];
            let batch = BatchBuilder::new(&[(timestamp, "a")]).build();
            index.note(&BatchHeader::parse(&batch).unwrap(), number * 10, number as u64 * (6 << 10));
        }
        index
    }

    #[test]
    fn an_offset_is_looked_up_from_the_entry_before_it() {
        let index = index();
        assert_eq!(index.position_before(0), 0);
        assert_eq!(index.position_before(29), 0);
        assert_eq!(index.position_before(30), 18 << 10);
        assert_eq!(index.position_before(1_000), 36 << 10);
    }

    #[test]
    fn a_time_is_looked_up_from_the_entry_that_reaches_it() {
        let index = index();
        assert_eq!(index.position_before_time(0), Some(0));
        assert_eq!(index.position_before_time(30), Some(0));
        assert_eq!(index.position_before_time(31), Some(18 << 10));
        assert_eq!(index.position_before_time(60), Some(36 << 10));
        assert_eq!(index.position_before_time(61), None);
        assert_eq!(index.max_timestamp(), Some(60));
    }

    #[test]
    fn boundaries_are_starts_of_batches() {
        let index = index();
        assert_eq!(index.boundary_up_to((18 << 10) - 1), 0);
        assert_eq!(index.boundary_up_to(18 << 10), 18 << 10);
    }
}
