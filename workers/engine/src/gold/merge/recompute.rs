//! Windows that are lost are computed again, and settled with what was published of them.
//!
//! | the row is | in silver as well | it becomes |
//! |---|---|---|
//! | published | with the same measures | the same row: no revision, no file for it alone |
//! | published | with others | a changed row: its revision rises by one |
//! | published | no more | gone |
//! | new | | a row of revision 1 |
//!
//! Sums of doubles depend in their last digits on the order of addition. Measures that differ by less than that count
//! as the same, and no file is written for them; where one is written anyhow, such a row is changed like any other.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Float64Type, Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use sluice_contract::manifest::Recompute;

use super::block::{Block, windows_of_a_block};
use super::buckets::{Buckets, Part};
use super::publish::rows_of;
use super::window::Window;
use super::{Bucket, Merge, SpilledBlock};
use crate::deduplication::KeyHasher;
use crate::gold::partials::key_hashes;
use crate::gold::plan::GoldTable;
use crate::gold::ranges::Ranges;
use crate::gold::recomputation::{Recomputation, TableRecomputation};

/// Relative difference of doubles that stands for the same value.
const ROUNDING: f64 = 1e-9;
/// Columns of a row before its keys.
const WINDOW_COLUMNS: usize = 2;
/// Columns of a row behind its measures: date, revision, finality, time of change.
const REVISION: usize = 1;
const IS_FINAL: usize = 2;
const UPDATED_AT: usize = 3;

/// What readers see of a table's windows.
#[derive(Clone, Debug, Default)]
pub struct PublishedBefore {
    /// The rows, with all columns of the table.
    pub rows: Vec<RecordBatch>,
    /// The buckets that have a live file.
    pub buckets: Vec<Bucket>,
}

impl Merge {
    /// Gives up spilled windows, whose file is gone: they are to be computed again. Until then nothing is folded into
    /// them, for silver has it.
    pub fn lose(&mut self, block: &SpilledBlock) {
        let windows = &self.plan.tables[block.table].windows;
        let of_a_block = windows_of_a_block(windows);
        let number = windows.pane(block.start_us).div_euclid(of_a_block);
        let table = &mut self.tables[block.table];
        table.spilled.remove(&number);
        table.lost.insert(number, number + 1);
    }

    /// Gives up the windows over event times, open and spilled ones: they are to be computed again.
    pub fn lose_over(&mut self, recompute: &Recompute) {
        for (plan, table) in self.plan.tables.iter().zip(&mut self.tables) {
            let is_meant = recompute.tables.is_empty() || recompute.tables.contains(&plan.table.name);
            if !is_meant || recompute.from_us >= recompute.until_us {
                continue;
            }
            let of_a_block = windows_of_a_block(&plan.windows);
            let first = plan.windows.first_of(plan.windows.pane(recompute.from_us)).div_euclid(of_a_block);
            let last = plan.windows.pane(recompute.until_us - 1).div_euclid(of_a_block);
            table.blocks.retain(|number, _| !(first..=last).contains(number));
            table.spilled.retain(|number, _| !(first..=last).contains(number));
            table.lost.insert(first, last + 1);
        }
    }

    /// Gives up all windows: they are to be computed again.
    pub fn lose_all(&mut self) {
        self.lose_over(&Recompute { tables: Vec::new(), from_us: i64::MIN, until_us: i64::MAX });
    }

    /// Whether there are windows that are to be computed again.
    pub fn has_lost(&self) -> bool {
        self.tables.iter().any(|table| !table.lost.is_empty())
    }

    /// The blocks of each table that are to be computed again.
    pub(in crate::gold) fn lost(&self) -> impl Iterator<Item = &Ranges> {
        self.tables.iter().map(|table| &table.lost)
    }

    /// What ingest has given to the merge: the offset that comes next on each partition.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        let partitions = self.finality.partitions().iter();
        partitions.filter_map(|(partition, standing)| Some((*partition, standing.next_offset?))).collect()
    }

    /// Takes windows in that were computed again, and settles them with what was published of each table before.
    pub fn settle(
        &mut self,
        recomputation: Recomputation,
        published: &[PublishedBefore],
    ) -> Result<(), ArrowError> {
        let hasher = recomputation.hasher().clone();
        for (place, (turn, before)) in recomputation.tables.into_iter().zip(published).enumerate() {
            let TableRecomputation { chosen, done_below, mut blocks, .. } = turn;
            let (plan, table) = (&self.plan.tables[place], &mut self.tables[place]);
            let before = Before::new(plan, before, &hasher)?;
            let windows = windows_of_a_block(&plan.windows);
            for number in chosen {
                let block = blocks.remove(&number).map(Arc::unwrap_or_clone);
                let mut block = block.unwrap_or_else(|| Block::new(plan, number * windows, windows));
                for index in 0..block.windows.len() {
                    settle_window(plan, &mut block, index, &before)?;
                }
                if block.hashes.is_empty() {
                    block.restore_groups(Vec::new(), no_keys(plan));
                }
                // All rows may be late for its windows, and none was published.
                if block.windows().next().is_some() {
                    table.blocks.insert(number, Arc::new(block));
                }
            }
            table.lost.remove_below(done_below);
        }
        Ok(())
    }
}

