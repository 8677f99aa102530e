//! [`Ingest`]: one shard's stream core.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::PartitionProgress;
use sluice_contract::reasons;
use sluice_decode::{Decoded, Decoder, MessageBatch, RowSchema, UnresolvedSchema};

use crate::bronze::Envelope;
use crate::deduplication::{Accepted, KeyHasher};
use crate::epoch::{ClosedEpoch, EpochSize};
use crate::gold::{self, PartialAggregates};
use crate::partition::{Arrivals, MemorySize, Partitions};
use crate::plan::{BuiltIn, Plan, PlanError};
use crate::quarantine::{self, Refused};
use crate::silver::{self, Candidates};
use crate::state::{self, StateError};
use crate::tables::{TableSchema, TableSchemas};
use crate::{bronze, deduplication};
pub(crate) use rows::Recalled;
pub use rows::Replayed;

/// One shard's stream core: decodes, refines and deduplicates, and keeps the state of its partitions.
///
/// A new or restarted process calls, in this order: [`Ingest::new`], [`Ingest::restore`] for each
/// partition that has a manifest, [`Ingest::load_state`] for each state file (the base first, then the
/// deltas in order). Then it processes batches and closes epochs.
pub struct Ingest {
    pub(crate) plan: Plan,
    decoder: Decoder,
    pub(crate) hasher: KeyHasher,
    pub(crate) partitions: Partitions,
    /// What the open epoch adds to the windowed tables; `None` if there are none.
    partials: Option<PartialAggregates>,
    epoch: EpochSize,
}

/// The rows that a batch gives; `None` where there are none.
#[derive(Clone, Debug, PartialEq)]
pub struct Processed {
    /// Rows of bronze, with [`TableSchemas::bronze`].
    pub bronze: Option<RecordBatch>,
    /// Rows of silver, with [`TableSchemas::silver`].
    pub silver: Option<RecordBatch>,
    /// Rows of quarantine, with [`TableSchemas::quarantine`], in the order of their messages.
    pub quarantine: Option<RecordBatch>,
}

/// What has become of the messages of a batch.
pub(crate) struct Refined {
    /// All messages, by their partitions.
    pub(crate) arrivals: Arrivals,
    /// The messages that are rows of bronze.
    pub(crate) messages: Vec<u32>,
    /// The slots of their partitions.
    pub(crate) slots: Vec<u32>,
    /// These rows, with all columns that were computed.
    pub(crate) candidates: Candidates,
    /// Those that are rows of silver.
    pub(crate) accepted: Accepted,
    /// The messages that are rows of quarantine.
    pub(crate) refused: Vec<Refused>,
}

/// The messages of a batch that are rows of bronze, and those that are refused already.
struct Arrived {
    arrivals: Arrivals,
    messages: Vec<u32>,
    slots: Vec<u32>,
    refused: Vec<Refused>,
}

/// A part of the work on a batch, in order; named so that a profile can tell where time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Bytes to rows.
    Decode,
    /// Built-in columns, event time and the key check.
    Bronze,
    /// The rules of silver.
    Rules,
    /// The columns of silver.
    Columns,
    /// Copies and the watermark.
    Deduplication,
    /// The rows of bronze and silver.
    Output,
    /// The partial aggregates of the windowed tables.
    Windows,
    /// The quarantine rows.
    Quarantine,
}

impl Ingest {
    /// Compiles a configuration, or tells everything that is wrong with it.
    ///
    /// `deduplication_key` keys the hash of row identities; it is random, one for each lake, and must be
    /// the same at each start.
    pub fn new(
        config: &WorkerConfig,
        schema: &RowSchema,
        deduplication_key: [u8; 16],
    ) -> Result<Self, Vec<PlanError>> {
        let plan = Plan::compile(config, schema)?;
        let decoder = Decoder::new(config.source.format, schema)
            .map_err(|error| vec![PlanError::new("source.schema", error.to_string(), "mend the schema")])?;
        Ok(Self {
            partitions: Partitions::new(config.source.event_time.max_out_of_orderness_ms),
            hasher: KeyHasher::new(deduplication_key),
            partials: PartialAggregates::new(&plan.gold),
            plan,
            decoder,
            epoch: EpochSize::default(),
        })
    }

    /// The tables that [`Self::process`] gives rows of.
    pub fn table_schemas(&self) -> &TableSchemas {
        &self.plan.tables
    }

    /// The windowed tables, which the merge publishes, in the order of the configuration.
    pub fn gold_table_schemas(&self) -> impl Iterator<Item = &TableSchema> {
        self.plan.gold.tables.iter().map(|table| &table.table)
    }

