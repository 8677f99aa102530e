//! What becomes of refused messages that the present configuration has looked at again. Pure.
//!
//! | refused at | the configuration now says | it becomes |
//! |---|---|---|
//! | `decode` | still refuses to decode it | nothing: it stays where it is, under its first reason |
//! | `decode` | decodes it, silver refuses it | a bronze row, and a row of quarantine at `silver` |
//! | `decode` | decodes it, silver takes it | a bronze row, and a silver row unless it is a copy |
//! | `silver` | still refuses it, at any stage | nothing |
//! | `silver` | silver takes it | a silver row unless it is a copy |
//!
//! A message that is not left as it was is noted in the table of what was replayed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use sluice_contract::reasons::{STAGE_DECODE, STAGE_SILVER};
use sluice_engine::Processed;
use sluice_engine::tables::timestamp_type;

use super::message::{Columns, RefusedMessage, positions};

const DAY_US: i64 = 86_400_000_000;

/// Partition and offset.
type Position = (i32, i64);

/// What happened to how many messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// New silver rows.
    pub(super) silver: u64,
    /// Copies of a silver row.
    pub(super) duplicates: u64,
    /// Messages that decode now, and are refused by silver.
    pub(super) refused_by_silver: u64,
    /// Messages that stay where they were, by the stage and reason that refuse them now.
    pub(super) still_refused: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Counts another page.
    pub(super) fn add(&mut self, other: Self) {
        self.silver += other.silver;
        self.duplicates += other.duplicates;
        self.refused_by_silver += other.refused_by_silver;
        for (reason, messages) in other.still_refused {
            *self.still_refused.entry(reason).or_default() += messages;
        }
    }
}

/// What a message became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Silver,
    Duplicate,
    Refused,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Silver => "silver",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        }
    }
}

/// A page of messages, and what the configuration makes of them.
#[derive(Debug)]
pub(super) struct Looked {
    messages: Vec<RefusedMessage>,
    /// The stage and reason that refuse a message now.
    refused: HashMap<Position, (String, String)>,
    bronze: Option<RecordBatch>,
    /// Bronze rows of messages that have theirs already.
    known_bronze: Option<RecordBatch>,
    silver: Option<RecordBatch>,
    quarantine: Option<RecordBatch>,
}

/// What a page adds to the tables.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Rows by table, only where there are any.
    pub(super) rows: BTreeMap<&'static str, RecordBatch>,
    /// The counts.
    pub(super) tally: Tally,
}

impl Looked {
    /// Puts together what was made of the messages of both stages.
    pub(super) fn new(
        messages: Vec<RefusedMessage>,
        decode: Processed,
        silver: Processed,
    ) -> Result<Self, ArrowError> {
        let mut refused = HashMap::new();
        for rows in decode.quarantine.iter().chain(&silver.quarantine) {
            let schema = rows.schema();
            let (stage, reason) = (schema.index_of("stage")?, schema.index_of("reason")?);
            for (row, position) in positions(rows)?.into_iter().enumerate() {
                let text = |column| Ok::<_, ArrowError>(Columns(rows).text(column, row)?.unwrap_or_default());
                refused.insert(position, (text(stage)?, text(reason)?));
            }
        }
        Ok(Self {
            messages,
            refused,
            bronze: decode.bronze,
            known_bronze: silver.bronze,
            silver: together(decode.silver, silver.silver)?,
            quarantine: decode.quarantine,
        })
    }

    /// The rows that silver would take, in the columns of silver and of bronze; `None` if there are none.
    pub(super) fn candidates(&self) -> Result<Option<(RecordBatch, RecordBatch)>, ArrowError> {
        let bronze = together(self.bronze.clone(), self.known_bronze.clone())?;
        Ok(self.silver.clone().zip(bronze))
    }

    /// Decides, now that it is known which candidates are copies.
    pub(super) fn decide(self, copies: &HashSet<Position>, now_us: i64) -> Result<Verdict, ArrowError> {
        let mut tally = Tally::default();
        let mut left = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            let position = (message.partition, message.offset);
            let outcome = match self.refused.get(&position) {
                None if copies.contains(&position) => Outcome::Duplicate,
                None => Outcome::Silver,
                Some((stage, _)) if stage == STAGE_SILVER && message.stage == STAGE_DECODE => {
                    Outcome::Refused
                }
                Some(reason) => {
                    *tally.still_refused.entry(reason.clone()).or_default() += 1;
                    continue;
                }
            };
            match outcome {
                Outcome::Silver => tally.silver += 1,
                Outcome::Duplicate => tally.duplicates += 1,
                Outcome::Refused => tally.refused_by_silver += 1,
            }
            left.push((index, outcome));
        }
        let refused = &self.refused;
        let is_new =
            |position: &Position| refused.get(position).is_some_and(|(stage, _)| stage == STAGE_SILVER);
        let rows = [
            ("bronze", self.bronze.clone()),
            ("silver", only(self.silver.clone(), |position| !copies.contains(position))?),
            ("quarantine", only(self.quarantine.clone(), is_new)?),
            (super::query::REPLAYED, replayed(&self.messages, &left, now_us)?),
        ];
        let rows = rows.into_iter().filter_map(|(table, rows)| Some((table, rows?)));
        Ok(Verdict { rows: rows.filter(|(_, rows)| rows.num_rows() > 0).collect(), tally })
    }
}

