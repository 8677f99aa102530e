//! [`refusals`]: what quarantine should have of the rows of bronze in a portion. Pure.
//!
//! Rows of the stages `silver` and `late` are those that the present configuration makes. But one that was taken up
//! by `quarantine replay` stays beside its note in the table `replayed`, and whoever reads quarantine leaves it out:
//!
//! | quarantine has at `silver` | noted in `replayed` | the configuration | then |
//! |---|---|---|---|
//! | – | – | refuses the row | a row |
//! | a row | no | refuses it | the row, by its present reason |
//! | a row | no | takes it | no row |
//! | a row | yes | refuses it | the row, and no note |
//! | a row | yes | takes it | both stay |
//!
//! Rows of the stage `decode` are of messages that bronze did not have. They stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use sluice_contract::reasons::{STAGE_LATE, STAGE_SILVER};
use sluice_lake::{Positions, TableSpec};

use super::difference::Tally;
use super::rows::{Position, positions};

/// The stages that are made again from bronze.
pub(super) const STAGES: &[&str] = &[STAGE_SILVER, STAGE_LATE];
/// The stage whose notes in the table of what was replayed may go.
pub(super) const NOTED: &[&str] = &[STAGE_SILVER];

/// What becomes of quarantine, and of the notes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Refusals {
    /// Rows to write.
    pub(super) written: Option<RecordBatch>,
    /// Where rows of [`STAGES`] go, to be written again or not.
    pub(super) dropped: Positions,
    /// Rows that go.
    pub(super) dropped_rows: u64,
    /// Where notes of [`NOTED`] go.
    pub(super) forgotten: Positions,
    /// Notes that go.
    pub(super) forgotten_rows: u64,
    /// Where it changed which rows are late, and for which windows.
    pub(super) lateness_changed: Vec<Position>,
    /// The counts, by message.
    pub(super) tally: Tally,
}

/// A row of quarantine, by its place: in the new rows, or in the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    New(usize),
    Old(usize),
}

/// Decides. `old` are all rows of quarantine in a portion, `notes` those of the table of what was replayed, `new`
/// those that the configuration makes.
pub(super) fn refusals(
    spec: &TableSpec,
    old: Option<&RecordBatch>,
    notes: Option<&RecordBatch>,
    new: Option<&RecordBatch>,
) -> Result<Refusals, ArrowError> {
    let (old_rows, new_rows) = (Texts::of(old)?, Texts::of(new)?);
    let noted = noted(notes)?;
    let mut by_position: BTreeMap<Position, (Vec<usize>, Option<usize>)> = BTreeMap::new();
    for (row, position) in old_rows.positions.iter().enumerate() {
        by_position.entry(*position).or_default().0.push(row);
    }
    for (row, position) in new_rows.positions.iter().enumerate() {
        by_position.entry(*position).or_default().1 = Some(row);
    }
    let mut refusals = Refusals::default();
    // Each row, and the row that has the bytes of its message.
    let mut written: Vec<(Row, Row)> = Vec::new();
    for (position, (olds, new)) in by_position {
        let is_refused = new.is_some_and(|new| new_rows.stages[new] == STAGE_SILVER);
        if is_refused && noted.contains(&position) {
            refusals.forgotten.push(position.0, position.1..position.1 + 1);
            refusals.forgotten_rows += 1;
        }
        let of_stages: Vec<usize> =
            olds.iter().copied().filter(|row| STAGES.contains(&old_rows.stages[*row].as_str())).collect();
        let stays =
            |row: &usize| !is_refused && old_rows.stages[*row] == STAGE_SILVER && noted.contains(&position);
        let kept: Vec<usize> = of_stages.iter().copied().filter(stays).collect();
        let is_there = |new: usize| {
            of_stages.len() == kept.len() + 1
                && of_stages.iter().any(|old| !kept.contains(old) && old_rows.is_same(*old, &new_rows, new))
        };
        if new.map_or(of_stages.len() == kept.len(), is_there) {
            continue;
        }
        refusals.note_lateness(position, &of_stages, new, (&old_rows, &new_rows));
        refusals.tally.add(Tally {
            changed: u64::from(of_stages.len() > kept.len() && new.is_some()),
            added: u64::from(of_stages.len() == kept.len() && new.is_some()),
            removed: u64::from(new.is_none()),
        });
        if !of_stages.is_empty() {
            refusals.dropped.push(position.0, position.1..position.1 + 1);
            refusals.dropped_rows += of_stages.len() as u64;
            written.extend(kept.iter().map(|row| (Row::Old(*row), Row::Old(*row))));
        }
        if let Some(new) = new {
            // Quarantine has the bytes of what it refused before, at whatever stage.
            let known = olds.iter().copied().find(|row| old_rows.has_value[*row]).map(Row::Old);
            written.push((Row::New(new), known.unwrap_or(Row::New(new))));
        }
    }
    refusals.written = write(spec, old, new, &written)?;
    Ok(refusals)
}

