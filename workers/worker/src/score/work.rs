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
use crate::report::Status;
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
        vec![format!("fraud/{}", self.config.table.name)]
    }

    fn pace(&self) -> Pace {
        Pace::AtOnce
    }

    fn has_own_key(&self) -> bool {
        true
    }

    fn compile(&self, schema: &str, key: [u8; 16]) -> Result<Box<dyn Processor>, RestoreError> {
        let schema = parse_schema(schema)?;
        let scoring = Scoring::new(&self.config, &no_rules(), &schema, key).map_err(unusable_plan)?;
        Ok(Box::new(ScoreProcessor::new(scoring, self.clone())))
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
