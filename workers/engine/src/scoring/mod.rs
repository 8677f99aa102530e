//! Fraud scoring: each silver row gets points by rules, a risk level, its reasons, and perhaps an alert.
//!
//! ```text
//!  MessageBatch ──► Ingest (decode, rules, columns, copies) ──► SilverRows
//!                                                                  │
//!        counts by key (velocity) ◄────────────────────────────────┤
//!               │                                                  ▼
//!               └────────────────────────► Rules ──► Scores ──► rows of the table, alerts
//! ```
//!
//! A scorer refuses and deduplicates by the pipeline's own rules and so has one row for each row of
//! silver. Its rows, too, depend on the messages and their order within each partition alone, and on the
//! rule set in force: not on batches, epochs or restarts.
//!
//! | module | its job |
//! |---|---|
//! | `plan` | what stays while rules change: the table, what is counted by which key, what reads the label |
//! | `rules` | a rule set, compiled |
//! | `silver_rows` | the rows to be scored, with what their columns do not tell |
//! | `counting` | velocity: how often the key of each row came |
//! | `scores` | points and levels of each row |
//! | `rows`, `alerts`, `json` | what leaves: rows of the table, alerts |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{PartitionProgress, add_to};
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use sluice_decode::{Decoder, MessageBatch, RowSchema, UnresolvedSchema};

use crate::epoch::{ClosedEpoch, EpochSize};
use crate::ingest::{Ingest, Recalled, Refined};
use crate::partition::MemorySize;
use crate::plan::{PlanError, Problems};
use crate::state::{Retention, StateError};
use crate::tables::{self, TableSchema};

mod alerts;
mod counting;
mod json;
#[cfg(test)]
mod laws;
mod plan;
mod rows;
mod rules;
mod scores;
mod silver_rows;
#[cfg(test)]
mod tests;

pub use alerts::Alert;
use plan::ScoringPlan;
pub use rules::Rules;
use scores::Scores;
use silver_rows::SilverRows;

/// One shard's scoring: decodes and refines as [`Ingest`] does, and scores what becomes silver.
///
/// It is restored, fed and closed like an [`Ingest`]; rows of bronze may stand in for messages
/// ([`Scoring::backfill`]).
pub struct Scoring {
    ingest: Ingest,
    plan: Arc<ScoringPlan>,
    rules: Rules,
}

/// What a batch gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Rows of the table of scores; `None` where there are none.
    pub rows: Option<RecordBatch>,
    /// The rows among them that are to be told at once.
    pub alerts: Vec<Alert>,
}

/// Compiles rule sets for one configuration, on whatever thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleCompiler {
    plan: Arc<ScoringPlan>,
}

impl RuleCompiler {
    /// Compiles a rule set, or tells everything that is wrong with it.
    pub fn compile(&self, rules: &RuleSet) -> Result<Rules, Vec<PlanError>> {
        let mut problems = Problems::default();
        let rules = Rules::compile(&self.plan, rules, &mut problems);
        problems.none().map(|()| rules)
    }
}

impl Scoring {
    /// Compiles a configuration and a rule set, or tells everything that is wrong with them.
    ///
    /// Fields of the pipeline begin with `pipeline.`. `deduplication_key` is that of the lake.
    pub fn new(
        config: &ScorerConfig,
        rules: &RuleSet,
        schema: &RowSchema,
        deduplication_key: [u8; 16],
    ) -> Result<Self, Vec<PlanError>> {
        let of_pipeline =
            |error: PlanError| PlanError { field: format!("pipeline.{}", error.field), ..error };
        // Windowed tables are the pipeline's own business.
        let pipeline = WorkerConfig { gold: Vec::new(), ..config.pipeline.clone() };
        let ingest = Ingest::new(&pipeline, schema, deduplication_key)
            .map_err(|errors| errors.into_iter().map(of_pipeline).collect::<Vec<_>>())?;
        let mut problems = Problems::default();
        let plan = ScoringPlan::compile(config, &ingest.plan, &mut problems);
        let rules = Rules::compile(&plan, rules, &mut problems);
        problems.none()?;
        Ok(Self { ingest, plan: Arc::new(plan), rules })
    }

    /// What compiles other rule sets for it.
    pub fn compiler(&self) -> RuleCompiler {
        RuleCompiler { plan: Arc::clone(&self.plan) }
    }

    /// The table that [`Self::process`] gives rows of.
    pub fn table_schema(&self) -> &TableSchema {
        &self.plan.table
    }

    /// What its state files forget.
    pub fn retention(config: &ScorerConfig) -> Retention {
        let keep_ms = config.velocity.iter().map(|count| count.keep_ms).max().unwrap_or(0);
        Retention { keep_ms, ..Retention::of(&config.pipeline) }
    }

    /// Hash of the rule set in force.
    pub fn rule_set(&self) -> &str {
        self.rules.hash()
    }

    /// The rule set in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Scores by other rules from now on. An epoch has one rule set: call it between epochs.
    pub fn use_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// See [`Ingest::decoder`].
    pub fn decoder(&mut self) -> &mut Decoder {
        self.ingest.decoder()
    }

