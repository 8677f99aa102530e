//! Pruning: deletes manifests and state files that no restart needs any more.
//!
//! A restart reads the newest manifest of its chain, the state files that it names, and the manifests whose
//! epochs a table lacks. The merge also reads its manifests above its base, and those of ingest that the base does
//! not cover, with their partial aggregates. The newest thousand stay besides, for people who look into what
//! happened.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use sluice_contract::manifest::{ChainId, INGEST, MERGE, Manifest, StateFile};

use super::MaintenancePolicy;
use super::chains::{self, ChainEnd, ROOT, Standing, read_if_exists};
use super::folded::Folded;
use super::opened::Opened;
use super::spilled;
use crate::chain::names;
use crate::error::LakeError;
use crate::failpoint;
use crate::store::Store;

/// So many of the newest manifests of a chain stay.
const KEPT: u64 = 1000;

/// Younger ones stay too, however many: a writer looks where its chain ends after a minute of silence only,
/// and must not find the name that it believes to be next free again.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// State files that no manifest names, and temporary files, are left alone for so long: somebody may be about
/// to name them.
const STATE_KEPT: Duration = Duration::from_hours(24);

/// Files deleted with one call.
const BATCH: usize = 100;

/// Manifests read at a time.
const READ_AHEAD: usize = 16;

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Manifests.
    pub manifests: u64,
    /// State files.
    pub state_files: u64,
    /// Files of partial aggregates.
    pub partial_aggregates: u64,
    /// Files of windows that the merge took out of memory.
    pub spilled_windows: u64,
    /// Temporary files that dead processes left.
    pub temporary_files: u64,
}

/// Deletes what no restart needs.
pub(super) async fn run(store: &Store, policy: &MaintenancePolicy) -> Result<Pruned, LakeError> {
    let tables = tables(store).await?;
    // After the tables: a table cannot have an epoch then that its chain has not.
    let ends = chains::all(store).await?;
    let folded = Folded::of(store, &ends, policy).await?;
    let mut pruned = Pruned::default();
    for end in &ends {
        let Some(floor) = floor(store, end, &tables, &folded).await? else { continue };
        let manifests = superfluous(store, end, floor, policy).await?;
        failpoint::hit("before_prune");
        for batch in manifests.chunks(BATCH) {
            store.delete_all(batch).await?;
            failpoint::hit("during_prune");
        }
        pruned.manifests += manifests.len() as u64;
    }
    let jobs: BTreeSet<&str> = ends.iter().map(|end| end.id.job.as_str()).collect();
    for job in jobs {
        let ends: Vec<&ChainEnd> = ends.iter().filter(|end| end.id.job == job).collect();
        let orphans = orphans(store, job, &ends, policy).await?;
        for batch in orphans.chunks(BATCH) {
            store.delete_all(batch).await?;
        }
        pruned.state_files += orphans.len() as u64;
    }
    let partials = superfluous_partials(store, &ends, &folded, policy).await?;
    for batch in partials.chunks(BATCH) {
        store.delete_all(batch).await?;
    }
    pruned.partial_aggregates = partials.len() as u64;
    let spilled = spilled::superfluous(store, &ends, policy).await?;
    for batch in spilled.chunks(BATCH) {
        store.delete_all(batch).await?;
    }
    pruned.spilled_windows = spilled.len() as u64;
    pruned.temporary_files = store.delete_abandoned(policy.before_ms(STATE_KEPT)).await?;
    failpoint::hit("after_prune");
    Ok(pruned)
}

/// The tables that chains fill, as they are now.
async fn tables(store: &Store) -> Result<BTreeMap<String, Option<Opened>>, LakeError> {
    let mut tables = BTreeMap::new();
    for table in chains::all(store).await?.into_iter().flat_map(|end| end.newest.tables.into_keys()) {
        if let Entry::Vacant(place) = tables.entry(table) {
            let opened = Opened::open(store, place.key()).await?;
            place.insert(opened);
        }
    }
    Ok(tables)
}

/// The oldest epoch that must stay; `None` if all must.
async fn floor(
    store: &Store,
    end: &ChainEnd,
    tables: &BTreeMap<String, Option<Opened>>,
    folded: &Folded,
) -> Result<Option<u64>, LakeError> {
    let mut floor = (end.newest.epoch + 1).saturating_sub(KEPT);
    floor = floor.min(folded.needed_from(&end.id).unwrap_or(u64::MAX));
    if end.id.job == MERGE {
        // What comes after the base is replayed.
        floor = floor.min(end.newest.state.base.as_ref().map_or(0, |base| base.epoch));
    }
    for table in end.newest.tables.keys() {
        let Some(Some(opened)) = tables.get(table) else { return Ok(None) };
        let known = opened.transaction(&end.id.to_string()).await?;
        match chains::standing(store, end, table, known).await? {
            Standing::CaughtUp => {}
            Standing::Behind(_) => floor = floor.min(known.unwrap_or_default().unsigned_abs()),
            Standing::ManifestMissing { .. } | Standing::Ahead { .. } => return Ok(None),
        }
    }
    Ok((floor > 0).then_some(floor))
}

