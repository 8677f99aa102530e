//! `sluice-worker ingest`: one shard of a pipeline, from Kafka to bronze, silver and quarantine.
//!
//! # Reading order
//! 1. This file: one tenure after the other, until the process is asked to stop or has caught up.
//! 2. [`restore`]: the claim, then what the chain left; before that [`generations`], whether the process
//!    belongs to the present cut and configuration, and [`inheritance`], what a new one begins with.
//! 3. [`tenure`]: the threads and how they are joined; then `source`, [`core`], [`encoders`],
//!    [`committer`], one for each.
//! 4. The pure parts they decide with: [`hold`], [`idle`], [`caught_up`], [`state_history`],
//!    `source::{assignment, renewal}`.
//!
//! With `--until-caught-up` the last thing written to standard output is the final report, as one line
//! of JSON.
//!
//! No thread on the way of a message is asynchronous; only what waits for storage, the registry or
//! HTTP is.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_contract::config::{ConfigError, WorkerConfig};
use sluice_contract::manifest::{ChainId, Writer};
use sluice_contract::report::{Phase, Problem};
use sluice_lake::Lake;
use snafu::{ResultExt, Snafu};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::finding::Finding;
use crate::merge::{Merger, Merging, PUBLISHING_SHARD};
use crate::report::http::ServeError;
use crate::report::refusals;
use crate::report::{self, Scope, Status, Subject};
use crate::stop::{Stop, StopError};

mod arguments;
mod caught_up;
pub(crate) mod committer;
mod compaction;
mod core;
mod encoders;
mod event;
pub(crate) mod generations;
mod hold;
mod idle;
mod inheritance;
mod links;
pub(crate) mod restore;
mod schemas;
mod source;
mod standby;
mod state_history;
mod tenure;

pub use arguments::IngestArguments;

use generations::Entry;
use restore::{RestoreError, Start};
use standby::{Held, Waited};
use tenure::Ended;

/// A tenure that lasted this long was a success: the next failure is waited for from the start.
const SUCCESSFUL_TENURE: Duration = Duration::from_secs(60);

/// Why the worker ended without having done its work.
#[derive(Debug, Snafu)]
pub enum IngestError {
    /// The configuration file cannot be read.
    #[snafu(display("failed to read the configuration \"{}\": {source}", path.display()))]
    ReadConfiguration {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration file is not a configuration.
    #[snafu(display("\"{}\": {source}", path.display()))]
    ParseConfiguration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// The flag `--shard` does not fit the configuration.
    #[snafu(display("there is no shard {shard}: the configuration has {shards}, counted from 0"))]
    NoSuchShard {
        /// The flag.
        shard: u32,
        /// Number of shards.
        shards: u32,
    },
    /// The configuration cannot be used.
    #[snafu(display("the configuration cannot be used"))]
    Unusable {
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
    /// Signals cannot be received.
    #[snafu(display("{source}"))]
    Signals {
        /// Why.
        source: StopError,
    },
    /// The HTTP server cannot be started.
    #[snafu(display("{source}"))]
    Http {
        /// Why.
        source: ServeError,
    },
    /// With `--until-caught-up`: something that waiting does not mend.
    #[snafu(display("cannot catch up: {}", problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")))]
    CannotCatchUp {
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// Storage did not take the last epoch before the process had to end.
    #[snafu(display(
        "stopped while storage was away: the open epoch was given up; the next start reads its messages again"
    ))]
    GaveUp,
}

impl IngestError {
    /// Whether the caller must change the configuration.
    pub fn is_unusable_configuration(&self) -> bool {
        matches!(
            self,
            Self::ReadConfiguration { .. }
                | Self::ParseConfiguration { .. }
                | Self::NoSuchShard { .. }
                | Self::Unusable { .. }
        )
    }
}

/// What a worker process is for.
#[derive(Debug)]
pub(crate) struct Job {
    config: WorkerConfig,
    shard: u32,
    writer: Writer,
    until_caught_up: bool,
    schema_not_found_after: Duration,
    status: Arc<Status>,
    stop: Stop,
}

/// Reads a configuration file.
pub(crate) fn read_configuration(path: &PathBuf) -> Result<WorkerConfig, IngestError> {
    let text = std::fs::read_to_string(path).context(ReadConfigurationSnafu { path })?;
    WorkerConfig::from_json(&text).context(ParseConfigurationSnafu { path })
}

/// Runs one shard until it is stopped, or has caught up where that was asked for.
pub async fn run(arguments: IngestArguments) -> Result<(), IngestError> {
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
        shard: arguments.shard,
        shards: config.shards,
        writer: writer.id.clone(),
        configuration: config.revision.clone(),
        max_out_of_orderness_us: (config.source.event_time.max_out_of_orderness_ms * 1_000) as i64,
    });
    let status = Arc::new(status.expecting(refusals::possible(&config)));
    if let Some(schema) = &config.source.schema {
        // Whatever is wrong with the configuration itself is told before anything is touched.
        restore::compile(&config, schema, [0; 16]).map_err(unusable)?;
    }
    let stop = Stop::default();
    stop.on_signals().context(SignalsSnafu)?;
    if arguments.exit_with_parent {
        stop.on_end_of_input();
    }
    let address = report::serve(arguments.listen, Arc::clone(&status)).context(HttpSnafu)?;
    tracing::info!(writer = writer.id, shard = arguments.shard, %address, "serving /report, /metrics, /healthz and /readyz");
    let job = Job {
        config,
        shard: arguments.shard,
        writer,
        until_caught_up: arguments.until_caught_up,
        schema_not_found_after: arguments.schema_not_found_after,
        status,
        stop,
    };
    serve_tenures(&job).await
}

