//! [`States`]: the states of the aggregates of a window's rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::compute::{cast, concat, take};
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use crate::gold::plan::Aggregate;

/// Pending rows beyond as many as are merged: then they are merged before anything is published.
const MOST_PENDING: usize = 1 << 16;

/// The states of the aggregates of a window's rows: merged ones, and those that wait.
///
/// An accumulator of DataFusion gives its result only once, so states are kept as columns; they are merged when
/// the window is published.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    /// Columns of the states of all aggregates, in order.
    merged: Vec<ArrayRef>,
    merged_rows: usize,
    pending: Vec<Pending>,
}

/// States that wait to be merged.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The row of the window that each belongs to.
    pub(super) rows: Vec<u32>,
    pub(super) states: Vec<ArrayRef>,
}

impl States {
    /// States as they were.
    pub(super) fn restored(merged: Vec<ArrayRef>, merged_rows: usize, pending: Vec<Pending>) -> Self {
        Self { merged, merged_rows, pending }
    }

    /// The columns of the merged states, the number of their rows, and what waits.
    pub(super) fn parts(&self) -> (&[ArrayRef], usize, &[Pending]) {
        (&self.merged, self.merged_rows, &self.pending)
    }

    /// Adds states to rows of a window that now has `rows` rows.
    pub(super) fn add(&mut self, aggregates: &[Aggregate], pending: Pending, rows: usize) {
        self.pending.push(pending);
        let waiting: usize = self.pending.iter().map(|pending| pending.rows.len()).sum();
        if waiting > self.merged_rows + MOST_PENDING {
            self.merge(aggregates, rows);
        }
    }

    /// Merges what waits, in the order in which it came.
    pub(super) fn merge(&mut self, aggregates: &[Aggregate], rows: usize) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let merged_groups: Vec<usize> = (0..self.merged_rows).collect();
        let pending_groups: Vec<Vec<usize>> =
            pending.iter().map(|pending| pending.rows.iter().map(|&row| row as usize).collect()).collect();
        let mut merged = Vec::with_capacity(pending[0].states.len());
        let mut first = 0;
        for aggregate in aggregates {
            let columns = first..first + aggregate.state_types.len();
            first = columns.end;
            let mut accumulator = accumulator(aggregate);
            let mut fold = |states: &[ArrayRef], groups: &[usize]| {
                let folded = accumulator.merge_batch(states, groups, rows);
                folded.expect("the states are of the types that the aggregate has");
            };
            if self.merged_rows > 0 {
                fold(&self.merged[columns.clone()], &merged_groups);
            }
            for (pending, groups) in pending.iter().zip(&pending_groups) {
                fold(&pending.states[columns.clone()], groups);
            }
            merged.extend(accumulator.state(EmitTo::All).expect("an aggregate that was planned has states"));
        }
        self.merged = merged;
        self.merged_rows = rows;
    }

    /// The results for rows; nothing may wait. A result that fails, such as one out of its type's range, is null.
    pub(super) fn evaluate(&self, aggregates: &[Aggregate], rows: &UInt32Array) -> Vec<ArrayRef> {
        let mut first = 0;
        let results = aggregates.iter().map(|aggregate| {
            let columns = &self.merged[first..first + aggregate.state_types.len()];
            first += columns.len();
            let states: Vec<ArrayRef> = columns
                .iter()
                .map(|column| take(column, rows, None).expect("the rows have states"))
                .collect();
            let result = evaluated(aggregate, &states, rows.len())
                .unwrap_or_else(|_| one_by_one(aggregate, &states, rows.len()));
            cast(&result, &aggregate.data_type).expect("a count fits into a long")
        });
        results.collect()
    }

    /// Bytes of main memory.
    pub(super) fn bytes(&self) -> usize {
        let columns = |columns: &[ArrayRef]| -> usize {
            columns.iter().map(|column| column.get_array_memory_size()).sum()
        };
        let pending = self.pending.iter().map(|pending| pending.rows.len() * 4 + columns(&pending.states));
        columns(&self.merged) + pending.sum::<usize>()
    }
}

fn accumulator(aggregate: &Aggregate) -> Box<dyn GroupsAccumulator> {
    aggregate.function.create_groups_accumulator().expect("the plan checked that there is one")
}

fn evaluated(aggregate: &Aggregate, states: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let groups: Vec<usize> = (0..rows).collect();
    let mut accumulator = accumulator(aggregate);
    accumulator.merge_batch(states, &groups, rows)?;
    accumulator.evaluate(EmitTo::All)
}

/// Each row alone, so that one that fails does not disturb the others.
fn one_by_one(aggregate: &Aggregate, states: &[ArrayRef], rows: usize) -> ArrayRef {
    let data_type = aggregate.function.field().data_type().clone();
    let result = |row: usize| -> ArrayRef {
        let states: Vec<ArrayRef> = states.iter().map(|column| column.slice(row, 1)).collect();
        evaluated(aggregate, &states, 1).unwrap_or_else(|_| new_null_array(&data_type, 1))
    };
    let results: Vec<ArrayRef> = (0..rows).map(result).collect();
    let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
    concat(&results).unwrap_or_else(|_| Arc::clone(&new_null_array(&data_type, rows)))
}
