//! A pass on several workers at once, by `datafusion-distributed`.
//!
//! ```text
//!  replay ── Pass, Shares ──► PassExec  task 0 ── Gathered ─┐
//!                             PassExec  task 1 ── Gathered ─┼─► NetworkCoalesceExec ──► replay: one commit for each table
//!                             PassExec  task 2 ── Gathered ─┘
//! ```
//! The plan has one leaf, [`PassExec`](plan::PassExec), which is told the [`Pass`] and which partitions each task has. A
//! task reads bronze from the lake itself, makes files of new rows durable there, and answers with what it has gathered,
//! which is small. Nothing is committed but by whoever asked, and only when every task has said all of it ([`answers`]): a
//! task that fails fails the replay, and nothing of it is visible.
//!
//! At least one of the workers is in this process; where the others are is what `--peers` says ([`peer`]).

mod answers;
mod channels;
mod peer;
mod plan;
mod shares;

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::common::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use datafusion_distributed::{DistributedExt, SessionStateBuilderExt, WorkerResolver};
use futures::TryStreamExt;
use snafu::ResultExt;
use url::Url;

pub(super) use peer::{serve, workers};
pub(super) use shares::shares;

use super::error::{DistributedSnafu, ReplayError};
use super::gathered::Gathered;
use super::pass::{Pass, Share};
use answers::{Answer, Answers};
use channels::Channels;
use plan::{PassCodec, PassTable};

/// Runs a pass on workers, a task for each share.
pub(super) async fn run(pass: Pass, shares: Vec<Share>, workers: &[Url]) -> Result<Gathered, ReplayError> {
    gather(pass, shares, workers).await.context(DistributedSnafu)
}

async fn gather(pass: Pass, shares: Vec<Share>, workers: &[Url]) -> Result<Gathered, DataFusionError> {
    let state = SessionStateBuilder::new()
        .with_default_features()
        // The plan is what it shall be: one of them takes away what collects the answers.
        .with_physical_optimizer_rules(Vec::new())
        .with_distributed_worker_resolver(Workers(workers.to_vec()))
        .with_distributed_channel_resolver(Channels::to(workers)?)
        .with_distributed_user_codec(PassCodec)
        .with_distributed_planner()
        .build();
    let mut answers = Answers::of_tasks(shares.len());
    let table = PassTable::new(pass, shares);
    let mut parts = SessionContext::from(state).read_table(Arc::new(table))?.execute_stream().await?;
    while let Some(rows) = parts.try_next().await? {
        for answer in parsed(&rows)? {
            answers.take(answer);
        }
    }
    answers.whole().map_err(|task| {
        DataFusionError::Execution(format!(
            "task {task} ended without its answer; the log of its worker says why"
        ))
    })
}

fn parsed(rows: &RecordBatch) -> Result<Vec<Answer>, DataFusionError> {
    let texts = rows.column(0).as_string::<i32>().iter().flatten();
    texts
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| DataFusionError::External(Box::new(error)))
}

/// Workers that are known from the start.
struct Workers(Vec<Url>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.0.clone())
    }
}