/// The manifests below the floor that nothing refers to.
async fn superfluous(
    store: &Store,
    end: &ChainEnd,
    floor: u64,
    policy: &MaintenancePolicy,
) -> Result<Vec<String>, LakeError> {
    let referred = referred(&end.newest);
    let settled_ms = policy.before_ms(KEPT_FOR);
    let directory = names::chain_directory(&end.id);
    let mut found = std::pin::pin!(store.walk(&directory)?);
    let mut epochs = BTreeSet::new();
    while let Some(file) = found.try_next().await? {
        let epoch = file.path.rsplit('/').next().and_then(names::epoch_of);
        epochs.extend(
            epoch.filter(|epoch| {
                *epoch < floor && file.stored_at_ms < settled_ms && !referred.contains(epoch)
            }),
        );
    }
    Ok(epochs.into_iter().map(|epoch| names::manifest(&end.id, epoch)).collect())
}

/// The epochs that state files and tables had their last change in: what a restart compares with.
fn referred(newest: &Manifest) -> BTreeSet<u64> {
    let state = newest.state.base.iter().chain(&newest.state.deltas).map(|file| file.epoch);
    state.chain(newest.tables.values().map(|progress| progress.last_epoch)).collect()
}

/// State files of a job that no manifest names, and none will.
///
/// A writer deletes what it no longer needs; these are left by processes that died in between. Like data
/// files, the state of an epoch is stored after the manifest before it.
async fn orphans(
    store: &Store,
    job: &str,
    ends: &[&ChainEnd],
    policy: &MaintenancePolicy,
) -> Result<Vec<String>, LakeError> {
    let before_ms = abandoned_before_ms(ends.iter().copied(), policy);
    let named: HashSet<&str> = ends.iter().flat_map(|end| named(&end.newest)).collect();
    let directory = format!("{ROOT}/{job}/state");
    let mut found = std::pin::pin!(store.walk(&directory)?);
    let mut orphans = BTreeSet::new();
    while let Some(file) = found.try_next().await? {
        if file.stored_at_ms < before_ms && !named.contains(file.path.as_str()) {
            orphans.insert(file.path);
        }
    }
    if !orphans.is_empty() {
        for end in ends {
            keep_named(store, end, &mut orphans).await?;
        }
    }
    Ok(orphans.into_iter().collect())
}

/// Files that no manifest names are nobody's if they are older than this: those of an epoch are stored after the
/// manifest before it.
fn abandoned_before_ms<'a>(ends: impl Iterator<Item = &'a ChainEnd>, policy: &MaintenancePolicy) -> i64 {
    let oldest_end = ends.filter(|end| end.is_open()).map(|end| end.stored_at_ms).min();
    policy.before_ms(STATE_KEPT).min(oldest_end.unwrap_or(i64::MAX))
}

/// Files of partial aggregates that the base of the merge covers, or that no manifest names, and none will.
///
/// The merge deletes what its base covers; these are left by processes that died in between.
async fn superfluous_partials(
    store: &Store,
    ends: &[ChainEnd],
    folded: &Folded,
    policy: &MaintenancePolicy,
) -> Result<Vec<String>, LakeError> {
    let before_ms = abandoned_before_ms(ends.iter().filter(|end| end.id.job == INGEST), policy);
    let directory = names::partial_aggregates_directory(INGEST);
    let mut found = std::pin::pin!(store.walk(&directory)?);
    let mut superfluous = Vec::new();
    while let Some(file) = found.try_next().await? {
        let Some((chain, epoch)) = names::of_partial_aggregates(&file.path) else { continue };
        let is_old = file.stored_at_ms < before_ms;
        if is_old && !is_to_be_folded(store, (&chain, epoch), &file.path, folded).await? {
            superfluous.push(file.path);
        }
    }
    Ok(superfluous)
}

/// Whether the merge has yet to fold a file: it is above the base, and its epoch names it.
async fn is_to_be_folded(
    store: &Store,
    (chain, epoch): (&ChainId, u64),
    path: &str,
    folded: &Folded,
) -> Result<bool, LakeError> {
    if folded.needed_from(chain).is_none_or(|needed| epoch < needed) {
        return Ok(false);
    }
    let manifest = read_if_exists(store, chain, epoch).await?;
    Ok(manifest.is_some_and(|manifest| manifest.partial_aggregates.as_deref() == Some(path)))
}

/// Takes out what any manifest names that is still there.
async fn keep_named(store: &Store, end: &ChainEnd, orphans: &mut BTreeSet<String>) -> Result<(), LakeError> {
    let directory = names::chain_directory(&end.id);
    let mut epochs = Vec::new();
    let mut found = std::pin::pin!(store.walk(&directory)?);
    while let Some(file) = found.try_next().await? {
        epochs.extend(file.path.rsplit('/').next().and_then(names::epoch_of));
    }
    let manifests = futures::stream::iter(epochs)
        .map(|epoch| read_if_exists(store, &end.id, epoch))
        .buffer_unordered(READ_AHEAD);
    let mut manifests = std::pin::pin!(manifests);
    while let Some(manifest) = manifests.try_next().await? {
        for path in manifest.iter().flat_map(named) {
            orphans.remove(path);
        }
    }
    Ok(())
}

fn named(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let files = manifest.state.base.iter().chain(&manifest.state.deltas);
    files.map(|StateFile { path, .. }| path.as_str())
}
