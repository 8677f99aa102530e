//! [`Memory`]: what the merge knows, and how a restart comes to know the same.
//!
//! A restart loads the base, and then does what each manifest since says was done: folds the same epochs in the
//! same order, and publishes the same tables. The rows are thrown away, for the tables have them; what remains is
//! the state that the manifest stands for, with its revisions and buckets.
//!
//! Where any of that is lost, what the merge knew of windows is in silver and in what was published of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{ChainId, INGEST, Manifest};
use sluice_decode::RowSchema;
use sluice_engine::gold::{Folded, Merge};
use sluice_lake::Lake;
use snafu::{OptionExt, ResultExt};

use super::base_history::{BaseHistory, ReadFile};
use super::epochs::{self, EPOCHS, Epoch, FirstEpochs};
use super::error::{BrokenSnafu, EpochsLostSnafu, LakeSnafu, MergeError, StateSnafu, UnusableSnafu};
use super::pieces;
use super::progress::{self, Progress};
use super::spilled::{self, AfterFold};
use crate::finding::Finding;

/// What the merge is made from, by every generation anew.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    /// The configuration.
    pub(super) config: Arc<WorkerConfig>,
    /// The schema of the rows.
    pub(super) schema: Arc<RowSchema>,
}

/// What the merge knows.
#[derive(Debug)]
pub(super) struct Memory {
    /// Windows and watermarks.
    pub(super) merge: Merge,
    /// How far it has come.
    pub(super) progress: Progress,
    /// What a restart would read.
    pub(super) history: BaseHistory,
}

impl Memory {
    /// Knows nothing yet, and follows these chains.
    pub(super) fn new(
        recipe: &Recipe,
        chains: impl IntoIterator<Item = ChainId>,
    ) -> Result<Self, MergeError> {
        let merge = Merge::new(&recipe.config, &recipe.schema).map_err(|errors| {
            UnusableSnafu { findings: errors.into_iter().map(Finding::from).collect::<Vec<_>>() }.build()
        })?;
        let progress = Progress::new(chains, &BTreeMap::new());
        Ok(Self { merge, progress, history: BaseHistory::default() })
    }

    /// What the merge knew after a manifest of its chain. `chains` are those that it followed. Where files are lost that
    /// tell it, all windows are to be computed again.
    pub(super) async fn at(
        lake: &Lake,
        recipe: &Recipe,
        chains: Vec<ChainId>,
        newest: &Manifest,
    ) -> Result<Self, MergeError> {
        match Self::replayed(lake, recipe, chains.clone(), newest).await {
            Err(error) if error.is_loss() => {
                tracing::warn!(%error, "lost what the merge knew: all windows are computed again from silver");
                Self::without_windows(lake, recipe, chains, newest).await
            }
            outcome => outcome,
        }
    }

    /// How far the merge had come, without any window.
    async fn without_windows(
        lake: &Lake,
        recipe: &Recipe,
        chains: Vec<ChainId>,
        newest: &Manifest,
    ) -> Result<Self, MergeError> {
        let mut memory = Self::new(recipe, [])?;
        memory.progress = Progress::new(chains, &newest.folded);
        let mut standing = BTreeMap::new();
        for (chain, next) in memory.progress.of_ingest() {
            let epoch = next.saturating_sub(1);
            let manifest = lake.manifest(&chain, epoch).await.context(LakeSnafu)?;
            let manifest = manifest.with_context(|| EpochsLostSnafu { chain: chain.to_string(), epoch })?;
            standing.extend(manifest.partitions);
        }
        memory.merge.lose_all();
        let folded = memory.merge.fold(None, &standing).context(StateSnafu { path: "no file" })?;
        debug_assert_eq!(folded, Folded::Done);
        Ok(memory)
    }

