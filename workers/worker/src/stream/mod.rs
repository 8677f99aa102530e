//! What all jobs that follow the topic share: one tenure after the other, from Kafka to tables, exactly once.
//!
//! # Reading order
//! 1. [`process`], how every such process begins; then this file: one tenure after the other, until it is
//!    asked to stop or has caught up.
//! 2. [`restore`]: the claim, then what the chain left; before that [`generations`], whether the process
//!    belongs to the present cut and configuration, and [`inheritance`], what a new one begins with.
//! 3. [`tenure`]: the threads and how they are joined; then `source`, [`core`], [`encoders`],
//!    [`committer`], one for each.
//! 4. [`work`]: what tells one job from another; [`backfill`]: what stands in for messages that Kafka has no longer.
//! 5. The pure parts they decide with: [`hold`], [`idle`], [`caught_up`], [`state_history`],
//!    `source::{assignment, renewal}`.
//!
//! With `--until-caught-up` the last thing written to standard output is the final report, as one line
//! of JSON.
//!
//! No thread on the way of a message is asynchronous; only what waits for storage, the registry or
//! HTTP is.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_contract::cut::Cut;
use sluice_contract::manifest::{ChainId, Writer};
use sluice_contract::report::{Phase, Problem};
use sluice_lake::Lake;

use crate::backoff::Backoff;
use crate::kafka::ConsumerTraits;
use crate::merge::{Merger, Merging};
use crate::report::{Scope, Status};
use crate::stop::Stop;

mod arguments;
mod backfill;
mod caught_up;
pub(crate) mod committer;
mod compaction;
mod core;
mod encoders;
pub(crate) mod error;
mod event;
pub(crate) mod generations;
mod hold;
mod idle;
mod inheritance;
mod links;
pub(crate) mod process;
pub(crate) mod restore;
mod schemas;
mod source;
mod standby;
mod state_history;
mod tenure;
pub(crate) mod work;

pub use arguments::StreamArguments;
pub use error::JobError;
use error::{CannotCatchUpSnafu, GaveUpSnafu};
use generations::Entry;
use restore::{RestoreError, Start};
use standby::{Held, Waited};
use tenure::Ended;
use work::{Pace, Work};

/// A tenure that lasted this long was a success: the next failure is waited for from the start.
const SUCCESSFUL_TENURE: Duration = Duration::from_secs(60);

/// What a worker process is for.
#[derive(Debug)]
pub(crate) struct Job {
    /// What it does.
    pub(crate) work: Arc<dyn Work>,
    /// The shard's number.
    pub(crate) shard: u32,
    /// Who the process is in manifests.
    pub(crate) writer: Writer,
    /// Whether to end when everything that was in the topic at the start is committed.
    pub(crate) until_caught_up: bool,
    /// How long the registry must have said "not found".
    pub(crate) schema_not_found_after: Duration,
    /// What the worker says of itself.
    pub(crate) status: Arc<Status>,
    /// Whether it shall end.
    pub(crate) stop: Stop,
}

impl Job {
    /// Which partitions are its own.
    fn cut(&self) -> Cut {
        Cut { shards: self.work.shards(), shard: self.shard }
    }

    /// What its consumer is like. Each job has a group of its own, with the pipeline's name at its front.
    fn consumer(&self) -> ConsumerTraits {
        let owner = &self.work.pipeline().owner;
        let pipeline = format!("sluice-{}-{}", owner.namespace, owner.name);
        let group = match self.work.job() {
            crate::ingest::JOB => pipeline,
            other => format!("{pipeline}-{other}"),
        };
        ConsumerTraits { group, at_once: self.work.pace() == Pace::AtOnce }
    }
}

/// What comes after an attempt at a tenure.
enum Next {
    /// The process ends.
    End(Result<(), JobError>),
    /// Another attempt, at once.
    Again(Entry),
    /// Another attempt, after a pause: something is wrong.
    Retry { scope: Scope, problem: Problem, is_transient: bool },
}

/// One tenure after the other. What waiting can mend is waited for.
async fn serve_tenures(job: &Job) -> Result<(), JobError> {
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
    for scope in [Scope::Storage, Scope::Registry, Scope::Kafka, Scope::Alerts] {
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
    let config = job.work.merge_beside(job.shard)?;
    Some(Merger::start(Merging {
        lake: lake.clone(),
        generation: chain.generation,
        config,
        writer: writer.clone(),
        status: Arc::clone(&job.status),
        until_caught_up: job.until_caught_up,
    }))
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

/// A start that cannot succeed as an end of the process.
fn unusable(error: RestoreError) -> JobError {
    match error {
        RestoreError::Unusable { findings } => JobError::Unusable { findings },
        other => JobError::CannotCatchUp { problems: vec![other.problem()] },
    }
}
