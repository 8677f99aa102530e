//! Ingest as a job: its tables, and the engine's core behind the seam of [`crate::stream`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use sluice_contract::config::{Commit, StartFrom, WorkerConfig};
use sluice_contract::manifest::PartitionProgress;
use sluice_decode::{Decoder, MessageBatch, RowSchema, UnresolvedSchema};
use sluice_engine::state::Retention;
use sluice_engine::{EpochSize, Ingest, MemorySize, PlanError, Processed, StateError, TableSchema};
use sluice_lake::TableSpec;

use crate::finding::Finding;
use crate::merge;
use crate::stream::restore::RestoreError;
use crate::stream::work::{EndedEpoch, Pace, Processor, Work};

/// The job's name in chains and paths.
pub(crate) const JOB: &str = "ingest";

/// The tables that the job fills.
pub(crate) const TABLES: [&str; 3] = ["bronze", "silver", "quarantine"];

/// The longest wait for a fuller batch; shorter where epochs are.
const LONGEST_LINGER: Duration = Duration::from_millis(50);

impl Work for WorkerConfig {
    fn job(&self) -> &str {
        JOB
    }

    fn pipeline(&self) -> &WorkerConfig {
        self
    }

    fn shards(&self) -> u32 {
        self.shards
    }

    fn revision(&self) -> &str {
        &self.revision
    }

    fn commit(&self) -> Commit {
        self.commit
    }

    fn start_from(&self) -> StartFrom {
        self.source.kafka.start_from
    }

    fn retention(&self) -> Retention {
        Retention::of(self)
    }

    fn tables(&self) -> Vec<String> {
        TABLES.map(str::to_owned).into()
    }

    fn pace(&self) -> Pace {
        Pace::Full { linger: LONGEST_LINGER.min(Duration::from_millis(self.commit.every_ms / 10)) }
    }

    fn merge_beside(&self, shard: u32) -> Option<Arc<WorkerConfig>> {
        (shard == merge::PUBLISHING_SHARD && !self.gold.is_empty()).then(|| Arc::new(self.clone()))
    }

    fn has_own_key(&self) -> bool {
        false
    }

    fn compile(&self, schema: &str, key: [u8; 16]) -> Result<Box<dyn Processor>, RestoreError> {
        Ok(Box::new(compile(self, schema, key)?))
    }
}

/// Compiles the schema and all expressions, or tells everything that is wrong with them.
pub(crate) fn compile(config: &WorkerConfig, schema: &str, key: [u8; 16]) -> Result<Ingest, RestoreError> {
    let schema = parse_schema(schema)?;
    Ingest::new(config, &schema, key).map_err(unusable)
}

/// The schema of messages, or what is wrong with its text.
pub(crate) fn parse_schema(text: &str) -> Result<RowSchema, RestoreError> {
    RowSchema::parse(text).map_err(|error| RestoreError::Unusable {
        findings: vec![Finding::new("source.schema", error.to_string(), "correct the schema")],
    })
}

/// What is wrong with a configuration, as a start that cannot succeed.
pub(crate) fn unusable(errors: Vec<PlanError>) -> RestoreError {
    RestoreError::Unusable { findings: errors.into_iter().map(Finding::from).collect() }
}

/// What the lake must know of the tables that the core fills, in the order in which they are written.
pub(crate) fn specs(ingest: &Ingest) -> [TableSpec; 3] {
    let tables = ingest.table_schemas();
    [
        spec(&tables.bronze, "Every message that decodes, as it came."),
        spec(&tables.silver, "Clean, deduplicated and enriched rows."),
        spec(&tables.quarantine, "Refused messages, each with its original bytes and the reason."),
    ]
}

/// [`specs`], and those of the windowed tables, which the merge writes.
pub(crate) fn all_specs(config: &WorkerConfig, ingest: &Ingest) -> Vec<TableSpec> {
    specs(ingest).into_iter().chain(merge::specs(ingest.gold_table_schemas(), config)).collect()
}

/// What the lake must know of a table.
pub(crate) fn spec(table: &TableSchema, description: &str) -> TableSpec {
    TableSpec {
        name: table.name.clone(),
        schema: Arc::clone(&table.schema),
        partition_by: table.partition_columns.clone(),
        description: Some(description.to_owned()),
        properties: BTreeMap::new(),
    }
}

impl Processor for Ingest {
    fn specs(&self) -> Vec<TableSpec> {
        specs(self).into()
    }

    fn published(&self) -> Vec<TableSchema> {
        self.gold_table_schemas().cloned().collect()
    }

    fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
        Self::restore(self, partition, progress);
    }

    fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
        Self::load_state(self, file)
    }

    fn decoder(&mut self) -> &mut Decoder {
        Self::decoder(self)
    }

    fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, UnresolvedSchema> {
        let Processed { bronze, silver, quarantine } = Self::process(self, batch, processing_time_us)?;
        let rows = [bronze, silver, quarantine].into_iter().enumerate();
        Ok(rows.filter_map(|(table, rows)| Some((table, rows?))).collect())
    }

    fn advance(&mut self, partition: i32, next_offset: i64) {
        Self::advance(self, partition, next_offset);
    }

    fn set_idle(&mut self, partition: i32, idle: bool) {
        Self::set_idle(self, partition, idle);
    }

    fn set_caught_up(&mut self, partition: i32, caught_up: bool) {
        Self::set_caught_up(self, partition, caught_up);
    }

    fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        Self::progress(self)
    }

    fn memory_size(&self) -> MemorySize {
        Self::memory_size(self)
    }

    fn open_epoch(&self) -> EpochSize {
        Self::open_epoch(self)
    }

    fn close_epoch(&mut self) -> EndedEpoch {
        EndedEpoch { content: Self::close_epoch(self), rule_set: None, pledge: None }
    }
}
