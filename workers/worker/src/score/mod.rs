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

use sluice_contract::manifest::Writer;
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use snafu::ResultExt;
use uuid::Uuid;

use crate::report::{self, Status, Subject, refusals};
use crate::stop::Stop;
use crate::stream::error::{
    HttpSnafu, NoSuchShardSnafu, ParseScorerSnafu, ReadConfigurationSnafu, SignalsSnafu,
};
use crate::stream::work::Work as _;
use crate::stream::{Job, JobError, serve_tenures, unusable};

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
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    ScorerConfig::from_json(&text).context(ParseScorerSnafu { path })
}

/// Reads a file of rules.
pub(crate) fn read_rules(path: &Path) -> Result<RuleSet, JobError> {
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    RuleSet::from_json(&text).context(ParseScorerSnafu { path })
}

/// Runs one shard until it is stopped, or has caught up where that was asked for.
pub async fn run(arguments: ScoreArguments) -> Result<(), JobError> {
    let ScoreArguments { stream: arguments, rules } = arguments;
    let config = read_configuration(&arguments.config)?;
    snafu::ensure!(
        arguments.shard < config.shards,
        NoSuchShardSnafu { shard: arguments.shard, shards: config.shards }
    );
    let writer = Writer {
        id: format!("{}-{:08x}", arguments.writer, Uuid::new_v4().as_fields().0),
        deployment_revision: arguments.deployment_revision,
    };
    let event_time = &config.pipeline.source.event_time;
    let status = Status::new(Subject {
        job: config.job(),
        shard: arguments.shard,
        shards: config.shards,
        writer: writer.id.clone(),
        configuration: config.revision.clone(),
        max_out_of_orderness_us: (event_time.max_out_of_orderness_ms * 1_000) as i64,
    });
    let status = Arc::new(status.expecting(refusals::possible(&config.pipeline)).scoring());
    let work = ScoreWork::new(config, rules, Arc::clone(&status));
    if let Some(schema) = work.pipeline().source.schema.clone() {
        // Whatever is wrong with the configuration itself is told before anything is touched.
        work.compile(&schema, [0; 16]).map_err(unusable)?;
    }
    let stop = Stop::default();
    stop.on_signals().context(SignalsSnafu)?;
    if arguments.exit_with_parent {
        stop.on_end_of_input();
    }
    let address = report::serve(arguments.listen, Arc::clone(&status)).context(HttpSnafu)?;
    tracing::info!(writer = writer.id, shard = arguments.shard, %address, "serving /report, /metrics, /healthz and /readyz");
    let job = Job {
        work: Arc::new(work),
        shard: arguments.shard,
        writer,
        until_caught_up: arguments.until_caught_up,
        schema_not_found_after: arguments.schema_not_found_after,
        status,
        stop,
    };
    serve_tenures(&job).await
}
