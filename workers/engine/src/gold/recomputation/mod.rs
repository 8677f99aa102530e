//! [`Recomputation`]: windows computed again from the rows of silver.
//!
//! ```text
//!  all rows of silver ──► after which offset each window had closed on each partition   (one pass, any order)
//!                   └───► which of the windows that were lost have rows: the oldest of them are taken
//!  rows of these windows ──► partial aggregates, with exact lateness ──► blocks ──► [`Merge::settle`]
//! ```
//! A row counts with the watermark that all rows of silver before it on its partition give. Rows that the merge has not
//! been given yet by ingest are left out: they come with their epochs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter, filter_record_batch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use sluice_contract::config::WorkerConfig;
use sluice_decode::RowSchema;

use super::merge::{Block, Merge, fold_blocks, windows_of_a_block};
use super::partials::{self, PartialAggregates};
use super::ranges::Ranges;
use crate::deduplication::KeyHasher;
use crate::plan::{BuiltIn, Plan, PlanError};
use crate::state::StateError;
use crate::tables::{OFFSET, PARTITION, timestamp_type};
use crate::watermark::Watermark;
use lateness::Lateness;

mod lateness;

/// Name of the column of event times, as [`Times`] says, beside those of silver.
pub const TIME_OF_ROW: &str = "__event_time";
/// Name of the column of Kafka timestamps.
pub const SENT_AT: &str = "__kafka_timestamp";

/// Windows are computed again until their rows are so many; the rest waits for another turn.
const MOST_ROWS: u64 = 2_000_000;
/// So many blocks of a table are taken at most: each is a file when it leaves memory again.
const MOST_BLOCKS: usize = 256;

/// Where the event time and the Kafka timestamp of a silver row are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Times {
    /// In these columns of silver.
    Silver {
        /// The event time.
        event_time: String,
        /// The Kafka timestamp.
        kafka_timestamp: String,
    },
    /// In its row of bronze: silver lacks one of them.
    Bronze {
        /// The column that the event time is made of.
        event_time: String,
    },
}

/// A span of event times, in microseconds, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first moment.
    pub from_us: i64,
    /// The first moment behind it.
    pub until_us: i64,
}

/// Windows that are computed again from the rows of silver.
#[derive(Debug)]
pub struct Recomputation {
    plan: Plan,
    hasher: KeyHasher,
    max_out_of_orderness_ms: u64,
    /// What ingest has given to the merge: offsets below these.
    positions: BTreeMap<i32, i64>,
    lateness: Lateness,
    pub(super) tables: Vec<TableRecomputation>,
    partials: Option<PartialAggregates>,
}

/// The windows of one table.
#[derive(Debug)]
pub(super) struct TableRecomputation {
    windows_of_a_block: i64,
    lost: Ranges,
    /// Rows of silver in each lost block that has any, or was published.
    rows: BTreeMap<i64, u64>,
    /// The blocks that are computed in this turn...
    pub(super) chosen: BTreeSet<i64>,
    /// ... with which all that is lost below this block is done.
    pub(super) done_below: i64,
    pub(super) blocks: BTreeMap<i64, Arc<Block>>,
}

/// Where some rows of silver are, and when they were.
struct Rows {
    partitions: Int32Array,
    offsets: Int64Array,
    times: TimestampMicrosecondArray,
}

impl Recomputation {
    /// A recomputation of what a merge has [lost](Merge::has_lost), up to where it has come. `key` is that of ingest's
    /// hashes.
    pub fn new(
        config: &WorkerConfig,
        schema: &RowSchema,
        key: [u8; 16],
        merge: &Merge,
    ) -> Result<Self, Vec<PlanError>> {
        let plan = Plan::compile(config, schema)?;
        let tables = plan.gold.tables.iter().zip(merge.lost());
        let tables = tables.map(|(table, lost)| TableRecomputation {
            windows_of_a_block: windows_of_a_block(&table.windows),
            lost: lost.clone(),
            rows: BTreeMap::new(),
            chosen: BTreeSet::new(),
            done_below: i64::MIN,
            blocks: BTreeMap::new(),
        });
        Ok(Self {
            tables: tables.collect(),
            lateness: Lateness::new(plan.gold.tables.iter().map(|table| table.windows)),
            partials: PartialAggregates::new(&plan.gold),
            hasher: KeyHasher::new(key),
            max_out_of_orderness_ms: config.source.event_time.max_out_of_orderness_ms,
            positions: merge.positions(),
            plan,
        })
    }