impl Refusals {
    /// Takes note of a message that is late for other windows than before.
    fn note_lateness(
        &mut self,
        position: Position,
        olds: &[usize],
        new: Option<usize>,
        (old_rows, new_rows): (&Texts, &Texts),
    ) {
        let was_late = olds.iter().find(|row| old_rows.stages[**row] == STAGE_LATE);
        let is_late = new.filter(|row| new_rows.stages[*row] == STAGE_LATE);
        let is_same = match (was_late, is_late) {
            (None, None) => true,
            (Some(old), Some(new)) => old_rows.is_same(*old, new_rows, new),
            _ => false,
        };
        if !is_same {
            self.lateness_changed.push(position);
        }
    }
}

/// What is compared of rows of quarantine.
#[derive(Debug, Default)]
struct Texts {
    positions: Vec<Position>,
    stages: Vec<String>,
    reasons: Vec<String>,
    details: Vec<String>,
    has_value: Vec<bool>,
}

impl Texts {
    fn of(rows: Option<&RecordBatch>) -> Result<Self, ArrowError> {
        let Some(rows) = rows else { return Ok(Self::default()) };
        let values = rows.column(rows.schema().index_of("value")?);
        Ok(Self {
            positions: positions(rows)?,
            stages: texts(rows, "stage")?,
            reasons: texts(rows, "reason")?,
            details: texts(rows, "detail")?,
            has_value: (0..rows.num_rows()).map(|row| values.is_valid(row)).collect(),
        })
    }

    fn is_same(&self, row: usize, other: &Self, of_other: usize) -> bool {
        self.stages[row] == other.stages[of_other]
            && self.reasons[row] == other.reasons[of_other]
            && self.details[row] == other.details[of_other]
    }
}

fn texts(rows: &RecordBatch, column: &str) -> Result<Vec<String>, ArrowError> {
    let column = rows.column(rows.schema().index_of(column)?);
    Ok(column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

/// Where messages that silver refused were taken up again.
fn noted(notes: Option<&RecordBatch>) -> Result<BTreeSet<Position>, ArrowError> {
    let Some(notes) = notes else { return Ok(BTreeSet::new()) };
    let stages = texts(notes, "stage")?;
    let places = positions(notes)?.into_iter().zip(stages);
    Ok(places.filter(|(_, stage)| NOTED.contains(&stage.as_str())).map(|(position, _)| position).collect())
}

/// The rows to write; `None` if there are none.
fn write(
    spec: &TableSpec,
    old: Option<&RecordBatch>,
    new: Option<&RecordBatch>,
    written: &[(Row, Row)],
) -> Result<Option<RecordBatch>, ArrowError> {
    if written.is_empty() {
        return Ok(None);
    }
    let nothing = RecordBatch::new_empty(Arc::clone(&spec.schema));
    let (new, old) = (new.unwrap_or(&nothing), old.unwrap_or(&nothing));
    let place = |row: &Row| match row {
        Row::New(row) => (0, *row),
        Row::Old(row) => (1, *row),
    };
    let column = |(column, field): (usize, &FieldRef)| {
        let is_value = field.name() == "value";
        let places: Vec<(usize, usize)> =
            written.iter().map(|(row, value)| place(if is_value { value } else { row })).collect();
        let sources: [&dyn Array; 2] = [new.column(column), old.column(column)];
        interleave(&sources, &places)
    };
    let columns: Vec<ArrayRef> =
        spec.schema.fields().iter().enumerate().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(&spec.schema), columns).map(Some)
}

#[cfg(test)]
mod tests;
