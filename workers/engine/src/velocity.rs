//! [`Memory`]: when the silver rows of one partition were, by key: what velocity counts.
//!
//! For a key it holds the event times of its rows, sorted, so that a count is two binary searches. What
//! lies before the *horizon*, the watermark minus `keep`, is never counted again, since watermarks do not
//! go back; it is dropped when its key comes again, or its table is swept.
//!
//! 64 tables by the hash's first bits. A table is swept when it holds twice the keys that the last sweep
//! left: that touches a 64th of the keys, so no row waits long for it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::deduplication::Key;

const TABLE_BITS: u32 = 6;
const SMALLEST_SWEEP: usize = 256;

/// One row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The key, of a column and its value.
    pub(crate) key: Key,
    /// When the row was.
    pub(crate) event_time_us: i64,
}

/// When the silver rows of one partition were, by key.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// None before the first row.
    tables: Vec<Table>,
}

impl Memory {
    /// Remembers a row at or after the horizon, and gives the times of its key, sorted, the row's included.
    /// Some may lie before the horizon.
    pub(crate) fn remember(&mut self, counted: Counted, horizon_us: i64) -> &[i64] {
        if self.tables.is_empty() {
            self.tables.resize_with(1 << TABLE_BITS, Table::default);
        }
        let table = (counted.key.high() >> (u64::BITS - TABLE_BITS)) as usize;
        self.tables[table].remember(counted, horizon_us)
    }

    /// Takes a row of a state file in, unless it lies before the horizon.
    pub(crate) fn load(&mut self, counted: Counted, horizon_us: i64) {
        if counted.event_time_us >= horizon_us {
            self.remember(counted, horizon_us);
        }
    }

    /// Number of rows, those included that are forgotten and were not dropped yet.
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().flat_map(|table| table.times.values()).map(Vec::len).sum()
    }
}

/// Some of the keys.
#[derive(Debug)]
struct Table {
    times: HashMap<Key, Vec<i64>, BuildHasherDefault<LowHalf>>,
    /// Number of keys at which it is swept.
    sweep_at: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { times: HashMap::default(), sweep_at: SMALLEST_SWEEP }
    }
}

impl Table {
    fn remember(&mut self, Counted { key, event_time_us }: Counted, horizon_us: i64) -> &[i64] {
        if self.times.len() >= self.sweep_at {
            self.sweep(horizon_us);
        }
        let times = self.times.entry(key).or_default();
        let forgotten = times.partition_point(|&time_us| time_us < horizon_us);
        // Each time is moved once for as many that are dropped.
        if forgotten * 2 > times.len() {
            times.drain(..forgotten);
        }
        let place = times.partition_point(|&time_us| time_us <= event_time_us);
        times.insert(place, event_time_us);
        times
    }

    /// Drops the keys of which everything is forgotten.
    fn sweep(&mut self, horizon_us: i64) {
        self.times.retain(|_, times| times.last().is_some_and(|&newest_us| newest_us >= horizon_us));
        self.sweep_at = (self.times.len() * 2).max(SMALLEST_SWEEP);
    }
}

/// Keys are uniform hashes already: one half of them will do.
#[derive(Debug, Default)]
struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

/// The rows of sorted times within `[from, to]`.
pub(crate) fn count_within(times: &[i64], from_us: i64, to_us: i64) -> usize {
    let end = times.partition_point(|&time_us| time_us <= to_us);
    let start = times.partition_point(|&time_us| time_us < from_us);
    end.saturating_sub(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(key: u128, event_time_us: i64) -> Counted {
        Counted { key: Key::new(key), event_time_us }
    }

    #[test]
    fn times_are_sorted_whatever_order_they_come_in_and_both_ends_count() {
        let mut memory = Memory::default();
        for time_us in [5, 1, 9, 5] {
            memory.remember(counted(7, time_us), i64::MIN);
        }
        let times = memory.remember(counted(7, 3), i64::MIN);
        assert_eq!(times, [1, 3, 5, 5, 9]);
        assert_eq!(count_within(times, 1, 5), 4);
        assert_eq!(count_within(times, 2, 4), 1);
        assert_eq!(count_within(times, 6, 8), 0);
        assert_eq!(count_within(times, 9, 1), 0, "an empty range");
    }

    #[test]
    fn keys_do_not_see_each_other() {
        let mut memory = Memory::default();
        memory.remember(counted(7, 1), i64::MIN);
        assert_eq!(memory.remember(counted(8, 2), i64::MIN), [2]);
        // The same half by which the table finds them, another first half.
        assert_eq!(memory.remember(counted((1 << 127) + 7, 3), i64::MIN), [3]);
    }

    #[test]
    fn what_lies_before_the_horizon_is_dropped_in_time() {
        let mut memory = Memory::default();
        for time_us in 0..100 {
            memory.remember(counted(7, time_us), time_us - 10);
        }
        assert!(memory.len() <= 24, "{} rows", memory.len());
        // Keys that never come again go too.
        for number in 0..100_000_u64 {
            let hash = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            memory.remember(counted(hash << 64 | hash, number as i64), number as i64 - 1_000);
        }
        assert!(memory.len() <= (SMALLEST_SWEEP << TABLE_BITS) + 100, "{} rows", memory.len());
    }

    #[test]
    fn a_state_file_brings_no_row_from_before_the_horizon() {
        let mut memory = Memory::default();
        for time_us in [4, 5, 6] {
            memory.load(counted(7, time_us), 5);
        }
        assert_eq!(memory.remember(counted(7, 7), 5), [5, 6, 7]);
    }
}