/// The keys of no group.
fn no_keys(plan: &GoldTable) -> Vec<ArrayRef> {
    let keys = &plan.table.schema.fields()[WINDOW_COLUMNS..WINDOW_COLUMNS + plan.keys.len()];
    keys.iter().map(|key| new_empty_array(key.data_type())).collect()
}

/// What was published of a table, to be found by window and keys.
struct Before {
    rows: RecordBatch,
    /// The row of each start of a window and hash of keys.
    places: HashMap<(i64, u128), u32>,
    hashes: Vec<u128>,
    of_windows: BTreeMap<i64, Vec<u32>>,
    parts: BTreeMap<i64, Vec<Part>>,
}

impl Before {
    fn new(plan: &GoldTable, before: &PublishedBefore, hasher: &KeyHasher) -> Result<Self, ArrowError> {
        let schema = &plan.table.schema;
        let stored = |batch: &RecordBatch| {
            let columns = schema.fields().iter().map(|field| {
                let missing = || ArrowError::SchemaError(format!("there is no column `{}`", field.name()));
                cast(batch.column_by_name(field.name()).ok_or_else(missing)?, field.data_type())
            });
            RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<ArrayRef>, ArrowError>>()?)
        };
        let rows = before.rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let rows = concat_batches(schema, &rows)?;
        let keys = &rows.columns()[WINDOW_COLUMNS..WINDOW_COLUMNS + plan.keys.len()];
        let hashes = key_hashes(keys, rows.num_rows(), hasher);
        let starts = rows.column(0).as_primitive::<TimestampMicrosecondType>();
        let (mut places, mut of_windows) = (HashMap::new(), BTreeMap::<i64, Vec<u32>>::new());
        for (row, (&start_us, &hash)) in (0..).zip(starts.values().iter().zip(&hashes)) {
            places.insert((start_us, hash), row);
            of_windows.entry(start_us).or_default().push(row);
        }
        let mut parts = BTreeMap::<i64, Vec<Part>>::new();
        for Bucket { window_start_us, number, of } in &before.buckets {
            parts.entry(*window_start_us).or_default().push(Part { number: *number, of: *of });
        }
        Ok(Self { rows, places, hashes, of_windows, parts })
    }

    /// A column behind the measures.
    fn last(&self, plan: &GoldTable, column: usize) -> &ArrayRef {
        self.rows.column(measures(plan).end + column)
    }
}

/// Settles one window: gives its rows the revisions that they have, and their places in the files that are there.
fn settle_window(
    plan: &GoldTable,
    block: &mut Block,
    index: usize,
    before: &Before,
) -> Result<(), ArrowError> {
    let number = block.first + index as i64;
    let start_us = plan.windows.start_us(number);
    let parts = before.parts.get(&start_us).cloned().unwrap_or_default();
    let published = before.of_windows.get(&start_us).map_or(&[][..], Vec::as_slice);
    let mut window = match block.windows[index].take() {
        Some(window) => window,
        None if parts.is_empty() && published.is_empty() => return Ok(()),
        None => Window::new(plan),
    };
    window.buckets = Buckets::published(parts);
    let hash_of = |window: &Window, row: u32| block.hashes[window.groups[row as usize] as usize];
    let rows = 0..window.rows() as u32;
    let place_of = |row: u32| before.places.get(&(start_us, hash_of(&window, row))).copied();
    let places: Vec<Option<u32>> = rows.clone().map(place_of).collect();
    for row in rows {
        let hash = hash_of(&window, row);
        if places[row as usize].is_some() {
            window.buckets.restore_row(row, hash);
        } else {
            let groups = &window.groups;
            window.buckets.insert(row, |row| block.hashes[groups[row as usize] as usize]);
        }
    }
    let is_final = before.last(plan, IS_FINAL).as_boolean();
    window.is_final = published.iter().any(|row| is_final.value(*row as usize));
    let mut gone: HashMap<u32, u128> =
        published.iter().map(|row| (*row, before.hashes[*row as usize])).collect();
    for place in places.iter().flatten() {
        gone.remove(place);
    }
    for hash in gone.into_values() {
        window.buckets.touch(hash);
    }
    keep_revisions(plan, block, number, &mut window, &places, before)?;
    block.windows[index] = Some(window);
    Ok(())
}