    /// Where the times of the rows are, which it wants as [`TIME_OF_ROW`] and [`SENT_AT`].
    pub fn times(&self) -> Times {
        let silver = |column: BuiltIn| {
            let slot = self.plan.slot_of(column);
            self.plan.columns.iter().find(|column| column.slot == slot).map(|column| column.name.clone())
        };
        let times = (silver(BuiltIn::EventTime), silver(BuiltIn::KafkaTimestamp));
        if let (Some(event_time), Some(kafka_timestamp)) = times {
            return Times::Silver { event_time, kafka_timestamp };
        }
        // Bronze has the key before the fields.
        let column = self.plan.event_time.slot() + 1;
        Times::Bronze { event_time: self.plan.tables.bronze.schema.field(column).name().clone() }
    }

    /// Takes rows of silver in, of which it needs partition, offset, and both times. All rows of the table come, in any
    /// order.
    pub fn observe(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let sent = cast(column(rows, SENT_AT)?, &timestamp_type())?;
        let sent = sent.as_primitive::<TimestampMicrosecondType>();
        let Rows { partitions, offsets, times } = self.rows(rows)?;
        for row in 0..rows.num_rows() {
            let (partition, offset) = (partitions.value(row), offsets.value(row));
            if !self.is_given(partition, offset) || times.is_null(row) {
                continue;
            }
            let mut watermark = Watermark::new(None, self.max_out_of_orderness_ms);
            watermark.observe(Some(times.value(row)), sent.is_valid(row).then(|| sent.value(row)));
            self.lateness.observe(partition, offset, watermark.value_us());
            for (place, table) in self.tables.iter_mut().enumerate() {
                let windows = &self.plan.gold.tables[place].windows;
                let pane = windows.pane(times.value(row));
                for number in table.blocks_of(windows.first_of(pane), pane) {
                    if table.lost.contains(number) {
                        *table.rows.entry(number).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Chooses the windows of this turn, now that all rows were observed: the oldest that were lost, and have rows in
    /// silver, or rows that were published before. `published` are the starts of the latter, by the place of their
    /// table. Gives the spans of event times whose rows it wants.
    pub fn choose(&mut self, published: impl IntoIterator<Item = (usize, i64)>) -> Vec<Span> {
        self.lateness.sort();
        for (place, start_us) in published {
            let (windows, table) = (&self.plan.gold.tables[place].windows, &mut self.tables[place]);
            let window = windows.pane(start_us);
            let number = window.div_euclid(table.windows_of_a_block);
            if table.lost.contains(number) {
                table.rows.entry(number).or_default();
            }
        }
        let mut spans = Ranges::default();
        for (place, table) in self.tables.iter_mut().enumerate() {
            table.choose();
            let windows = &self.plan.gold.tables[place].windows;
            for number in &table.chosen {
                let first = number * table.windows_of_a_block;
                spans.insert(windows.start_us(first), windows.end_us(first + table.windows_of_a_block - 1));
            }
        }
        spans.iter().map(|(from_us, until_us)| Span { from_us, until_us }).collect()
    }

    /// The spans of window starts, by the place of their table, that were published before and are settled now.
    pub fn starts(&self) -> impl Iterator<Item = (usize, Span)> {
        self.tables.iter().enumerate().filter_map(|(place, table)| {
            let windows = &self.plan.gold.tables[place].windows;
            let (first, last) = (table.chosen.first()?, table.chosen.last()?);
            let start_us = |number: i64| windows.start_us(number * table.windows_of_a_block);
            Some((place, Span { from_us: start_us(*first), until_us: start_us(last + 1) }))
        })
    }

    /// Adds rows of the chosen windows, with all columns of silver and their event times; others are left out. Every
    /// row comes once, in any order.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let Rows { partitions, offsets, times } = self.rows(rows)?;
        let is_wanted = BooleanBuffer::collect_bool(rows.num_rows(), |row| {
            times.is_valid(row)
                && self.is_given(partitions.value(row), offsets.value(row))
                && self.is_chosen(times.value(row))
        });
        let watermarks = is_wanted.set_indices();
        let watermarks = watermarks
            .map(|row| self.lateness.watermark_before_us(partitions.value(row), offsets.value(row)));
        let watermarks: Vec<i64> = watermarks.collect();
        if watermarks.is_empty() {
            return Ok(());
        }
        let is_wanted = is_wanted.into();
        let times = filter(&times, &is_wanted)?;
        let silver = self.silver(&filter_record_batch(rows, &is_wanted)?)?;
        if let Some(partials) = &mut self.partials {
            partials.add(&self.plan.gold, &silver, times.as_primitive(), &watermarks);
        }
        Ok(())
    }

    /// All rows of the chosen windows were added. [`Merge::settle`] is next.
    pub fn close(&mut self) -> Result<(), StateError> {
        let closed =
            self.partials.as_mut().and_then(|partials| partials.close(&self.plan.gold, &self.hasher));
        let Some(file) = closed else { return Ok(()) };
        for rows in partials::read(&self.plan.gold, &file)? {
            let TableRecomputation { chosen, blocks, .. } = &mut self.tables[rows.table];
            let table = &self.plan.gold.tables[rows.table];
            fold_blocks(table, blocks, &rows, |number| chosen.contains(&number));
        }
        Ok(())
    }

    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Whether ingest has given the row at an offset to the merge.
    fn is_given(&self, partition: i32, offset: i64) -> bool {
        self.positions.get(&partition).is_some_and(|next| offset < *next)
    }

    /// Whether a row of this event time is in a chosen window.
    fn is_chosen(&self, time_us: i64) -> bool {
        self.tables.iter().zip(&self.plan.gold.tables).any(|(table, plan)| {
            let pane = plan.windows.pane(time_us);
            table.blocks_of(plan.windows.first_of(pane), pane).any(|number| table.chosen.contains(&number))
        })
    }

    fn rows(&self, rows: &RecordBatch) -> Result<Rows, ArrowError> {
        let times = column(rows, TIME_OF_ROW)?;
        let times = match self.times() {
            Times::Silver { .. } => {
                cast(times, &timestamp_type())?.as_primitive::<TimestampMicrosecondType>().clone()
            }
            Times::Bronze { .. } => {
                let stored = self.plan.tables.bronze.schema.field(self.plan.event_time.slot() + 1);
                self.plan.event_time.times_of(&cast(times, stored.data_type())?)
            }
        };
        Ok(Rows {
            partitions: cast(column(rows, PARTITION)?, &DataType::Int32)?.as_primitive::<Int32Type>().clone(),
            offsets: cast(column(rows, OFFSET)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
            times,
        })
    }

    /// Rows in the columns of silver; those that the table lacks are null.
    fn silver(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = &self.plan.tables.silver.schema;
        let columns = schema.fields().iter().map(|field| match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        });
        RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<ArrayRef>, _>>()?)
    }
}

impl TableRecomputation {
    /// The blocks that the windows from `first` to `last` are in.
    fn blocks_of(&self, first: i64, last: i64) -> impl Iterator<Item = i64> + use<> {
        first.div_euclid(self.windows_of_a_block)..=last.div_euclid(self.windows_of_a_block)
    }

    fn choose(&mut self) {
        let mut rows = 0;
        for (number, of_block) in &self.rows {
            if rows >= MOST_ROWS || self.chosen.len() == MOST_BLOCKS {
                // The rest of what is lost waits.
                return;
            }
            rows += of_block;
            self.chosen.insert(*number);
            self.done_below = number + 1;
        }
        self.done_below = i64::MAX;
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    rows.column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("the rows have no column `{name}`")))
}