    /// See [`Ingest::restore`].
    pub fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
        self.ingest.restore(partition, progress);
    }

    /// See [`Ingest::load_state`].
    pub fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
        self.ingest.load_state_keeping(file, self.plan.keep_us)
    }

    /// See [`Ingest::process`].
    pub fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Scored, UnresolvedSchema> {
        let fresh = self.ingest.partitions.fresh(batch);
        let refined = self
            .ingest
            .refine(fresh.batch(), processing_time_us, &mut |_| {})
            .map_err(|error| fresh.name_message(error))?;
        Ok(self.score(&refined))
    }

    /// Scores rows of bronze as [`Self::process`] does their messages: those of each partition in the order of their
    /// offsets. Rows below a partition's position were scored before and are skipped.
    ///
    /// What bronze does not have leaves no trace: messages that were refused when they were decoded are not counted,
    /// nor are the bytes of the others.
    pub fn backfill(&mut self, bronze: &RecordBatch, processing_time_us: i64) -> Result<Scored, ArrowError> {
        let refined = self.ingest.refine_rows(bronze, processing_time_us)?;
        Ok(self.score(&refined))
    }

    /// Takes rows of bronze in for their traces alone, as [`Ingest::remember`] does; velocity counts them too.
    pub fn remember(&mut self, bronze: &RecordBatch) -> Result<(), ArrowError> {
        let Recalled { candidates, accepted, slots } = self.ingest.recall(bronze)?;
        if let Some(rows) = SilverRows::of(&self.ingest.plan, &candidates, &accepted, &slots) {
            counting::count(&self.plan, &self.ingest.hasher, &rows, &mut self.ingest.partitions);
        }
        Ok(())
    }

    fn score(&mut self, refined: &Refined) -> Scored {
        let Refined { candidates, accepted, slots, .. } = refined;
        let Some(rows) = SilverRows::of(&self.ingest.plan, candidates, accepted, slots) else {
            return Scored { rows: None, alerts: Vec::new() };
        };
        let (scored, scores) = self.score_rows(&rows);
        let alerting = scores.alerting(&self.rules);
        self.keep_accounts(&rows, &scores, &alerting);
        let alerts = alerts::of(&scored, &rows, &alerting);
        Scored { rows: Some(scored), alerts }
    }

    /// Scores rows of bronze again, as [`Self::process`] once scored their messages: see [`Ingest::replay`]. Gives
    /// the rows of the table, and raises no alerts.
    pub fn replay(&mut self, bronze: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        let Recalled { candidates, accepted, slots } = self.ingest.recall(bronze)?;
        let rows = SilverRows::of(&self.ingest.plan, &candidates, &accepted, &slots);
        let scored = rows.map(|rows| self.score_rows(&rows).0);
        self.ingest.partitions.drop_additions();
        Ok(scored)
    }

    /// See [`Ingest::processing_columns`]; columns of the table, as far as it takes them over from silver, and its own.
    pub fn processing_columns(&self) -> BTreeSet<String> {
        let mut columns = self.ingest.processing_columns();
        columns.insert(tables::PROCESSING_TIME.to_owned());
        columns
    }

    /// Rows of the table for rows of silver, which are counted by their keys.
    fn score_rows(&mut self, rows: &SilverRows) -> (RecordBatch, Scores) {
        let counts = counting::count(&self.plan, &self.ingest.hasher, rows, &mut self.ingest.partitions);
        let scores = Scores::of(&self.rules, rows, &counts);
        (rows::assemble(&self.plan, &self.rules, rows, &counts, &scores), scores)
    }

    /// Counts levels, rules and alerts, partition by partition.
    fn keep_accounts(&mut self, rows: &SilverRows, scores: &Scores, alerting: &[usize]) {
        let mut first = 0;
        for run in rows.slots.chunk_by(|slot, next| slot == next) {
            let range = first..first + run.len();
            first = range.end;
            let tally = scores.tally(&self.rules, range.clone());
            let counts = self.ingest.partitions.at(run[0]).scoring_counts();
            counts.alerts += alerting.iter().filter(|row| range.contains(row)).count() as u64;
            for (name, rows) in tally.levels {
                add_to(&mut counts.levels, name, rows);
            }
            for (name, rows) in tally.rules {
                add_to(&mut counts.rules, name, rows);
            }
            for (name, rows) in tally.failed {
                add_to(&mut counts.failed, name, rows);
            }
        }
    }

    /// See [`Ingest::advance`].
    pub fn advance(&mut self, partition: i32, next_offset: i64) {
        self.ingest.advance(partition, next_offset);
    }

    /// See [`Ingest::set_idle`].
    pub fn set_idle(&mut self, partition: i32, idle: bool) {
        self.ingest.set_idle(partition, idle);
    }

    /// See [`Ingest::set_caught_up`].
    pub fn set_caught_up(&mut self, partition: i32, caught_up: bool) {
        self.ingest.set_caught_up(partition, caught_up);
    }

    /// See [`Ingest::progress`].
    pub fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        self.ingest.progress()
    }

    /// The offset that comes next on a partition; `None` for one that is not known.
    pub fn next_offset(&self, partition: i32) -> Option<i64> {
        self.ingest.partitions.next_offset(partition)
    }

    /// See [`Ingest::memory_size`].
    pub fn memory_size(&self) -> MemorySize {
        self.ingest.memory_size()
    }

    /// Rows that are counted by their keys, those included that are forgotten at the next occasion.
    pub fn counted_rows(&self) -> u64 {
        self.ingest.partitions.counted_rows()
    }

    /// See [`Ingest::open_epoch`].
    pub fn open_epoch(&self) -> EpochSize {
        self.ingest.open_epoch()
    }

    /// See [`Ingest::close_epoch`].
    pub fn close_epoch(&mut self) -> ClosedEpoch {
        self.ingest.close_epoch()
    }
}
