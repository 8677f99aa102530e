//! `sluice-worker ingest`: one shard of a pipeline, from Kafka to bronze, silver and quarantine.
//!
//! How it follows the topic and commits is in [`crate::stream`].

use std::path::PathBuf;
use std::sync::Arc;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::Writer;
use snafu::ResultExt;
use uuid::Uuid;

use crate::report::{self, Status, Subject, refusals};
use crate::stop::Stop;
use crate::stream::error::{
    HttpSnafu, NoSuchShardSnafu, ParseConfigurationSnafu, ReadConfigurationSnafu, SignalsSnafu,
};
use crate::stream::{Job, JobError, serve_tenures, unusable};

mod arguments;
mod work;

pub use arguments::IngestArguments;
pub(crate) use work::{JOB, all_specs, compile, parse_schema, spec, specs, unusable as unusable_plan};

/// Reads a configuration file.
pub(crate) fn read_configuration(path: &PathBuf) -> Result<WorkerConfig, JobError> {
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    WorkerConfig::from_json(&text).context(ParseConfigurationSnafu { path })
}

/// Runs one shard until it is stopped, or has caught up where that was asked for.
pub async fn run(arguments: IngestArguments) -> Result<(), JobError> {
    let config = read_configuration(&arguments.config)?;
    snafu::ensure!(
        arguments.shard < config.shards,
        NoSuchShardSnafu { shard: arguments.shard, shards: config.shards }
    );
    let writer = Writer {
        id: format!("{}-{:08x}", arguments.writer, Uuid::new_v4().as_fields().0),
        deployment_revision: arguments.deployment_revision,
    };
    let status = Status::new(Subject {
        job: JOB.to_owned(),
        shard: arguments.shard,
        shards: config.shards,
        writer: writer.id.clone(),
        configuration: config.revision.clone(),
        max_out_of_orderness_us: (config.source.event_time.max_out_of_orderness_ms * 1_000) as i64,
    });
    let status = Arc::new(status.expecting(refusals::possible(&config)));
    if let Some(schema) = &config.source.schema {
        // Whatever is wrong with the configuration itself is told before anything is touched.
        compile(&config, schema, [0; 16]).map_err(unusable)?;
    }
    let stop = Stop::default();
    stop.on_signals().context(SignalsSnafu)?;
    if arguments.exit_with_parent {
        stop.on_end_of_input();
    }
    let address = report::serve(arguments.listen, Arc::clone(&status)).context(HttpSnafu)?;
    tracing::info!(writer = writer.id, shard = arguments.shard, %address, "serving /report, /metrics, /healthz and /readyz");
    let job = Job {
        work: Arc::new(config),
        shard: arguments.shard,
        writer,
        until_caught_up: arguments.until_caught_up,
        schema_not_found_after: arguments.schema_not_found_after,
        status,
        stop,
    };
    serve_tenures(&job).await
}