    /// Loads the base, and does what each manifest since says was done.
    async fn replayed(
        lake: &Lake,
        recipe: &Recipe,
        chains: Vec<ChainId>,
        newest: &Manifest,
    ) -> Result<Self, MergeError> {
        let mut memory = Self::new(recipe, chains.iter().cloned())?;
        let mut next = 0;
        if let Some(base) = &newest.state.base {
            pieces::check(lake, &base.path).await?.context(StateSnafu { path: &base.path })?;
            let mut merge = memory.merge;
            let restore = |pieces: &mut dyn Iterator<Item = Bytes>| merge.restore(pieces).map(|()| merge);
            let restored = pieces::read(lake, &base.path, restore).await?;
            memory.merge = restored.context(StateSnafu { path: &base.path })?;
            let at = manifest(lake, newest, base.epoch).await?;
            memory.progress = Progress::new(chains, &at.folded);
            memory.history = BaseHistory::new(Some(base.clone()));
            next = base.epoch + 1;
        } else {
            // As before the first epoch was folded.
            let first = manifest(lake, newest, 0).await?;
            memory.progress = Progress::new(chains, &first.folded);
            if newest.folded != first.folded
                && let FirstEpochs::Partitions(partitions) = FirstEpochs::of(lake, &memory.progress).await?
            {
                memory.merge.expect(partitions);
            }
        }
        for epoch in next..=newest.epoch {
            let manifest = manifest(lake, newest, epoch).await?;
            memory = memory.replay(lake, &manifest).await?;
        }
        Ok(memory)
    }

    /// Does what a manifest says was done.
    async fn replay(mut self, lake: &Lake, manifest: &Manifest) -> Result<Self, MergeError> {
        let steps: Vec<_> = progress::steps(&self.progress, &manifest.folded).collect();
        for (chain, first, last) in steps {
            let mut batch = Vec::new();
            for number in first..=last {
                let epoch = epochs::read(lake, &chain, number).await?;
                batch.push(
                    epoch.with_context(|| EpochsLostSnafu { chain: chain.to_string(), epoch: number })?,
                );
                if batch.len() as u64 == EPOCHS || number == last {
                    let batch = std::mem::take(&mut batch);
                    self = self.fold(lake, batch, manifest.epoch, manifest.created_at_ms).await?;
                }
            }
        }
        let tables: Vec<usize> = places(&self.merge, &manifest.committed_tables());
        if tables.is_empty() {
            return Ok(self);
        }
        let (mut merge, updated_at_us) = (self.merge, manifest.created_at_ms * 1_000);
        let publish = move || {
            merge.publish_again(&tables, updated_at_us);
            merge
        };
        self.merge = blocking(publish).await?;
        Ok(self)
    }

    /// Folds epochs for an epoch of the merge, written then.
    pub(super) async fn fold(
        self,
        lake: &Lake,
        batch: Vec<Epoch>,
        epoch: u64,
        at_ms: i64,
    ) -> Result<Self, MergeError> {
        let Self { merge, mut progress, mut history } = self;
        let AfterFold { merge, epochs, loaded } = spilled::fold(lake, merge, batch).await?;
        for folded in &epochs {
            progress.folded(&folded.chain, folded.number);
        }
        let folded = epochs.iter().filter_map(|folded| folded.file().cloned());
        let files: Vec<ReadFile> = folded.chain(loaded).collect();
        history.read(files, epoch, at_ms);
        Ok(Self { merge, progress, history })
    }
}

/// The chains that the merge follows in a generation of so many shards: those of ingest, and that of replays.
pub(super) fn chains_of(generation: u64, shards: u32) -> Vec<ChainId> {
    let ingest = (0..shards).map(|shard| ChainId { job: INGEST.to_owned(), generation, shard });
    ingest.chain([ChainId::of_replays()]).collect()
}

/// The places of tables in [`Merge::table_schemas`], ascending. One that the configuration has no more is left out.
fn places(merge: &Merge, tables: &[&str]) -> Vec<usize> {
    let names = merge.table_schemas().iter().enumerate();
    names.filter(|(_, schema)| tables.contains(&schema.name.as_str())).map(|(place, _)| place).collect()
}

/// An earlier manifest of a chain, which must be there.
async fn manifest(lake: &Lake, newest: &Manifest, epoch: u64) -> Result<Manifest, MergeError> {
    if epoch == newest.epoch {
        return Ok(newest.clone());
    }
    let found = lake.manifest(&newest.chain, epoch).await.context(LakeSnafu)?;
    found.with_context(|| EpochsLostSnafu { chain: newest.chain.to_string(), epoch })
}

/// Does CPU-bound work on a thread where nothing waits behind it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MergeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BrokenSnafu { detail: error.to_string() }.build())
}
