//! `sluice-worker score`: one shard of a scorer, from Kafka to the table of scores and the topic of alerts.
//!
//! How it follows the topic and commits is in [`crate::stream`]. What is its own:
//!
//! | module | its job |
//! |---|---|
//! | [`work`] | scoring as a job: its table, its cut |
//! | `processor` | the engine's core behind the seam of the stream, and when rule sets change |
//! | `rule_file` | follows the file of rules: what is sound is kept in the lake and offered, the rest refused |
//! | `alerts` | sends alerts at once, and tells when the broker has all of an epoch's |
//! | `beginning` | where a scorer starts: at the pipeline's first row |
//!
//! # Rules and restarts
//! A manifest names the rule set by which the messages *after* it are scored. A new one takes effect in three
//! steps: the epoch ends; its manifest names the new rule set; only when that is in the lake the next message is
//! scored, by the new one. So a process that starts knows by which rules its predecessor may have alerted what
//! comes after the newest manifest, and scores by the same: all messages that were there when it started. Then
//! it takes up the rules that the file has now. The text of every rule set that a manifest names is in the lake.

use std::path::Path;
use std::sync::Arc;

use sluice_contract::scorer::{RuleSet, ScorerConfig, ScorerError};
use snafu::ResultExt;

use crate::report::Status;
use crate::stream::JobError;
use crate::stream::error::{ParseScorerSnafu, ReadConfigurationSnafu};
use crate::stream::process::{Configured, Process};

mod alerts;
mod arguments;
mod beginning;
mod processor;
mod rule_file;
pub(crate) mod work;

pub(crate) use alerts::AlertsError;
pub use arguments::ScoreArguments;
use work::ScoreWork;

/// Reads the configuration file of a scorer.
pub(crate) fn read_configuration(path: &Path) -> Result<ScorerConfig, JobError> {
    read(path, ScorerConfig::from_json)
}

/// Reads a file of rules.
pub(crate) fn read_rules(path: &Path) -> Result<RuleSet, JobError> {
    read(path, RuleSet::from_json)
}

fn read<D>(path: &Path, parse: fn(&str) -> Result<D, ScorerError>) -> Result<D, JobError> {
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    parse(&text).context(ParseScorerSnafu { path })
}

/// Runs one shard until it is stopped, or has caught up where that was asked for.
pub async fn run(arguments: ScoreArguments) -> Result<(), JobError> {
    let ScoreArguments { stream: arguments, rules } = arguments;
    let config = read_configuration(&arguments.config)?;
    let configured = Configured {
        job: config.job(),
        revision: &config.revision,
        shards: config.shards,
        pipeline: &config.pipeline,
    };
    let process = Process::new(arguments, configured, Status::scoring)?;
    let work = ScoreWork::new(config, rules, Arc::clone(process.status()));
    process.run(work).await
}
