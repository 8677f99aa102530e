//! `sluice-worker ingest`: one shard of a pipeline, from Kafka to bronze, silver and quarantine.
//!
//! How it follows the topic and commits is in [`crate::stream`].

use std::path::PathBuf;

use sluice_contract::config::WorkerConfig;
use snafu::ResultExt;

use crate::stream::error::{ParseConfigurationSnafu, ReadConfigurationSnafu};
use crate::stream::process::{Configured, Process};
use crate::stream::{JobError, StreamArguments};

mod work;

pub(crate) use work::{JOB, all_specs, compile, parse_schema, spec, specs, unusable as unusable_plan};

/// Reads a configuration file.
pub(crate) fn read_configuration(path: &PathBuf) -> Result<WorkerConfig, JobError> {
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    WorkerConfig::from_json(&text).context(ParseConfigurationSnafu { path })
}

/// Runs one shard until it is stopped, or has caught up where that was asked for.
pub async fn run(arguments: StreamArguments) -> Result<(), JobError> {
    let config = read_configuration(&arguments.config)?;
    let configured = Configured {
        job: JOB.to_owned(),
        revision: &config.revision,
        shards: config.shards,
        pipeline: &config,
    };
    let process = Process::new(arguments, configured, |status| status)?;
    process.run(config).await
}