/// What comes after an attempt at a tenure.
enum Next {
    /// The process ends.
    End(Result<(), IngestError>),
    /// Another attempt, at once.
    Again(Entry),
    /// Another attempt, after a pause: something is wrong.
    Retry { scope: Scope, problem: Problem, is_transient: bool },
}

/// One tenure after the other. What waiting can mend is waited for.
async fn serve_tenures(job: &Job) -> Result<(), IngestError> {
    let mut backoff = Backoff::default();
    let mut writer = job.writer.clone();
    let mut entry = Entry::Starting;
    loop {
        let started = Instant::now();
        let (scope, problem, is_transient) = match attempt(job, &mut writer, entry).await {
            Next::End(outcome) => return outcome,
            Next::Again(next) => {
                entry = next;
                continue;
            }
            Next::Retry { scope, problem, is_transient } => (scope, problem, is_transient),
        };
        if job.until_caught_up && !is_transient {
            return CannotCatchUpSnafu { problems: vec![problem] }.fail();
        }
        job.status.raise(scope, problem);
        if started.elapsed() >= SUCCESSFUL_TENURE {
            backoff.reset();
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = job.stop.requested() => return Ok(()),
        }
    }
}

/// Claims and restores, and then does the work until something ends it.
async fn attempt(job: &Job, writer: &mut Writer, entry: Entry) -> Next {
    let outcome = tokio::select! {
        outcome = restore::start(job, writer, entry) => outcome,
        () = job.stop.requested() => return Next::End(Ok(())),
    };
    let restored = match outcome {
        Ok(Start::Ready(restored)) => restored,
        Ok(Start::Held { lake, held }) => return stand_by(job, &lake, &held, writer).await,
        Ok(Start::Ended) => return Next::Again(Entry::Returning),
        Err(error @ RestoreError::Unusable { .. }) => return Next::End(Err(unusable(error))),
        Err(error) => {
            let (scope, problem) = (error.scope(), error.problem());
            return Next::Retry { scope, problem, is_transient: error.is_transient() };
        }
    };
    for scope in [Scope::Storage, Scope::Registry, Scope::Kafka] {
        job.status.clear(scope);
    }
    let (lake, chain) = (restored.lake.clone(), restored.chain.id().clone());
    let merger = merger(job, &lake, &chain, writer);
    let ended = Box::pin(tenure::run(job, *restored, writer.clone())).await;
    // Unless it is to publish what is left, the merge ends with the tenure: here at the latest.
    let merger = merger.filter(|_| matches!(ended, Ok(Ended::CaughtUp)));
    match ended {
        Ok(Ended::CaughtUp) => {
            if let Some(problem) = publish_the_rest(job, merger).await {
                return Next::End(CannotCatchUpSnafu { problems: vec![problem] }.fail());
            }
            job.status.enter(Phase::Finished);
            tracing::info!("caught up with the topic");
            print_last_report(&job.status);
            Next::End(Ok(()))
        }
        Ok(Ended::Stopped) => Next::End(Ok(())),
        Ok(Ended::GaveUp) => Next::End(GaveUpSnafu.fail()),
        Ok(Ended::Unreachable(problems)) => Next::End(CannotCatchUpSnafu { problems }.fail()),
        Ok(Ended::Lost { by }) => {
            tracing::warn!(%chain, by = by.id, "another process has the chain");
            stand_by(job, &lake, &Held::Chain(chain), writer).await
        }
        Err(error) => Next::Retry { scope: Scope::Storage, problem: error.problem(), is_transient: true },
    }
}

/// The merge, which runs beside the tenure where the process is to publish tables of windows.
fn merger(job: &Job, lake: &Lake, chain: &ChainId, writer: &Writer) -> Option<Merger> {
    let publishes = job.shard == PUBLISHING_SHARD && !job.config.gold.is_empty();
    publishes.then(|| {
        Merger::start(Merging {
            lake: lake.clone(),
            generation: chain.generation,
            config: Arc::new(job.config.clone()),
            writer: writer.clone(),
            status: Arc::clone(&job.status),
            until_caught_up: job.until_caught_up,
        })
    })
}

/// Lets the merge publish everything that is committed, unless the process is asked to stop; gives what keeps it from
/// that.
async fn publish_the_rest(job: &Job, merger: Option<Merger>) -> Option<Problem> {
    tokio::select! {
        published = merger?.finish() => published.err(),
        () = job.stop.requested() => None,
    }
}

/// Waits until there is something to claim. Who takes over for a silent holder writes with its deployment
/// revision.
async fn stand_by(job: &Job, lake: &Lake, held: &Held, writer: &mut Writer) -> Next {
    tracing::warn!(?held, "others own what this process wants, standing by");
    job.status.enter(Phase::Standby);
    let entry = match standby::wait(job, lake, held).await {
        Waited::MayClaim { deployment_revision } => {
            writer.deployment_revision = deployment_revision;
            Entry::Starting
        }
        Waited::Ended => Entry::Returning,
        Waited::Stopped => return Next::End(Ok(())),
    };
    job.status.enter(Phase::Starting);
    Next::Again(entry)
}

/// Nobody can ask a process that has ended: its last report goes to standard output, as one line.
fn print_last_report(status: &Status) {
    let report = serde_json::to_string(&status.report()).expect("a report has string keys only");
    // A parent that has closed its end does not want to know.
    let _ = writeln!(std::io::stdout(), "{report}");
}

fn unusable(error: RestoreError) -> IngestError {
    match error {
        RestoreError::Unusable { findings } => IngestError::Unusable { findings },
        other => IngestError::CannotCatchUp { problems: vec![other.problem()] },
    }
}
