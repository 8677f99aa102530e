//! [`Compaction`]: merges state files into a new base, in the background.
//!
//! It reads immutable files, so it needs no frozen copy of the memory and no pause of the core.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, PartitionProgress, StateFiles};
use sluice_engine::StateError;
use sluice_engine::state::{self, Retention};
use sluice_lake::{Lake, LakeError};
use snafu::{ResultExt, Snafu};
use tokio::task::JoinHandle;

use super::state_history::{NewBase, StateHistory};
use crate::clock::now_ms;

/// Why no new base was made. The old files stay in force.
#[derive(Debug, Snafu)]
enum CompactionError {
    #[snafu(display("{source}"))]
    Storage { source: LakeError },
    #[snafu(display("{source}"))]
    Unreadable { source: StateError },
    #[snafu(display("failed to merge state files: the task ended early"))]
    Ended,
}

/// What a new base is made from.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    /// The lake.
    pub(crate) lake: Lake,
    /// The chain whose state it is.
    pub(crate) chain: ChainId,
    /// The files.
    pub(crate) files: StateFiles,
    /// Where the partitions stand after the newest of the files.
    pub(crate) partitions: BTreeMap<i32, PartitionProgress>,
    /// What they forget.
    pub(crate) retention: Retention,
}

/// At most one merge at a time.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    running: Option<JoinHandle<Result<NewBase, CompactionError>>>,
}

impl Compaction {
    /// Takes over a base that is ready.
    pub(crate) async fn collect(&mut self, history: &mut StateHistory) {
        if !self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            return;
        }
        let Some(task) = self.running.take() else { return };
        match task.await.unwrap_or(Err(CompactionError::Ended)) {
            Ok(base) => {
                tracing::debug!(epoch = base.epoch, "merged state files into a new base");
                history.adopt(base);
            }
            Err(error) => {
                tracing::warn!(%error, "failed to merge state files, trying again later");
                history.postpone(now_ms());
            }
        }
    }

    /// Starts a merge unless one is running.
    pub(crate) fn start(&mut self, material: Material) {
        if self.running.is_none() {
            self.running = Some(tokio::spawn(merge(material)));
        }
    }

    /// Whether a merge is running, or its base has not been collected.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

async fn merge(material: Material) -> Result<NewBase, CompactionError> {
    let Material { lake, chain, files, partitions, retention } = material;
    let epoch = files.deltas.iter().chain(&files.base).map(|file| file.epoch).max().unwrap_or(0);
    let mut contents = Vec::new();
    for file in files.base.iter().chain(&files.deltas) {
        contents.push(lake.read(&file.path).await.context(StorageSnafu)?);
    }
    let merge = move || state::merge(&contents, &partitions, retention);
    let merged = tokio::task::spawn_blocking(merge).await.map_err(|_| CompactionError::Ended)?;
    let file = match merged.context(UnreadableSnafu)? {
        None => None,
        Some(bytes) => Some(lake.put_state(&chain, epoch, bytes).await.context(StorageSnafu)?),
    };
    Ok(NewBase { file, epoch })
}
