//! [`ScoreWork`]: scoring as a job.

use std::path::PathBuf;
use std::sync::Arc;

use sluice_contract::config::{Commit, StartFrom, WorkerConfig};
use sluice_contract::scorer::{Level, RULE_SET_FORMAT_VERSION, RuleSet, ScorerConfig};
use sluice_engine::Scoring;
use sluice_engine::state::Retention;
use sluice_lake::TableSpec;

use super::processor::ScoreProcessor;
use crate::ingest::{parse_schema, spec, unusable_plan};
use crate::report::{Status, Subject};
use crate::stream::restore::RestoreError;
use crate::stream::work::{Pace, Processor, Work};

/// Scoring as a job.
#[derive(Clone, Debug)]
pub(crate) struct ScoreWork {
    pub(super) config: Arc<ScorerConfig>,
    pub(super) job: String,
    /// The file of rules.
    pub(super) rules: PathBuf,
    pub(super) status: Arc<Status>,
}

impl ScoreWork {
    /// The job of a configuration and a file of rules.
    pub(crate) fn new(config: ScorerConfig, rules: PathBuf, status: Arc<Status>) -> Self {
        Self { job: config.job(), config: Arc::new(config), rules, status }
    }

    /// The job where nothing is scored: it follows no file of rules, and nobody asks what it does.
    pub(crate) fn at_rest(config: ScorerConfig) -> Self {
        let status = Status::new(Subject {
            job: config.job(),
            shard: 0,
            shards: config.shards,
            writer: String::new(),
            configuration: config.revision.clone(),
            max_out_of_orderness_us: 0,
        });
        Self::new(config, PathBuf::new(), Arc::new(status))
    }

    /// Its table's path below the lake's root.
    pub(crate) fn table(&self) -> String {
        format!("fraud/{}", self.config.table.name)
    }

    /// The core, without rules.
    pub(crate) fn scoring(&self, schema: &str, key: [u8; 16]) -> Result<Scoring, RestoreError> {
        Scoring::new(&self.config, &no_rules(), &parse_schema(schema)?, key).map_err(unusable_plan)
    }
}

impl Work for ScoreWork {
    fn job(&self) -> &str {
        &self.job
    }

    fn pipeline(&self) -> &WorkerConfig {
        &self.config.pipeline
    }

    fn shards(&self) -> u32 {
        self.config.shards
    }

    fn revision(&self) -> &str {
        &self.config.revision
    }

    fn commit(&self) -> Commit {
        self.config.commit
    }

    fn start_from(&self) -> StartFrom {
        self.config.start_from
    }

    fn backfills(&self) -> bool {
        true
    }

    fn retention(&self) -> Retention {
        Scoring::retention(&self.config)
    }

    fn tables(&self) -> Vec<String> {
        vec![self.table()]
    }

    fn pace(&self) -> Pace {
        Pace::AtOnce
    }

    fn has_own_key(&self) -> bool {
        true
    }

    fn compile(&self, schema: &str, key: [u8; 16]) -> Result<Box<dyn Processor>, RestoreError> {
        Ok(Box::new(ScoreProcessor::new(self.scoring(schema, key)?, self.clone())))
    }
}

/// What a scorer is compiled with until its rules are known; no message is ever scored by it.
fn no_rules() -> RuleSet {
    RuleSet {
        format_version: RULE_SET_FORMAT_VERSION,
        rules: Vec::new(),
        velocity: Vec::new(),
        levels: vec![Level { name: "NONE".to_owned(), min_score: 0 }],
        review_at: None,
        alert_at: None,
    }
}

/// What the lake must know of the table of scores.
pub(crate) fn table_spec(scoring: &Scoring) -> TableSpec {
    spec(scoring.table_schema(), "A risk score, its level and its reasons for each silver row.")
}
