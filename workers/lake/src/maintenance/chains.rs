//! [`ChainEnd`]: where each chain of a lake stands, and which of its epochs a table lacks. Reads only.

use sluice_contract::manifest::{ChainId, MERGE, Manifest};

pub(super) use crate::chain::names::ROOT;
use crate::chain::{listed, names, newest_epoch, read_manifest};
use crate::error::LakeError;
use crate::lake::PUBLISHED;
use crate::store::Store;

/// A chain and its newest manifest.
#[derive(Clone, Debug)]
pub(super) struct ChainEnd {
    pub(super) id: ChainId,
    pub(super) newest: Manifest,
    /// When the newest manifest was stored, by the storage's clock.
    pub(super) stored_at_ms: i64,
}

impl ChainEnd {
    /// Whether a process may still add to the chain.
    pub(super) fn is_open(&self) -> bool {
        !self.newest.kind.is_end()
    }

    /// Whether its epochs may hold files of a table. A chain without any table may begin with any of its job's.
    pub(super) fn may_fill(&self, table: &str) -> bool {
        let is_of_its_job = (self.id.job == MERGE) == table.starts_with(PUBLISHED);
        (self.newest.tables.is_empty() && is_of_its_job) || self.newest.tables.contains_key(table)
    }

    /// Its newest epoch with actions for a table; 0 for none.
    pub(super) fn last_epoch(&self, table: &str) -> u64 {
        last_epoch(&self.newest, table)
    }
}

/// How a table stands to a chain.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It has all epochs.
    CaughtUp,
    /// It lacks these, newest first.
    Behind(Vec<Manifest>),
    /// It lacks epochs, one of which cannot be found.
    ManifestMissing {
        /// The one.
        epoch: u64,
    },
    /// It has an epoch that the chain does not have.
    Ahead {
        /// The epoch.
        found: i64,
    },
}

/// All chains of a lake that have a manifest.
pub(super) async fn all(store: &Store) -> Result<Vec<ChainEnd>, LakeError> {
    let mut ends = Vec::new();
    for job in store.list_directories(ROOT).await? {
        for id in listed(store, &job).await? {
            ends.extend(end(store, id).await?);
        }
    }
    Ok(ends)
}

/// The last manifests of all chains that have ended.
pub(crate) async fn ended(store: &Store) -> Result<Vec<Manifest>, LakeError> {
    let ends = all(store).await?.into_iter().filter(|end| !end.is_open());
    Ok(ends.map(|end| end.newest).collect())
}

async fn end(store: &Store, id: ChainId) -> Result<Option<ChainEnd>, LakeError> {
    let Some(newest) = newest_epoch(store, &id).await? else { return Ok(None) };
    let before = newest.epoch.checked_sub(1).map(names::manifest_file);
    let files = store.list_after(&names::chain_directory(&id), before.as_deref()).await?;
    let listed = files.iter().filter_map(|file| {
        let epoch = names::epoch_of(file.location.filename()?)?;
        Some((epoch, file.last_modified.timestamp_millis()))
    });
    let Some((epoch, stored_at_ms)) = listed.max() else { return Ok(None) };
    let newest = read_manifest(store, &id, epoch).await?;
    Ok(Some(ChainEnd { id, newest, stored_at_ms }))
}

/// How a table stands to a chain, of which it has the epochs up to `known`.
pub(super) async fn standing(
    store: &Store,
    end: &ChainEnd,
    table: &str,
    known: Option<i64>,
) -> Result<Standing, LakeError> {
    let known = known.unwrap_or_default();
    if known > end.newest.epoch as i64 {
        return Ok(Standing::Ahead { found: known });
    }
    let mut pending = Vec::new();
    let mut epoch = end.last_epoch(table);
    // Epoch 0 is always a claim: it has no actions.
    while epoch > 0 && epoch as i64 > known {
        let Some(manifest) = read_if_exists(store, &end.id, epoch).await? else {
            return Ok(Standing::ManifestMissing { epoch });
        };
        let Some(before) = read_if_exists(store, &end.id, epoch - 1).await? else {
            return Ok(Standing::ManifestMissing { epoch: epoch - 1 });
        };
        pending.push(manifest);
        epoch = last_epoch(&before, table);
    }
    Ok(if pending.is_empty() { Standing::CaughtUp } else { Standing::Behind(pending) })
}

/// A manifest that another run may have pruned meanwhile.
pub(super) async fn read_if_exists(
    store: &Store,
    chain: &ChainId,
    epoch: u64,
) -> Result<Option<Manifest>, LakeError> {
    match read_manifest(store, chain, epoch).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(LakeError::FileMissing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn last_epoch(manifest: &Manifest, table: &str) -> u64 {
    manifest.tables.get(table).map(|progress| progress.last_epoch).unwrap_or_default()
}
