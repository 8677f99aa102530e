//! Velocity: how often the key of each row came within a window of event time.
//!
//! The count of a row `e` is the number of silver rows `r` with its key on its partition, up to and with
//! `e`, whose event time lies within `[t(e) - window, t(e)]`, both ends included, and not before
//! `W(before e) - keep`; `e` itself always counts. It is null where the key or the event time is.

use arrow::array::Int32Array;

use super::plan::{Count, ScoringPlan};
use super::silver_rows::SilverRows;
use crate::deduplication::{Key, KeyHasher};
use crate::partition::Partitions;
use crate::velocity::{Counted, count_within};

/// The counts of all rows, in the order of the plan's counts; remembers the rows.
pub(super) fn count(
    plan: &ScoringPlan,
    hasher: &KeyHasher,
    rows: &SilverRows,
    partitions: &mut Partitions,
) -> Vec<Int32Array> {
    let mut counts: Vec<Vec<Option<i32>>> = vec![vec![None; rows.len()]; plan.counts.len()];
    // Counts by the same column share its memory.
    for key_column in plan.key_columns() {
        let keys = hasher.hash_column(plan.silver_name(key_column), rows.columns.column(key_column));
        let counted = || plan.counts.iter().enumerate().filter(|(_, count)| count.key == key_column);
        for (row, key) in keys.into_iter().enumerate() {
            let (Some(key), Some(event_time_us)) = (key, rows.event_time_us(row)) else { continue };
            let arrival = Arrival { key, event_time_us, watermark_us: rows.watermarks_us[row] };
            let times = arrival.remember(partitions, rows.slots[row], plan.keep_us);
            for (index, count) in counted() {
                counts[index][row] = Some(arrival.count(times, count));
            }
        }
    }
    counts.into_iter().map(Int32Array::from).collect()
}

/// A row on its way into the memory.
struct Arrival {
    key: Key,
    event_time_us: i64,
    watermark_us: i64,
}

impl Arrival {
    /// The times of its key, its own included unless it lies too far back to be remembered.
    fn remember<'a>(&self, partitions: &'a mut Partitions, slot: u32, keep_us: i64) -> &'a [i64] {
        let horizon_us = self.watermark_us.saturating_sub(keep_us);
        if self.event_time_us < horizon_us {
            return &[];
        }
        let counted = Counted { key: self.key, event_time_us: self.event_time_us };
        let partition = partitions.at(slot);
        partition.counted.push(counted);
        partition.velocity.remember(counted, horizon_us)
    }

    fn count(&self, times: &[i64], count: &Count) -> i32 {
        let horizon_us = self.watermark_us.saturating_sub(count.keep_us);
        let from_us = self.event_time_us.saturating_sub(count.window_us).max(horizon_us);
        let within = count_within(times, from_us, self.event_time_us);
        i32::try_from(within.max(1)).unwrap_or(i32::MAX)
    }
}
