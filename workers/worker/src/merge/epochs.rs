//! [`Epoch`]: what an epoch of ingest left for the merge, as it is read from the lake.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, PartitionProgress, REPLAY, Recompute};
use sluice_engine::gold::{Folded, Merge};
use sluice_lake::{Lake, LakeError};
use snafu::ResultExt;

use super::base_history::ReadFile;
use super::error::{EpochsLostSnafu, LakeSnafu, MergeError, StateSnafu};
use super::progress::Progress;

/// A step takes at most so many epochs of a chain, and so many bytes of them: after a long absence it must not take
/// everything into memory at once.
pub(super) const EPOCHS: u64 = 128;
const BYTES: u64 = 32 * 1024 * 1024;

/// What an epoch of ingest left.
#[derive(Clone, Debug)]
pub(super) struct Epoch {
    /// The chain.
    pub(super) chain: ChainId,
    /// The epoch.
    pub(super) number: u64,
    /// Whether the chain ends with it.
    is_end: bool,
    partitions: BTreeMap<i32, PartitionProgress>,
    partial_aggregates: PartialAggregates,
    recompute: Option<Recompute>,
}

/// What an epoch adds to the windows.
#[derive(Clone, Debug)]
enum PartialAggregates {
    Nothing,
    File(ReadFile, Bytes),
    /// Its file is gone. What it said is in silver, nobody knows in which windows.
    Gone,
}

impl Epoch {
    /// The file that it left, if any.
    pub(super) fn file(&self) -> Option<&ReadFile> {
        match &self.partial_aggregates {
            PartialAggregates::File(file, _) => Some(file),
            PartialAggregates::Nothing | PartialAggregates::Gone => None,
        }
    }

    /// Folds it. CPU-bound.
    pub(super) fn fold(&self, merge: &mut Merge) -> Result<Folded, MergeError> {
        if let Some(recompute) = &self.recompute {
            merge.lose_over(recompute);
        }
        let Self { chain, number, partitions, .. } = self;
        let folded = match &self.partial_aggregates {
            PartialAggregates::Nothing => merge.fold(None, partitions),
            PartialAggregates::File(_, content) => merge.fold(Some(content), partitions),
            PartialAggregates::Gone => {
                merge.lose_all();
                merge.fold(None, partitions)
            }
        };
        let folded = match folded {
            Err(error) if error.is_damage() => {
                tracing::warn!(%chain, number, %error, "partial aggregates are damaged: all windows are computed again");
                merge.lose_all();
                merge.fold(None, partitions)
            }
            folded => folded,
        };
        folded.with_context(|_| {
            let path = self.file().map(|file| file.path.clone());
            StateSnafu { path: path.unwrap_or_else(|| format!("epoch {number} of '{chain}'")) }
        })
    }

    fn bytes(&self) -> u64 {
        self.file().map_or(0, |file| file.bytes)
    }
}

/// Reads an epoch; `None` if there is none of that number (yet).
pub(super) async fn read(lake: &Lake, chain: &ChainId, number: u64) -> Result<Option<Epoch>, MergeError> {
    let Some(manifest) = lake.manifest(chain, number).await.context(LakeSnafu)? else { return Ok(None) };
    let partial_aggregates = match manifest.partial_aggregates {
        Some(path) => match lake.read(&path).await {
            Ok(content) => PartialAggregates::File(ReadFile { path, bytes: content.len() as u64 }, content),
            Err(LakeError::FileMissing { .. }) => {
                tracing::warn!(path, "partial aggregates are gone: all windows are computed again");
                PartialAggregates::Gone
            }
            Err(source) => return Err(MergeError::Lake { source }),
        },
        None => PartialAggregates::Nothing,
    };
    Ok(Some(Epoch {
        chain: chain.clone(),
        number,
        is_end: manifest.kind.is_end(),
        partitions: manifest.partitions,
        partial_aggregates,
        recompute: manifest.recompute,
    }))
}

