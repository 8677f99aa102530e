//! [`Work`] and [`Processor`]: what tells one job that follows the topic from another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::future::{BoxFuture, FutureExt, ready};
use sluice_contract::config::{Commit, StartFrom, WorkerConfig};
use sluice_contract::cut::Cut;
use sluice_contract::manifest::{Manifest, PartitionProgress};
use sluice_decode::{Decoder, MessageBatch, UnresolvedSchema};
use sluice_engine::state::Retention;
use sluice_engine::{ClosedEpoch, EpochSize, MemorySize, StateError, TableSchema};
use sluice_lake::{Lake, TableSpec};

use super::restore::RestoreError;

/// What a job is: how its chains are named and cut, and what it is compiled to.
pub(crate) trait Work: fmt::Debug + Send + Sync {
    /// Its name in chains, paths and reports.
    fn job(&self) -> &str;

    /// The pipeline whose topic it follows.
    fn pipeline(&self) -> &WorkerConfig;

    /// Number of its shards.
    fn shards(&self) -> u32;

    /// Revision of its configuration.
    fn revision(&self) -> &str;

    /// When its epochs close.
    fn commit(&self) -> Commit;

    /// Where it starts in a partition that it has never read.
    fn start_from(&self) -> StartFrom;

    /// Whether rows of bronze stand in for messages that Kafka has no longer: see [`Processor::backfill`].
    fn backfills(&self) -> bool {
        false
    }

    /// What its state files forget.
    fn retention(&self) -> Retention;

    /// Names of the tables that it fills.
    fn tables(&self) -> Vec<String>;

    /// Whether it reads for throughput or for latency.
    fn pace(&self) -> Pace;

    /// The configuration of the merge that publishes tables of windows beside this shard; `None`: none does.
    fn merge_beside(&self, _shard: u32) -> Option<Arc<WorkerConfig>> {
        None
    }

    /// Whether the hashes in its state have a key of their own. A recovery may give the lake another id, and rebuilds
    /// the state of ingest alone for it.
    fn has_own_key(&self) -> bool;

    /// Compiles the schema and all expressions, or tells everything that is wrong with them.
    fn compile(&self, schema: &str, key: [u8; 16]) -> Result<Box<dyn Processor>, RestoreError>;
}

/// How messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In full batches, which cost least; none waits for longer than this.
    Full {
        /// The longest wait for a fuller batch.
        linger: Duration,
    },
    /// As they come.
    AtOnce,
}

/// One shard's core: makes rows of messages, and keeps the state of its partitions.
pub(crate) trait Processor: Send {
    /// The tables that it gives rows of; a table's place in this list is its number.
    fn specs(&self) -> Vec<TableSpec>;

    /// The tables of windows, which are made of its epochs beside it.
    fn published(&self) -> Vec<TableSchema> {
        Vec::new()
    }

    /// Gets ready for a tenure, after the claim and before its state is loaded. Gives the offsets to start
    /// from in partitions that it has never read, where that is not the configuration's choice.
    fn begin<'a>(&'a mut self, _: Claimed<'a>) -> BoxFuture<'a, Result<BTreeMap<i32, i64>, RestoreError>> {
        ready(Ok(BTreeMap::new())).boxed()
    }

    /// See [`sluice_engine::Ingest::restore`].
    fn restore(&mut self, partition: i32, progress: &PartitionProgress);

    /// See [`sluice_engine::Ingest::load_state`].
    fn load_state(&mut self, file: &[u8]) -> Result<(), StateError>;

    /// A partition is about to be read; it ended at `end` when that was looked at.
    fn assigned(&mut self, _partition: i32, _end: i64) {}

    /// See [`sluice_engine::Ingest::decoder`].
    fn decoder(&mut self) -> &mut Decoder;

    /// Processes a batch, as [`sluice_engine::Ingest::process`] does. Gives rows, each with the number of their
    /// table.
    fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, UnresolvedSchema>;

    /// Processes rows of bronze in place of their messages, as [`sluice_engine::Scoring::backfill`] does. Asked of a
    /// job alone that [backfills](Work::backfills).
    fn backfill(
        &mut self,
        _bronze: &RecordBatch,
        _processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, ArrowError> {
        Err(ArrowError::InvalidArgumentError("this job makes bronze and does not read it".to_owned()))
    }

    /// See [`sluice_engine::Ingest::advance`].
    fn advance(&mut self, partition: i32, next_offset: i64);

    /// See [`sluice_engine::Ingest::set_idle`].
    fn set_idle(&mut self, partition: i32, idle: bool);

    /// See [`sluice_engine::Ingest::set_caught_up`].
    fn set_caught_up(&mut self, partition: i32, caught_up: bool);

    /// See [`sluice_engine::Ingest::progress`].
    fn progress(&self) -> BTreeMap<i32, PartitionProgress>;

    /// See [`sluice_engine::Ingest::memory_size`].
    fn memory_size(&self) -> MemorySize;

    /// See [`sluice_engine::Ingest::open_epoch`].
    fn open_epoch(&self) -> EpochSize;

    /// Whether something waits for an epoch to end, and for the manifest to say so, before the next message is
    /// processed.
    fn wants_boundary(&mut self) -> bool {
        false
    }

    /// Whether what was made of earlier messages must find its way first.
    fn is_congested(&mut self) -> bool {
        false
    }

    /// The files of the connection's security have changed, and Kafka has accepted the new ones.
    fn renewed(&mut self) {}

    /// Closes the epoch and opens the next one.
    fn close_epoch(&mut self) -> EndedEpoch;
}

/// A chain that has just been claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed<'a> {
    /// The lake.
    pub(crate) lake: &'a Lake,
    /// The claim: where the tenure begins.
    pub(crate) claim: &'a Manifest,
    /// Which partitions are the shard's.
    pub(crate) cut: Cut,
    /// Whether no partition of the topic was ever read by the job.
    pub(crate) is_first_start: bool,
}

/// What an epoch leaves.
#[derive(Debug)]
pub(crate) struct EndedEpoch {
    /// Positions, counts and state.
    pub(crate) content: ClosedEpoch,
    /// The rule set by which the messages after it are scored (scoring jobs).
    pub(crate) rule_set: Option<String>,
    /// What must have happened before its manifest is created; `None`: nothing.
    pub(crate) pledge: Option<Pledge>,
}

/// Something that will have happened once this is awaited, unless it fails for good.
pub(crate) struct Pledge(pub(crate) BoxFuture<'static, Result<(), String>>);

impl fmt::Debug for Pledge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pledge")
    }
}
