//! Deduplication: which rows are copies of an earlier silver row of their partition.
//!
//! A row is a duplicate if an earlier silver row `f` of the partition has the same key columns and
//! `W(before this row) <= max(t(f), W(before f)) + within`. The right side is known when `f` is accepted:
//! it is the *expiry* that the memory keeps under a keyed hash of the key columns. Copies do not refresh
//! it, and a refused row leaves no trace.

use std::hint::black_box;

use arrow::array::{Array, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;

use crate::partition::Partitions;
use crate::silver::Candidates;
use crate::watermark::MINUS_INFINITY;

mod key;
mod memory;
#[cfg(test)]
mod tests;

pub(crate) use key::{Key, KeyHasher, can_identify};
pub(crate) use memory::{Entry, Memory};

/// Rows whose places in the memory are read ahead.
const ROWS_AHEAD: usize = 32;

/// How copies are recognised, compiled.
#[derive(Clone, Debug)]
pub(crate) struct DeduplicationPlan {
    /// Slots of the key columns.
    pub(crate) by: Vec<usize>,
    /// How long a row is remembered, in event time.
    pub(crate) within_us: i64,
}

/// Decides row by row, in log order, which candidates are silver rows; moves watermarks and counts.
///
/// `before` is called for each silver row with the watermark before it.
pub(crate) fn accept(
    plan: Option<&DeduplicationPlan>,
    hasher: &KeyHasher,
    candidates: &Candidates,
    slots: &[u32],
    partitions: &mut Partitions,
    mut before: impl FnMut(i64),
) -> BooleanBuffer {
    let keys = plan.map(|plan| (hasher.hash(candidates, &plan.by), plan.within_us));
    let selection = candidates.selection();
    let (event_times, kafka_timestamps) = (candidates.event_times(), candidates.kafka_timestamps());
    let mut accepted = BooleanBufferBuilder::new(candidates.rows());
    for (row, &slot) in slots.iter().enumerate() {
        if let Some((keys, _)) = &keys
            && row % ROWS_AHEAD == 0
        {
            fetch_ahead(keys, slots, row, partitions);
        }
        if !selection.contains(row) {
            accepted.append(false);
            continue;
        }
        let partition = partitions.at(slot);
        let event_time_us = event_times.is_valid(row).then(|| event_times.value(row));
        let watermark_us = partition.watermark.value_us();
        if let Some((keys, within_us)) = &keys {
            let entry = Entry::new(keys[row], expiry_us(event_time_us, watermark_us, *within_us));
            if !partition.memory.admit(entry, watermark_us) {
                partition.count_duplicate();
                accepted.append(false);
                continue;
            }
            partition.remembered.push(entry);
        }
        before(watermark_us);
        let kafka_timestamp_us = kafka_timestamps.is_valid(row).then(|| kafka_timestamps.value(row));
        partition.watermark.observe(event_time_us, kafka_timestamp_us);
        partition.count_silver();
        accepted.append(true);
    }
    accepted.finish()
}

/// Reads the places of the next rows' keys in one go. Each is somewhere else in a large memory: the waits
/// for them overlap, which they do not where one row is decided after the other.
fn fetch_ahead(keys: &[Key], slots: &[u32], row: usize, partitions: &mut Partitions) {
    let rows = row..keys.len().min(row + ROWS_AHEAD);
    let glances = rows.map(|row| partitions.at(slots[row]).memory.glance(keys[row]));
    black_box(glances.fold(0, u64::wrapping_add));
}

/// max(event time, watermark before the row) + within: the last watermark at which a copy is a duplicate.
fn expiry_us(event_time_us: Option<i64>, watermark_us: i64, within_us: i64) -> i64 {
    let horizon_us = event_time_us.map_or(watermark_us, |event_time_us| event_time_us.max(watermark_us));
    // Minus infinity plus anything is minus infinity.
    if horizon_us == MINUS_INFINITY { MINUS_INFINITY } else { horizon_us.saturating_add(within_us) }
}
