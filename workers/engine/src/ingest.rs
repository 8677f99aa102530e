//! [`Ingest`]: one shard's stream core.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::error::ArrowError;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::PartitionProgress;
use sluice_contract::reasons;
use sluice_decode::{Decoded, Decoder, MessageBatch, RowSchema, UnresolvedSchema};

use crate::bronze::Envelope;
use crate::deduplication::KeyHasher;
use crate::epoch::{ClosedEpoch, EpochSize};
use crate::gold::{self, PartialAggregates};
use crate::partition::{MemorySize, Partitions};
use crate::plan::{Plan, PlanError};
use crate::quarantine::{self, Refused};
use crate::silver::{self, Candidates};
use crate::state::{self, StateError};
use crate::tables::{TableSchema, TableSchemas};
use crate::{bronze, deduplication};

/// One shard's stream core: decodes, refines and deduplicates, and keeps the state of its partitions.
///
/// A new or restarted process calls, in this order: [`Ingest::new`], [`Ingest::restore`] for each
/// partition that has a manifest, [`Ingest::load_state`] for each state file (the base first, then the
/// deltas in order). Then it processes batches and closes epochs.
pub struct Ingest {
    plan: Plan,
    decoder: Decoder,
    hasher: KeyHasher,
    partitions: Partitions,
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

/// A part of the work on a batch, in order; named so that a profile can tell where time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Bytes to rows.
    Decode,
    /// Built-in columns, event time, the key check and the bronze rows.
    Bronze,
    /// The rules of silver.
    Rules,
    /// The columns of silver.
    Columns,
    /// Copies and the watermark.
    Deduplication,
    /// The silver rows.
    Silver,
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
        for section in state::read(file)? {
            self.partitions.load(section.partition, section.entries());
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
        let decoded = self.decoder.decode(batch).map_err(|error| fresh.name_message(error))?;
        finished(Stage::Decode);

        let Decoded { rows, messages, refused } = decoded;
        let arrivals = self.partitions.arrive(batch);
        self.epoch.messages += batch.len() as u64;
        self.epoch.bytes += arrivals.bytes;
        let mut refused: Vec<Refused> =
            refused.into_iter().map(|refusal| Refused::new(reasons::STAGE_DECODE, refusal)).collect();

        let envelope = Envelope::new(&self.plan.topic, batch, &messages, processing_time_us);
        let mut candidates = Candidates::new(&self.plan, &rows, envelope);
        let bronze = bronze::assemble(&self.plan, &candidates, batch, &messages);
        let slots = arrivals.slots_of(&messages);
        let key_mismatches = bronze::key_mismatches(&self.plan, &candidates, batch, &messages);
        self.partitions.count_bronze(&slots, &key_mismatches);
        finished(Stage::Bronze);

        silver::require(&self.plan, &mut candidates);
        finished(Stage::Rules);
        silver::compute_columns(&self.plan, &mut candidates);
        finished(Stage::Columns);

        refused.extend(candidates.take_refusals(&messages));
        let (accepted, watermarks_us) = self.accept(&candidates, &slots);
        finished(Stage::Deduplication);

        let silver = silver::assemble(&self.plan, &candidates, &accepted);
        finished(Stage::Silver);
        if let (Some(partials), Some(silver)) = (&mut self.partials, &silver) {
            let times = silver::event_times(&candidates, &accepted);
            let late = partials.add(&self.plan.gold, silver, &times, &watermarks_us);
            refused.extend(gold::late_refusals(late, &accepted, &messages));
        }
        finished(Stage::Windows);

        self.partitions.count_refused(&arrivals, &refused);
        let quarantine = quarantine::assemble(&self.plan, batch, refused, processing_time_us);
        finished(Stage::Quarantine);
        Ok(Processed { bronze, silver, quarantine })
    }

    /// Which candidates are silver rows; with windowed tables also the watermark before each of them.
    fn accept(&mut self, candidates: &Candidates, slots: &[u32]) -> (BooleanBuffer, Vec<i64>) {
        let (plan, hasher) = (self.plan.deduplication.as_ref(), &self.hasher);
        let partitions = &mut self.partitions;
        let mut watermarks_us = Vec::new();
        let accepted = if self.partials.is_none() {
            deduplication::accept(plan, hasher, candidates, slots, partitions, |_| {})
        } else {
            watermarks_us.reserve(candidates.rows());
            deduplication::accept(plan, hasher, candidates, slots, partitions, |watermark_us| {
                watermarks_us.push(watermark_us);
            })
        };
        (accepted, watermarks_us)
    }

    /// Takes rows of bronze in as [`Self::process`] once took their messages, for their traces alone: watermarks,
    /// the memory of deduplication, the counts of silver rows and of copies. Positions stay.
    ///
    /// The rows of each partition come in the order of their offsets, without those that were refused. A row that
    /// the rules of this configuration refuse leaves no trace.
    pub fn remember(&mut self, bronze: &RecordBatch) -> Result<(), ArrowError> {
        let (rows, envelope) = bronze::read(&self.plan, bronze)?;
        let slots = self.partitions.slots(envelope.partition.as_primitive());
        let mut candidates = Candidates::new(&self.plan, &rows, envelope);
        silver::require(&self.plan, &mut candidates);
        silver::compute_columns(&self.plan, &mut candidates);
        let plan = self.plan.deduplication.as_ref();
        deduplication::accept(plan, &self.hasher, &candidates, &slots, &mut self.partitions, |_| {});
        Ok(())
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
