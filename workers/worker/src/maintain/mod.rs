//! `sluice-worker maintain`: one run of upkeep of a pipeline's tables, beside its workers and its readers.
//!
//! What is done, and what never, is `sluice_lake::MaintenancePolicy`'s module to tell. Here each table gets
//! its turn, and one that fails does not keep the others from theirs. A run may be killed at any moment, and
//! several may run at once: it only costs time. The last thing written to standard output is a summary.

use std::time::Duration;

use sluice_contract::config::WorkerConfig;
use sluice_lake::{Lake, LakeError, MaintenancePolicy, TableMaintained, TopicIdentity, Vacuumed};
use snafu::{ResultExt, Snafu, ensure};

use crate::clock::now_ms;
use crate::ingest::read_configuration;
use crate::stream::JobError;
use crate::stream::committer::storage_problem;

mod arguments;
mod summary;

pub use arguments::MaintainArguments;

use summary::Summary;

/// The tables of the pipeline that are only ever appended to, as those of scores are. Others are tended by whoever
/// publishes them.
const TABLES: [&str; 4] = ["bronze", "silver", "quarantine", "replayed"];

/// Why a run did not do its work, or not all of it.
#[derive(Debug, Snafu)]
pub enum MaintainError {
    /// The configuration cannot be read.
    #[snafu(display("{source}"))]
    Configuration {
        /// Why.
        source: JobError,
    },
    /// The lake cannot be opened, or is not this pipeline's.
    #[snafu(display("{}", storage_problem(source).message))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// Some of the work failed. The rest is done.
    #[snafu(display("failed to maintain {}", failures.join("; ")))]
    Unfinished {
        /// What, and why.
        failures: Vec<String>,
    },
}

/// Maintains the tables once.
pub async fn run(arguments: MaintainArguments) -> Result<(), MaintainError> {
    let config = read_configuration(&arguments.config).context(ConfigurationSnafu)?;
    let policy = MaintenancePolicy {
        now_ms: now_ms(),
        retention: arguments.retention,
        settled_after: arguments.settled_after,
        merged: !config.gold.is_empty(),
        spilled_kept: spilled_kept(&config),
    };
    let lake = open(&config).await.context(LakeSnafu)?;
    let mut summary = Summary::default();
    let mut failures = Vec::new();
    let scores = lake.score_tables().await.context(LakeSnafu)?;
    for table in TABLES.into_iter().chain(scores.iter().map(String::as_str)) {
        match Box::pin(lake.maintain_table(table, &policy)).await {
            Ok(Some(done)) => {
                log(table, &done);
                summary.add(table, &done);
            }
            Ok(None) => tracing::info!(table, "there is no such table yet"),
            Err(error) => failures.push(failure(&format!("table '{table}'"), &error)),
        }
    }
    for table in config.gold.iter().map(|table| format!("gold/{}", table.name)) {
        match Box::pin(lake.maintain_published_table(&table, &policy)).await {
            Ok(Some(done)) => {
                log(&table, &done);
                summary.add(&table, &done);
            }
            Ok(None) => tracing::info!(table, "there is no such table yet"),
            Err(error) => failures.push(failure(&format!("table '{table}'"), &error)),
        }
    }
    match Box::pin(lake.prune(&policy)).await {
        Ok(pruned) => {
            tracing::info!(
                manifests = pruned.manifests,
                state_files = pruned.state_files,
                partial_aggregates = pruned.partial_aggregates,
                spilled_windows = pruned.spilled_windows,
                temporary_files = pruned.temporary_files,
                "deleted what no restart needs"
            );
            summary.pruned = pruned;
        }
        Err(error) => failures.push(failure("the chains", &error)),
    }
    println!("{summary}");
    ensure!(failures.is_empty(), UnfinishedSnafu { failures });
    Ok(())
}

/// How long windows can be corrected from files, by the table for which it is longest. Older ones are computed again
/// from silver if it comes to that.
fn spilled_kept(config: &WorkerConfig) -> Duration {
    Duration::from_millis(config.gold.iter().map(|table| table.correct_for_ms).max().unwrap_or_default())
}

/// Opens the lake, if it is this pipeline's.
async fn open(config: &WorkerConfig) -> Result<Lake, LakeError> {
    let lake = Lake::open(&config.storage).await?;
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: None };
    lake.check_owner(&config.owner, &topic, config.storage.adopt.as_deref()).await?;
    Ok(lake)
}

fn log(table: &str, done: &TableMaintained) {
    let TableMaintained { compacted, checkpoint, log_entries_expired, vacuumed } = done;
    tracing::info!(
        table,
        replaced = compacted.replaced,
        into = compacted.into,
        bytes = compacted.bytes,
        rows = compacted.rows,
        checkpoint,
        log_entries_expired,
        "tended a table"
    );
    match vacuumed {
        Vacuumed::Done { files, bytes } => {
            tracing::info!(table, files, bytes, "deleted data files that nobody needs");
        }
        Vacuumed::Refused(refusal) => {
            tracing::warn!(table, %refusal, "deleted no data file: what is needed cannot be told");
        }
    }
}

fn failure(what: &str, error: &LakeError) -> String {
    let message = storage_problem(error).message;
    tracing::error!(what, error = message, "failed to maintain");
    format!("{what}: {message}")
}
