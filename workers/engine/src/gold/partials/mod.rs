//! [`PartialAggregates`]: what the silver rows of one epoch add to the windows, before anything is merged.
//!
//! ```text
//!  silver rows, each with its event time and the watermark before it
//!      │  inputs ──► columns that several tables share, computed once
//!      │  keys and counted values ──► numbers
//!      ▼
//!  for each table:  row ──► cell (pane, closed windows) ──► group (cell, keys) ──► states of the aggregates
//!                                                                             └──► sets of (group, value)
//! ```
//! There is nothing in here that outlives an epoch: closing it takes everything out.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;
use jiff::Timestamp;

use super::cells::Cell;
use super::numbering::Numbering;
use super::plan::{GoldPlan, GoldTable};
use crate::deduplication::KeyHasher;
use crate::silver::Selection;

mod epoch_file;
mod table;

pub(crate) use epoch_file::{TableRows, column_hashes, hash_column, read};
use table::TablePartials;
pub(crate) use table::key_hashes;

/// The partial aggregates of an open epoch.
#[derive(Debug)]
pub(crate) struct PartialAggregates {
    numberings: Vec<Numbering>,
    tables: Vec<TablePartials>,
}

/// What the tables share of a batch.
#[derive(Debug)]
struct Batch {
    /// The inputs.
    inputs: Vec<ArrayRef>,
    /// The rows for which an input that is a condition is true.
    conditions: BTreeMap<usize, BooleanArray>,
    /// The numbers of the values of the numbered inputs.
    numbers: Vec<Vec<usize>>,
}

/// The different values of a numbered input, by their numbers.
#[derive(Debug)]
struct Values {
    column: ArrayRef,
    hashes: Vec<u128>,
}

impl Values {
    fn new(column: ArrayRef, hasher: &KeyHasher) -> Self {
        Self { hashes: hasher.hash_values(&column), column }
    }
}

/// A silver row that came too late for some windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LateRow {
    /// Its place among the silver rows of the batch.
    pub(crate) row: usize,
    /// The windows, as JSON.
    pub(crate) detail: String,
}

impl PartialAggregates {
    /// An empty epoch; `None` if there are no tables.
    pub(crate) fn new(plan: &GoldPlan) -> Option<Self> {
        if plan.tables.is_empty() {
            return None;
        }
        let numberings = plan.numbered.iter();
        let numberings = numberings.map(|numbered| Numbering::new(plan.inputs[numbered.input].data_type()));
        Some(Self {
            numberings: numberings.collect(),
            tables: plan.tables.iter().map(TablePartials::new).collect(),
        })
    }

    /// Adds silver rows, given their event times and the watermark before each. Gives those that are late, in order.
    pub(crate) fn add(
        &mut self,
        plan: &GoldPlan,
        silver: &RecordBatch,
        times: &TimestampMicrosecondArray,
        watermarks_us: &[i64],
    ) -> Vec<LateRow> {
        let batch = self.prepare(plan, silver);
        let mut late: BTreeMap<usize, Vec<(&GoldTable, Cell)>> = BTreeMap::new();
        for (table, partials) in plan.tables.iter().zip(&mut self.tables) {
            for (row, cell) in partials.add(plan, table, &batch, times, watermarks_us) {
                late.entry(row).or_default().push((table, cell));
            }
        }
        late_rows(late)
    }

    /// The rows that are late, in order, given the event times of silver rows and the watermark before each. Adds
    /// nothing; call it between epochs.
    pub(crate) fn late(
        &mut self,
        plan: &GoldPlan,
        times: &TimestampMicrosecondArray,
        watermarks_us: &[i64],
    ) -> Vec<LateRow> {
        let mut late: BTreeMap<usize, Vec<(&GoldTable, Cell)>> = BTreeMap::new();
        for (table, partials) in plan.tables.iter().zip(&mut self.tables) {
            for (row, cell) in partials.late(times, watermarks_us) {
                late.entry(row).or_default().push((table, cell));
            }
        }
        late_rows(late)
    }

    /// Computes what the tables share. A value that fails to compute is null.
    fn prepare(&mut self, plan: &GoldPlan, silver: &RecordBatch) -> Batch {
        let selection = Selection::all(silver.num_rows());
        let inputs: Vec<ArrayRef> = plan
            .inputs
            .iter()
            .map(|input| match input.as_column() {
                Some(slot) => Arc::clone(silver.column(slot)),
                None => input.evaluate(silver.columns(), &selection).values,
            })
            .collect();
        let aggregates = plan.tables.iter().flat_map(|table| &table.aggregates);
        let distinct_counts = plan.tables.iter().flat_map(|table| &table.distinct_counts);
        let filters = aggregates.filter_map(|aggregate| aggregate.filter);
        let filters = filters.chain(distinct_counts.filter_map(|count| count.filter));
        let conditions = filters.map(|input| (input, is_true(&inputs[input]))).collect();
        let numbered = plan.numbered.iter().zip(&mut self.numberings);
        let numbers = numbered.map(|(numbered, numbering)| numbering.number(&inputs[numbered.input]));
        Batch { numbers: numbers.collect(), conditions, inputs }
    }

    /// The file of what the epoch has, if it has any rows of windows; the next epoch begins.
    pub(crate) fn close(&mut self, plan: &GoldPlan, hasher: &KeyHasher) -> Option<Vec<u8>> {
        let values = self.numberings.iter_mut().map(|numbering| Values::new(numbering.take(), hasher));
        let values: Vec<Values> = values.collect();
        let tables = plan.tables.iter().zip(&mut self.tables);
        let closed: Vec<_> = tables.map(|(table, partials)| partials.close(table, &values)).collect();
        if closed.iter().all(Option::is_none) {
            return None;
        }
        Some(epoch_file::write(plan, &values, closed))
    }
}

/// The rows for which a condition is true: neither false nor null.
fn is_true(condition: &ArrayRef) -> BooleanArray {
    let condition = condition.as_boolean();
    match condition.nulls() {
        None => condition.clone(),
        Some(nulls) => BooleanArray::new(condition.values() & nulls.inner(), None),
    }
}

/// The rows of a mask for which a condition holds as well; `None` is all rows.
fn both(included: Option<&BooleanBuffer>, condition: Option<&BooleanArray>) -> Option<BooleanArray> {
    match (included, condition) {
        (None, None) => None,
        (None, Some(condition)) => Some(condition.clone()),
        (Some(included), None) => Some(BooleanArray::new(included.clone(), None)),
        (Some(included), Some(condition)) => Some(BooleanArray::new(included & condition.values(), None)),
    }
}

fn late_rows(late: BTreeMap<usize, Vec<(&GoldTable, Cell)>>) -> Vec<LateRow> {
    late.into_iter().map(|(row, windows)| LateRow { row, detail: late_detail(&windows) }).collect()
}

/// The windows that a row came too late for, by table, then start.
fn late_detail(windows: &[(&GoldTable, Cell)]) -> String {
    let mut items = Vec::new();
    for (table, cell) in windows {
        let first = table.windows.first_of(cell.pane);
        for window in first..first + i64::from(cell.closed) {
            let start_us = table.windows.start_us(window);
            let start = Timestamp::from_microsecond(start_us)
                .map_or_else(|_| format!("{start_us} us"), |start| start.to_string());
            items.push(format!(r#"{{"table":"{}","window_start":"{start}"}}"#, table.table.name));
        }
    }
    format!("[{}]", items.join(","))
}
