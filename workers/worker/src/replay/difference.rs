//! [`Difference`]: what the rows of a table are, and what they should be. Pure.
//!
//! Rows are compared by value, by the place of their message in the topic. Columns that are other ones whenever a
//! message is processed do not count: a row that differs in nothing else is left as it is.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DynComparator, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, interleave, take_record_batch};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use sluice_lake::Positions;

use super::rows::{Position, positions};

/// How many rows came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Rows that have other values.
    pub(super) changed: u64,
    /// Rows that were not there.
    pub(super) added: u64,
    /// Rows that should not be there.
    pub(super) removed: u64,
}

impl Tally {
    /// Counts a row that differs: by where the old one stands to the new one.
    fn count(&mut self, old_to_new: Ordering) {
        match old_to_new {
            Ordering::Equal => self.changed += 1,
            Ordering::Greater => self.added += 1,
            Ordering::Less => self.removed += 1,
        }
    }

    /// Counts more.
    pub(super) fn add(&mut self, other: Self) {
        self.changed += other.changed;
        self.added += other.added;
        self.removed += other.removed;
    }

    /// Rows that go: other ones take the place of those that changed.
    pub(super) fn dropped(self) -> u64 {
        self.changed + self.removed
    }
}

/// How rows are compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// Columns that do not count.
    pub(super) ignored: BTreeSet<String>,
    /// Columns of which a row that changes keeps the old value.
    pub(super) kept: BTreeSet<String>,
}

/// What becomes of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Difference {
    /// Rows to write: those that changed, and those that were not there.
    pub(super) written: Option<RecordBatch>,
    /// Where rows are that go. Between them are none that stay.
    pub(super) dropped: Positions,
    /// Where rows came, changed or went.
    pub(super) touched: Vec<Position>,
    /// The counts.
    pub(super) tally: Tally,
}

impl Comparison {
    /// Compares the rows of a portion as they are with what they should be: same columns, in the order of the topic.
    pub(super) fn difference(
        &self,
        old: Option<&RecordBatch>,
        new: Option<&RecordBatch>,
    ) -> Result<Difference, ArrowError> {
        let mut difference = Difference::default();
        let (old_positions, new_positions) = (positions_of(old)?, positions_of(new)?);
        let comparators = match (old, new) {
            (Some(old), Some(new)) => self.comparators(old, new)?,
            _ => Vec::new(),
        };
        let mut written: Vec<(usize, Option<usize>)> = Vec::new();
        let mut run = Run::default();
        let (mut of_old, mut of_new) = (0, 0);
        loop {
            let (order, place) = match (old_positions.get(of_old), new_positions.get(of_new)) {
                (None, None) => break,
                (Some(old), None) => (Ordering::Less, *old),
                (None, Some(new)) => (Ordering::Greater, *new),
                (Some(old), Some(new)) => (old.cmp(new), *old.min(new)),
            };
            let is_same = order == Ordering::Equal
                && comparators.iter().all(|compare| compare(of_old, of_new) == Ordering::Equal);
            if is_same {
                run.keep(&mut difference.dropped);
            } else {
                difference.touched.push(place);
                difference.tally.count(order);
                if order != Ordering::Greater {
                    run.drop(place, &mut difference.dropped);
                }
                if order != Ordering::Less {
                    written.push((of_new, (order == Ordering::Equal).then_some(of_old)));
                }
            }
            of_old += usize::from(order != Ordering::Greater);
            of_new += usize::from(order != Ordering::Less);
        }
        run.keep(&mut difference.dropped);
        if let (Some(new), false) = (new, written.is_empty()) {
            difference.written = Some(self.rows(old, new, &written)?);
        }
        Ok(difference)
    }

    fn comparators(&self, old: &RecordBatch, new: &RecordBatch) -> Result<Vec<DynComparator>, ArrowError> {
        let schema = new.schema();
        let counts =
            schema.fields().iter().enumerate().filter(|(_, field)| !self.ignored.contains(field.name()));
        counts
            .map(|(column, _)| {
                make_comparator(old.column(column), new.column(column), SortOptions::default())
            })
            .collect()
    }

    /// New rows, those among them that take the place of an old one with what they keep of it.
    fn rows(
        &self,
        old: Option<&RecordBatch>,
        new: &RecordBatch,
        written: &[(usize, Option<usize>)],
    ) -> Result<RecordBatch, ArrowError> {
        let indices: UInt32Array = written.iter().map(|(row, _)| Some(*row as u32)).collect();
        let rows = take_record_batch(new, &indices)?;
        let (Some(old), false) = (old, self.kept.is_empty()) else { return Ok(rows) };
        let places: Vec<(usize, usize)> =
            written.iter().map(|(row, old)| old.map_or((0, *row), |old| (1, old))).collect();
        let schema = rows.schema();
        let columns =
            schema.fields().iter().enumerate().map(|(column, field)| -> Result<ArrayRef, ArrowError> {
                if self.kept.contains(field.name()) {
                    let sources: [&dyn Array; 2] = [new.column(column), old.column(column)];
                    return interleave(&sources, &places);
                }
                Ok(Arc::clone(rows.column(column)))
            });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)
    }
}

fn positions_of(rows: Option<&RecordBatch>) -> Result<Vec<Position>, ArrowError> {
    rows.map_or_else(|| Ok(Vec::new()), positions)
}

/// Rows that go one after the other, with none between them that stays.
#[derive(Debug, Default)]
struct Run(Option<(Position, i64)>);

impl Run {
    fn drop(&mut self, place: Position, dropped: &mut Positions) {
        match &mut self.0 {
            Some(((partition, _), last)) if *partition == place.0 => *last = place.1,
            _ => {
                self.keep(dropped);
                self.0 = Some((place, place.1));
            }
        }
    }

    /// A row stays, or there are no more.
    fn keep(&mut self, dropped: &mut Positions) {
        if let Some(((partition, first), last)) = self.0.take() {
            dropped.push(partition, first..last + 1);
        }
    }
}

#[cfg(test)]
mod tests;
