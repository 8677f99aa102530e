//! [`BaseMaker`]: writes a base in the background, from a frozen copy.

use std::time::{Duration, Instant};

use sluice_contract::manifest::{ChainId, StateFile};
use sluice_engine::gold::Merge;
use sluice_lake::Lake;
use tokio::task::JoinHandle;

use super::base_history::BaseHistory;
use super::error::MergeError;
use super::pieces::written;
use crate::clock::now_ms;

/// How long windows wait for the base that shares them.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// At most one base at a time.
#[derive(Debug, Default)]
pub(super) struct BaseMaker {
    running: Option<JoinHandle<Result<StateFile, MergeError>>>,
}

impl BaseMaker {
    /// Takes over a base that is ready.
    pub(super) async fn collect(&mut self, history: &mut BaseHistory) {
        if !self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            return;
        }
        let Some(task) = self.running.take() else { return };
        match task.await {
            Ok(Ok(base)) => {
                tracing::debug!(epoch = base.epoch, bytes = base.bytes, "wrote a base of the merge");
                history.adopt(base);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "failed to write a base of the merge, trying again later");
                history.postpone(now_ms());
            }
            Err(error) => {
                tracing::warn!(%error, "failed to write a base of the merge: its task ended early");
                history.postpone(now_ms());
            }
        }
    }

    /// Whether one is being written, or has not been [collected](Self::collect).
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Gives up one that is being written, since a newer one is there.
    pub(super) fn abandon(&mut self) {
        if let Some(task) = self.running.take() {
            task.abort();
        }
    }

    /// Waits for one that is being written, but not for ever: until then it shares windows with the merge, and each that
    /// the merge changes is in memory twice.
    pub(super) async fn settle(&self) {
        let began = Instant::now();
        let is_writing = || self.running.as_ref().is_some_and(|task| !task.is_finished());
        while is_writing() && began.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts to write one: a frozen copy of what the merge knows after an epoch of its chain.
    pub(super) fn start(&mut self, lake: Lake, chain: ChainId, frozen: Merge, epoch: u64) {
        self.running = Some(tokio::spawn(async move {
            let store = |pieces| lake.put_state_in_pieces(&chain, epoch, pieces);
            written(move |take| frozen.write_snapshot(take), store).await
        }));
    }
}

impl Drop for BaseMaker {
    fn drop(&mut self) {
        self.abandon();
    }
}
