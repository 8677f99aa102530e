//! The merge: publishes the tables of windows, in the process of shard 0, beside its ingest.
//!
//! ```text
//!  chains of ingest (all shards)              the chain of the merge
//!  manifest ─ partial aggregates ─┐    fold         publish         one manifest: what was folded,
//!  manifest ─ partial aggregates ─┼──► windows ──► buckets ──► files ──► what tables gain and lose ──► gold/...
//!  manifest                      ─┘
//! ```
//! One manifest fixes input, state and output: the last epoch folded of each chain of ingest, the base and with it
//! all that was folded since, and the files that come and go. A restart does again what the manifests say, so
//! it knows the same, to the last revision.
//!
//! The chain of replays is followed like one of ingest. Its epochs bring no partial aggregates: they say which windows
//! are to be computed again from silver.
//!
//! Nothing here can hold ingest up. What goes wrong is told in the report, tried again, and costs the tables below
//! `gold/` their freshness, and nothing else.
//!
//! # Reading order
//! [`start`] (the claim, and what a new generation takes over), [`memory`] (what a restart does again), then
//! [`publisher`] (a step) with [`epochs`], [`spilled`], [`recompute`] and [`rewrite`]. The pure parts they decide with: [`progress`],
//! [`schedule`], [`layout`], [`base_history`].

mod base;
mod base_history;
mod epochs;
mod error;
mod goal;
mod layout;
mod memory;
mod pieces;
mod progress;
mod publisher;
mod recompute;
mod rewrite;
mod schedule;
mod spilled;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::Writer;
use sluice_contract::report::Problem;
use sluice_lake::Lake;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::report::{Scope, Status};
use error::MergeError;
use goal::Goal;
use publisher::{Publisher, Stepped, Which};
pub(crate) use start::specs;
use start::{Begun, begin};

/// The shard whose process publishes.
pub(crate) const PUBLISHING_SHARD: u32 = 0;
/// A merge that lasted so long was a success: the next failure is waited for from the start.
const SUCCESS: Duration = Duration::from_mins(1);
/// What waiting does not mend is looked at again this often: somebody may have mended it.
const PAUSE: Duration = Duration::from_secs(30);
/// How long shards may take to begin before the report says that they are waited for.
const PATIENCE_WITH_SHARDS: Duration = Duration::from_secs(30);
/// Shards that add nothing for so long, though they have not come to the end of the topic, have ended: an idle one gives
/// a sign of life each 10 s, and a busy machine may be late with it.
const SILENCE: Duration = Duration::from_mins(1);
/// How often the chains of other shards are looked at when this shard has ended.
const LOOK: Duration = Duration::from_millis(500);

/// What the merge works for.
#[derive(Clone, Debug)]
pub(crate) struct Merging {
    /// The lake.
    pub(crate) lake: Lake,
    /// The generation of ingest, and of the merge.
    pub(crate) generation: u64,
    /// The configuration.
    pub(crate) config: Arc<WorkerConfig>,
    /// Who we are in the manifests.
    pub(crate) writer: Writer,
    /// What the worker says of itself.
    pub(crate) status: Arc<Status>,
    /// Whether what waiting does not mend ends the work.
    pub(crate) until_caught_up: bool,
}

/// What the merge is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Follow the chains of ingest.
    Follow,
    /// Publish everything that they have, and end.
    Finish,
}

/// A merge at work. It ends with this.
#[derive(Debug)]
pub(crate) struct Merger {
    wish: watch::Sender<Wish>,
    task: JoinHandle<Result<(), Problem>>,
    status: Arc<Status>,
}

impl Merger {
    /// Starts it.
    pub(crate) fn start(merging: Merging) -> Self {
        let (wish, wished) = watch::channel(Wish::Follow);
        let status = Arc::clone(&merging.status);
        let task = tokio::spawn(async move { Box::pin(serve(&merging, wished)).await });
        Self { wish, task, status }
    }

    /// Publishes everything that ingest has committed, of other shards too while they add to it; or says why that
    /// cannot be done.
    pub(crate) async fn finish(mut self) -> Result<(), Problem> {
        self.wish.send_replace(Wish::Finish);
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Problem { reason: "Internal".to_owned(), message: error.to_string() }),
        }
    }
}

impl Drop for Merger {
    fn drop(&mut self) {
        self.task.abort();
        self.status.clear(Scope::Gold);
    }
}