/// Which candidates are copies, from what [`super::query::copies`] gives.
///
/// A candidate is a copy if silver has a row of its partition with its key that was sent within `within_us` of
/// it, before or after, by Kafka's timestamps; without both timestamps, whenever. So are candidates of
/// accepted ones before them, in the order of the topic.
pub(super) fn copies(batches: &[RecordBatch], within_us: i64) -> Result<HashSet<Position>, ArrowError> {
    let is_near = |one: Option<i64>, other: Option<i64>| match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) <= within_us.unsigned_abs(),
        _ => true,
    };
    // Each candidate comes once for every row of silver with its key.
    let mut candidates: Vec<Candidate> = Vec::new();
    for batch in batches {
        let columns = Columns(batch);
        let integers: Vec<ArrayRef> =
            (0..5).map(|column| columns.integers(column)).collect::<Result<_, _>>()?;
        let integer = |column: usize, row: usize| {
            let column = integers[column].as_primitive::<Int64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        for row in 0..batch.num_rows() {
            let (Some(partition), Some(offset)) = (integer(0, row), integer(1, row)) else { continue };
            let position = (partition as i32, offset);
            let sent_us = integer(2, row);
            let is_copy = integer(3, row).is_some() && is_near(sent_us, integer(4, row));
            match candidates.last_mut() {
                Some(candidate) if candidate.position == position => candidate.is_copy |= is_copy,
                _ => {
                    let key: Key = (5..batch.num_columns())
                        .map(|column| columns.text(column, row))
                        .collect::<Result<_, _>>()?;
                    candidates.push(Candidate { position, sent_us, key, is_copy });
                }
            }
        }
    }
    // When the rows of a key on a partition were sent, as far as they tell.
    let mut accepted: HashMap<(i32, Key), Vec<Option<i64>>> = HashMap::new();
    let mut copies = HashSet::new();
    for Candidate { position, sent_us, key, is_copy } in candidates {
        let known = accepted.entry((position.0, key)).or_default();
        if is_copy || known.iter().any(|known| is_near(sent_us, *known)) {
            copies.insert(position);
        } else {
            known.push(sent_us);
        }
    }
    Ok(copies)
}

/// The text of the columns that identify a row.
type Key = Vec<Option<String>>;

struct Candidate {
    position: Position,
    sent_us: Option<i64>,
    key: Key,
    is_copy: bool,
}

/// The columns of the table of what was replayed.
pub(super) fn replayed_schema() -> SchemaRef {
    let column = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        column("topic", DataType::Utf8),
        column("partition", DataType::Int32),
        column("offset", DataType::Int64),
        column("stage", DataType::Utf8),
        column("reason", DataType::Utf8),
        column("outcome", DataType::Utf8),
        column("processing_time", timestamp_type()),
        column("processing_date", DataType::Date32),
    ]))
}

fn replayed(
    messages: &[RefusedMessage],
    left: &[(usize, Outcome)],
    now_us: i64,
) -> Result<Option<RecordBatch>, ArrowError> {
    if left.is_empty() {
        return Ok(None);
    }
    let all = || left.iter().map(|(index, _)| &messages[*index]);
    let text = |of: fn(&RefusedMessage) -> &str| Arc::new(StringArray::from_iter_values(all().map(of)));
    let columns: Vec<ArrayRef> = vec![
        text(|message| &message.topic),
        Arc::new(Int32Array::from_iter_values(all().map(|message| message.partition))),
        Arc::new(Int64Array::from_iter_values(all().map(|message| message.offset))),
        text(|message| &message.stage),
        text(|message| &message.reason),
        Arc::new(StringArray::from_iter_values(left.iter().map(|(_, outcome)| outcome.as_str()))),
        Arc::new(TimestampMicrosecondArray::from_value(now_us, left.len()).with_timezone("UTC")),
        Arc::new(Date32Array::from_value(now_us.div_euclid(DAY_US) as i32, left.len())),
    ];
    RecordBatch::try_new(replayed_schema(), columns).map(Some)
}

fn together(one: Option<RecordBatch>, other: Option<RecordBatch>) -> Result<Option<RecordBatch>, ArrowError> {
    match (one, other) {
        (Some(one), Some(other)) => concat_batches(&one.schema(), [&one, &other]).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

/// The rows at the positions that are wanted.
fn only(
    rows: Option<RecordBatch>,
    is_wanted: impl Fn(&Position) -> bool,
) -> Result<Option<RecordBatch>, ArrowError> {
    let Some(rows) = rows else { return Ok(None) };
    let mask: BooleanArray = positions(&rows)?.iter().map(|position| Some(is_wanted(position))).collect();
    filter_record_batch(&rows, &mask).map(Some)
}

#[cfg(test)]
mod tests;