/// Gives rows that were published before their revisions, and finds out which of them have changed.
fn keep_revisions(
    plan: &GoldTable,
    block: &mut Block,
    number: i64,
    window: &mut Window,
    places: &[Option<u32>],
    before: &Before,
) -> Result<(), ArrowError> {
    let pairs = (0..).zip(places).filter_map(|(row, place)| Some((row, (*place)?)));
    let (rows, places): (Vec<u32>, Vec<u32>) = pairs.unzip();
    if rows.is_empty() {
        return Ok(());
    }
    let count = window.rows();
    window.states.merge(&plan.aggregates, count);
    let (rows, places) = (UInt32Array::from(rows), UInt32Array::from(places));
    let now = rows_of(plan, block, number, window, &rows);
    let differences = differences(&now, &before.rows, &places, measures(plan))?;
    let revisions = before.last(plan, REVISION).as_primitive::<Int32Type>();
    let updated_at = before.last(plan, UPDATED_AT).as_primitive::<TimestampMicrosecondType>();
    let pairs = rows.values().iter().zip(places.values()).zip(differences);
    for ((&row, &place), difference) in pairs {
        let (row, place) = (row as usize, place as usize);
        window.revisions[row] = revisions.value(place);
        window.updated_at_us[row] = updated_at.value(place);
        window.is_touched[row] = difference != Difference::None;
        match difference {
            Difference::None => {}
            Difference::Rounding => window.has_drifted = true,
            Difference::Value => window.buckets.touch(block.hashes[window.groups[row] as usize]),
        }
    }
    Ok(())
}

/// The columns of the measures.
fn measures(plan: &GoldTable) -> Range<usize> {
    let first = WINDOW_COLUMNS + plan.keys.len();
    first..first + plan.measures.len()
}

/// How far two rows of the same window and keys differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    None,
    /// By no more than the order of addition makes.
    Rounding,
    Value,
}

/// How far each row of `now` differs from the one at its place in `before`, in some columns.
fn differences(
    now: &RecordBatch,
    before: &RecordBatch,
    places: &UInt32Array,
    columns: Range<usize>,
) -> Result<Vec<Difference>, ArrowError> {
    let mut differences = vec![Difference::None; places.len()];
    for column in columns {
        let (now, before) = (now.column(column), take(before.column(column), places, None)?);
        let is_same = not_distinct(now, &before)?;
        let rows = differences.iter_mut().enumerate().filter(|(row, _)| !is_same.value(*row));
        for (row, difference) in rows {
            *difference = (*difference).max(difference_of(now, &before, row));
        }
    }
    Ok(differences)
}

/// How far two values differ that are not the same.
fn difference_of(now: &ArrayRef, before: &ArrayRef, row: usize) -> Difference {
    if now.data_type() != &DataType::Float64 || now.is_null(row) || before.is_null(row) {
        return Difference::Value;
    }
    let [now, before] = [now, before].map(|column| column.as_primitive::<Float64Type>().value(row));
    let is_rounding = (now - before).abs() <= ROUNDING * now.abs().max(before.abs());
    if is_rounding { Difference::Rounding } else { Difference::Value }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn doubles_may_differ_by_the_order_of_addition_and_nothing_else_may() {
        let batch = |doubles: Vec<Option<f64>>, integers: Vec<i64>| {
            let doubles: ArrayRef = Arc::new(Float64Array::from(doubles));
            let integers: ArrayRef = Arc::new(Int64Array::from(integers));
            let field = |name: &str, column: &ArrayRef| Field::new(name, column.data_type().clone(), true);
            let schema = Schema::new(vec![field("double", &doubles), field("integer", &integers)]);
            RecordBatch::try_new(Arc::new(schema), vec![doubles, integers]).expect("two columns")
        };
        let infinite = Some(f64::INFINITY);
        let before = batch(vec![Some(0.3), Some(0.3), infinite, None, Some(1.0), Some(1.0)], vec![7; 6]);
        let now = batch(
            vec![Some(0.1 + 0.2), Some(0.300_000_01), infinite, Some(0.0), Some(1.0), Some(1.0)],
            vec![7, 7, 7, 7, 8, 7],
        );
        let places = UInt32Array::from_iter_values(0..6);
        let found = differences(&now, &before, &places, 0..2).expect("the columns are of one type");
        let (same, rounding, value) = (Difference::None, Difference::Rounding, Difference::Value);
        assert_eq!(found, [rounding, value, same, value, value, same]);
    }
}