/// One attempt after the other, until everything is published that was asked for.
async fn serve(merging: &Merging, mut wished: watch::Receiver<Wish>) -> Result<(), Problem> {
    let mut backoff = Backoff::default();
    let goal = if merging.until_caught_up { Goal::of(&merging.config).await } else { Goal::OwnShard };
    loop {
        let began = Instant::now();
        let pause = match attempt(merging, &goal, &mut wished).await {
            Ok(Ended::Finished) => return Ok(()),
            // Whoever has the chain publishes what is left.
            Ok(Ended::Superseded) if *wished.borrow() == Wish::Finish => return Ok(()),
            Ok(Ended::Superseded) => backoff.pause(),
            Err(error) => {
                let problem = error.problem();
                if merging.until_caught_up && !error.is_transient() {
                    return Err(problem);
                }
                merging.status.raise(Scope::Gold, problem);
                if error.is_transient() { backoff.pause() } else { PAUSE }
            }
        };
        tokio::time::sleep(pause).await;
        if began.elapsed() >= SUCCESS {
            backoff.reset();
        }
    }
}

/// How an attempt ended without an error.
enum Ended {
    /// Everything is published.
    Finished,
    /// Another process has the chain.
    Superseded,
}

/// Claims and restores, and then publishes until something ends it.
async fn attempt(
    merging: &Merging,
    goal: &Goal,
    wished: &mut watch::Receiver<Wish>,
) -> Result<Ended, MergeError> {
    let Begun::Ready(mut publisher) = begin(merging).boxed().await? else { return Ok(Ended::Superseded) };
    merging.status.clear(Scope::Gold);
    let began = Instant::now();
    loop {
        if *wished.borrow() == Wish::Finish {
            return finish(publisher, goal).await;
        }
        let stepped;
        (publisher, stepped) = publisher.step(Which::Due).boxed().await?;
        match stepped {
            Stepped::Lost => return Ok(Ended::Superseded),
            Stepped::Folded { is_behind: true, .. } => continue,
            Stepped::Folded { .. } => merging.status.clear(Scope::Gold),
            Stepped::Waiting { shards } if began.elapsed() > PATIENCE_WITH_SHARDS => {
                merging.status.raise(Scope::Gold, waiting_for(&shards));
            }
            Stepped::Waiting { .. } => {}
        }
        tokio::select! {
            () = tokio::time::sleep_until(publisher.next().into()) => {}
            // Its sender lives as long as this task is wanted.
            _ = wished.changed() => {}
        }
    }
}

/// Publishes what is left. Other shards may still be adding to it.
async fn finish(mut publisher: Box<Publisher>, goal: &Goal) -> Result<Ended, MergeError> {
    let mut quiet_since = Instant::now();
    loop {
        let stepped;
        (publisher, stepped) = publisher.step(Which::Due).boxed().await?;
        match stepped {
            Stepped::Lost => return Ok(Ended::Superseded),
            Stepped::Folded { is_behind: true, .. } => {
                quiet_since = Instant::now();
                continue;
            }
            Stepped::Folded { epochs: 1.., .. } => quiet_since = Instant::now(),
            Stepped::Folded { .. } | Stepped::Waiting { .. } => {}
        }
        let missing = publisher.missing(goal);
        if missing.is_empty() {
            break;
        }
        if quiet_since.elapsed() >= SILENCE {
            tracing::warn!(partitions = ?missing, "other shards have not come to the end that their partitions had");
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    loop {
        let stepped;
        (publisher, stepped) = publisher.step(Which::All).boxed().await?;
        match stepped {
            Stepped::Lost => return Ok(Ended::Superseded),
            Stepped::Folded { is_behind: true, .. } => {}
            Stepped::Folded { .. } => return Ok(Ended::Finished),
            Stepped::Waiting { shards } => {
                tracing::warn!(?shards, "published no tables of windows: not all shards have begun");
                return Ok(Ended::Finished);
            }
        }
    }
}

fn waiting_for(shards: &[u32]) -> Problem {
    let shards: Vec<String> = shards.iter().map(u32::to_string).collect();
    Problem {
        reason: "ShardsMissing".to_owned(),
        message: format!(
            "the tables below gold/ wait for all shards to begin, so that no window is final too early; start shard {}",
            shards.join(", ")
        ),
    }
}