/// Epochs to be folded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// The epochs.
    pub(super) epochs: Vec<Epoch>,
    /// Whether there may be more at once.
    pub(super) is_full: bool,
}

/// Reads what there is of all chains, up to a bound for each.
///
/// A replay changes rows that ingest has read before it. So replays are looked for first, and folded last: where they
/// are, these rows have been given to the merge, unless there is more at once.
pub(super) async fn read_all(lake: &Lake, progress: &Progress) -> Result<Batch, MergeError> {
    let (replays, ingest): (Vec<_>, Vec<_>) =
        progress.next().into_iter().partition(|(chain, _)| chain.job == REPLAY);
    let replays = read_chains(lake, replays).await?;
    let mut all = read_chains(lake, ingest).await?;
    all.epochs.extend(replays.epochs);
    all.is_full |= replays.is_full;
    Ok(all)
}

async fn read_chains(lake: &Lake, chains: Vec<(ChainId, u64)>) -> Result<Batch, MergeError> {
    let mut all = Batch::default();
    for (chain, next) in chains {
        let batch = read_on(lake, &chain, next).await?;
        all.epochs.extend(batch.epochs);
        all.is_full |= batch.is_full;
    }
    Ok(all)
}

/// Reads the epochs of a chain from `next` on, up to a bound.
async fn read_on(lake: &Lake, chain: &ChainId, next: u64) -> Result<Batch, MergeError> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    for number in next..next + EPOCHS {
        let Some(epoch) = read(lake, chain, number).await? else { return Ok(batch) };
        bytes += epoch.bytes();
        let is_end = epoch.is_end;
        batch.epochs.push(epoch);
        if is_end {
            return Ok(batch);
        }
        if bytes >= BYTES {
            break;
        }
    }
    batch.is_full = true;
    Ok(batch)
}

/// Fails where the epoch that comes next on a chain is gone, though the chain goes on: it would be waited for in vain.
pub(super) async fn refuse_gaps(lake: &Lake, progress: &Progress) -> Result<(), MergeError> {
    for (chain, next) in progress.of_ingest() {
        if lake.manifest(&chain, next).await.context(LakeSnafu)?.is_some() {
            continue;
        }
        let newest = lake.newest_manifest(&chain).await.context(LakeSnafu)?;
        // It may have come in between.
        if newest.is_some_and(|newest| newest.epoch > next) {
            return EpochsLostSnafu { chain: chain.to_string(), epoch: next }.fail();
        }
    }
    Ok(())
}

/// What the first epochs of all shards say of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FirstEpochs {
    /// These are its partitions: all of them hold back what is final, whichever shard is folded first.
    Partitions(BTreeSet<i32>),
    /// These shards have done no more than to claim their chain. Which partitions they will read is not known yet,
    /// so nothing can be said of what is final.
    Missing(Vec<u32>),
}

impl FirstEpochs {
    /// Looks at the first epoch of each chain. Nothing that comes later changes what is found.
    pub(super) async fn of(lake: &Lake, progress: &Progress) -> Result<Self, MergeError> {
        let (mut partitions, mut missing) = (BTreeSet::new(), Vec::new());
        for (chain, _) in progress.of_ingest() {
            match first(lake, &chain).await? {
                Some(manifest) => partitions.extend(manifest.partitions.into_keys()),
                None => missing.push(chain.shard),
            }
        }
        Ok(if missing.is_empty() { Self::Partitions(partitions) } else { Self::Missing(missing) })
    }
}

/// The first epoch of a chain that is more than a claim.
async fn first(lake: &Lake, chain: &ChainId) -> Result<Option<Manifest>, MergeError> {
    for number in 0.. {
        match lake.manifest(chain, number).await.context(LakeSnafu)? {
            Some(manifest) if manifest.kind == ManifestKind::Claim => {}
            found => return Ok(found),
        }
    }
    Ok(None)
}