    /// The decoder, for writer schemas.
    pub fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Takes a partition over where a manifest left it. Any state that it had here is forgotten.
    pub fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
        self.partitions.restore(partition, progress);
    }

    /// Loads a state file: the base first, then the deltas in order, after [`Self::restore`].
    ///
    /// Entries of partitions that were not restored belong to other shards and are skipped. On an error
    /// nothing of the file was loaded.
    pub fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
        self.load_state_keeping(file, 0)
    }

    /// [`Self::load_state`], with the rows that are counted by their keys for `keep_us` behind the watermark.
    pub(crate) fn load_state_keeping(&mut self, file: &[u8], keep_us: i64) -> Result<(), StateError> {
        for section in state::read(file)? {
            self.partitions.load(&section, keep_us);
        }
        Ok(())
    }

    /// Processes a batch whose messages are in offset order within each partition.
    ///
    /// The batch is processed as a whole or, on an error, not at all: the caller tells the decoder the
    /// schema and tries again. Messages below a partition's position were processed before and are skipped.
    pub fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Processed, UnresolvedSchema> {
        self.process_observed(batch, processing_time_us, |_| {})
    }

    /// [`Self::process`], which calls `finished` after each stage.
    pub fn process_observed(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
        mut finished: impl FnMut(Stage),
    ) -> Result<Processed, UnresolvedSchema> {
        let fresh = self.partitions.fresh(batch);
        let batch = fresh.batch();
        let refined = self
            .refine(batch, processing_time_us, &mut finished)
            .map_err(|error| fresh.name_message(error))?;
        let bronze = bronze::assemble(&self.plan, &refined.candidates, batch, &refined.messages);
        let silver = silver::assemble(&self.plan, &refined.candidates, &refined.accepted.rows);
        finished(Stage::Output);

        let late = silver.as_ref().map_or_else(Vec::new, |silver| self.aggregate(silver, &refined));
        finished(Stage::Windows);

        let mut refused = refined.refused;
        refused.extend(late);
        let quarantine = quarantine::assemble(&self.plan, batch, refused, processing_time_us);
        finished(Stage::Quarantine);
        Ok(Processed { bronze, silver, quarantine })
    }

    /// Adds silver rows to the windowed tables; gives those that are late for some window.
    fn aggregate(&mut self, silver: &RecordBatch, refined: &Refined) -> Vec<Refused> {
        let Some(partials) = &mut self.partials else { return Vec::new() };
        let Refined { arrivals, messages, candidates, accepted, .. } = refined;
        let times = silver::event_times(candidates, &accepted.rows);
        let late = partials.add(&self.plan.gold, silver, &times, &accepted.watermarks_us);
        let late: Vec<Refused> = gold::late_refusals(late, &accepted.rows, messages).collect();
        self.partitions.count_refused(arrivals, &late);
        late
    }

    /// All of [`Self::process`] but for the rows of the tables: decides and counts what becomes of each message.
    pub(crate) fn refine(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
        finished: &mut impl FnMut(Stage),
    ) -> Result<Refined, UnresolvedSchema> {
        let Decoded { rows, messages, refused } = self.decoder.decode(batch)?;
        finished(Stage::Decode);

        let arrivals = self.partitions.arrive(batch);
        self.epoch.messages += batch.len() as u64;
        self.epoch.bytes += arrivals.bytes;
        let refused =
            refused.into_iter().map(|refusal| Refused::new(reasons::STAGE_DECODE, refusal)).collect();
        let envelope = Envelope::new(&self.plan.topic, batch, &messages, processing_time_us);
        let candidates = Candidates::new(&self.plan, &rows, envelope);
        let has_key = |row: usize, text: &str| batch.get(messages[row] as usize).key == Some(text.as_bytes());
        let key_mismatches = bronze::key_mismatches(&self.plan, &candidates, has_key);
        let slots = arrivals.slots_of(&messages);
        self.partitions.count_bronze(&slots, &key_mismatches);
        finished(Stage::Bronze);
        Ok(self.judge(candidates, Arrived { arrivals, messages, slots, refused }, finished))
    }

    /// What becomes of rows of bronze.
    fn judge(
        &mut self,
        mut candidates: Candidates,
        arrived: Arrived,
        finished: &mut impl FnMut(Stage),
    ) -> Refined {
        let Arrived { arrivals, messages, slots, mut refused } = arrived;
        silver::require(&self.plan, &mut candidates);
        finished(Stage::Rules);
        silver::compute_columns(&self.plan, &mut candidates);
        finished(Stage::Columns);

        refused.extend(candidates.take_refusals(&messages));
        self.partitions.count_refused(&arrivals, &refused);
        let accepted = deduplication::accept(
            self.plan.deduplication.as_ref(),
            &self.hasher,
            &candidates,
            &slots,
            &mut self.partitions,
        );
        finished(Stage::Deduplication);
        Refined { arrivals, messages, slots, candidates, accepted, refused }
    }

    /// The columns of silver that tell when a message was processed, or are computed from that: they are other ones
    /// whenever it is processed.
    pub fn processing_columns(&self) -> BTreeSet<String> {
        self.plan.processing_columns()
    }

    /// The column of silver that is the event time, if there is one.
    pub fn event_time_column(&self) -> Option<&str> {
        let slot = self.plan.slot_of(BuiltIn::EventTime);
        let column = self.plan.columns.iter().find(|column| column.slot == slot);
        column.map(|column| column.name.as_str())
    }

    /// Moves a partition's position on to `next_offset`, beyond offsets that hold no message for us
    /// (transaction markers, compacted messages). It never moves back.
    pub fn advance(&mut self, partition: i32, next_offset: i64) {
        self.partitions.advance(partition, next_offset);
    }

    /// Marks a partition as idle, or as awake.
    pub fn set_idle(&mut self, partition: i32, idle: bool) {
        self.partitions.set_idle(partition, idle);
    }

    /// Tells whether a partition has been read to its end.
    pub fn set_caught_up(&mut self, partition: i32, caught_up: bool) {
        self.partitions.set_caught_up(partition, caught_up);
    }

    /// Where each partition stands, with its cumulative counts.
    pub fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        self.partitions.progress()
    }

    /// How large the memory of deduplication is.
    pub fn memory_size(&self) -> MemorySize {
        self.partitions.memory_size()
    }

    /// What the open epoch has taken in.
    pub fn open_epoch(&self) -> EpochSize {
        self.epoch
    }

    /// Closes the epoch and opens the next one.
    pub fn close_epoch(&mut self) -> ClosedEpoch {
        ClosedEpoch {
            partitions: self.partitions.progress(),
            state_delta: self.partitions.take_state_delta(),
            partial_aggregates: self
                .partials
                .as_mut()
                .and_then(|partials| partials.close(&self.plan.gold, &self.hasher)),
            size: std::mem::take(&mut self.epoch),
        }
    }
}
