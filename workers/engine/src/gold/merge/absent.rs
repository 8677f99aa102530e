//! The blocks of a table that are not in memory, and where ingest stands for those that are computed again, in a
//! snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use super::SpilledAt;
use super::columns::has_types;
use crate::gold::ranges::Ranges;
use crate::gold::sections::Section;
use crate::state::StateError;
use crate::state::frame::array;

/// Spilled blocks as columns: their numbers, and when they were spilled.
pub(super) fn spilled_columns(spilled: &BTreeMap<i64, SpilledAt>) -> Vec<ArrayRef> {
    vec![
        Arc::new(Int64Array::from_iter_values(spilled.keys().copied())),
        Arc::new(UInt64Array::from_iter_values(spilled.values().map(|at| at.generation))),
        Arc::new(UInt64Array::from_iter_values(spilled.values().map(|at| at.epoch))),
    ]
}

/// What [`spilled_columns`] made columns of.
pub(super) fn spilled(
    batch: &RecordBatch,
    section: &Section<'_>,
) -> Result<BTreeMap<i64, SpilledAt>, StateError> {
    let types = [DataType::Int64, DataType::UInt64, DataType::UInt64];
    if !has_types(batch.columns(), &types) {
        return Err(section.problem("does not tell when blocks were spilled"));
    }
    let numbers = batch.column(0).as_primitive::<Int64Type>().values();
    let [generations, epochs] =
        [1, 2].map(|column| batch.column(column).as_primitive::<UInt64Type>().values());
    let at = generations.iter().zip(epochs).map(|(&generation, &epoch)| SpilledAt { generation, epoch });
    Ok(numbers.iter().copied().zip(at).collect())
}

/// Blocks that are to be computed again, as columns.
pub(super) fn lost_columns(lost: &Ranges) -> Vec<ArrayRef> {
    let (from, until): (Vec<i64>, Vec<i64>) = lost.iter().unzip();
    vec![Arc::new(Int64Array::from(from)), Arc::new(Int64Array::from(until))]
}

/// What [`lost_columns`] made columns of.
pub(super) fn lost(batch: &RecordBatch, section: &Section<'_>) -> Result<Ranges, StateError> {
    if !has_types(batch.columns(), &[DataType::Int64, DataType::Int64]) {
        return Err(section.problem("does not tell which blocks are to be computed again"));
    }
    let [from, until] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>().values());
    let mut lost = Ranges::default();
    from.iter().zip(until).for_each(|(from, until)| lost.insert(*from, *until));
    Ok(lost)
}

/// Writes the offset that comes next on each partition.
pub(super) fn write_positions(positions: &BTreeMap<i32, i64>, bytes: &mut Vec<u8>) {
    for (partition, next_offset) in positions {
        bytes.extend_from_slice(&partition.to_le_bytes());
        bytes.extend_from_slice(&next_offset.to_le_bytes());
    }
}

/// What [`write_positions`] wrote.
pub(super) fn positions(section: &Section<'_>) -> Result<Vec<(i32, i64)>, StateError> {
    let (positions, rest) = section.content.as_chunks::<12>();
    if !rest.is_empty() {
        return Err(section.problem("holds part of a position"));
    }
    let position =
        |bytes: &[u8; 12]| (i32::from_le_bytes(array(bytes, 0)), i64::from_le_bytes(array(bytes, 4)));
    Ok(positions.iter().map(position).collect())
}
