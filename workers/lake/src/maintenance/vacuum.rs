//! Vacuum: deletes the data files that no reader and no writer needs.
//!
//! A file is needed if it is live in the table's newest version, if a manifest above the table's newest
//! epoch names it, if it was replaced within the retention, or if it may belong to an epoch that is being
//! written. The table is read first, then the pending manifests, then the files are listed: what appears in
//! between is young. delta-rs's own `vacuum(full)` knows no pending manifests and deletes their files.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};

use super::MaintenancePolicy;
use super::chains::{self, ChainEnd, Standing};
use super::opened::Opened;
use crate::error::LakeError;
use crate::failpoint;
use crate::store::{Store, StoredFile};

/// Files that no log and no manifest names are left alone for so long: somebody may be about to.
const UNTRACKED_KEPT: Duration = Duration::from_hours(24);

/// An epoch that is not in the table after so long has lost its writer.
const LAGS_AFTER: Duration = Duration::from_mins(10);

/// Files deleted with one call.
const BATCH: usize = 1000;

/// How a vacuum ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vacuumed {
    /// Everything that nobody needs is gone.
    Done {
        /// Files deleted.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Nothing was deleted: what is needed cannot be told.
    Refused(Refusal),
}

/// Why a vacuum deletes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A chain has epochs that should have been in the table long ago.
    ChainLags {
        /// The chain.
        chain: String,
        /// The oldest epoch that the table lacks.
        epoch: u64,
    },
    /// A chain has an epoch for the table whose manifest is gone.
    ManifestMissing {
        /// The chain.
        chain: String,
        /// The epoch.
        epoch: u64,
    },
    /// The table has an epoch that the chain does not have.
    ManifestsLost {
        /// The chain.
        chain: String,
        /// The epoch in the table.
        found: i64,
        /// The newest epoch of the chain.
        newest: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChainLags { chain, epoch } => write!(
                formatter,
                "epoch {epoch} of chain '{chain}' is not in the table yet; start its worker, which commits it"
            ),
            Self::ManifestMissing { chain, epoch } => write!(
                formatter,
                "chain '{chain}' lacks the manifest of epoch {epoch}, which the table has not got; \
                 run `sluice recover`, or restore _sluice/{chain} from a copy"
            ),
            Self::ManifestsLost { chain, found, newest } => write!(
                formatter,
                "the table has epoch {found} of chain '{chain}', which ends at epoch {newest}; \
                 run `sluice recover`, or restore _sluice/{chain} from a copy"
            ),
        }
    }
}

/// Deletes what nobody needs.
pub(super) async fn run(
    store: &Store,
    opened: &Opened,
    policy: &MaintenancePolicy,
) -> Result<Vacuumed, LakeError> {
    let opened = &opened.again(store).await?;
    let ends = chains::all(store).await?;
    let mut needed = Needed::of(opened, &ends, policy).await?;
    for end in &ends {
        let known = opened.transaction(&end.id.to_string()).await?;
        let standing = chains::standing(store, end, &opened.name, known).await?;
        if let Some(refusal) = needed.include(end, standing, &opened.name, policy) {
            return Ok(Vacuumed::Refused(refusal));
        }
    }
    let root = format!("{}/", opened.name);
    let found = store.walk(&opened.name)?;
    let garbage = found.try_filter(|file| {
        let path = file.path.strip_prefix(&root);
        futures::future::ready(path.is_some_and(|path| needed.is_garbage(path, file)))
    });
    let garbage: Vec<StoredFile> = garbage.boxed().try_collect().await?;
    failpoint::hit("before_vacuum");
    let paths: Vec<String> = garbage.iter().map(|file| file.path.clone()).collect();
    for batch in paths.chunks(BATCH) {
        store.delete_all(batch).await?;
    }
    failpoint::hit("after_vacuum");
    Ok(Vacuumed::Done { files: paths.len() as u64, bytes: garbage.iter().map(|file| file.bytes).sum() })
}

/// What must not be deleted.
#[derive(Clone, Debug, Default)]
struct Needed {
    /// Live, or named by a pending manifest.
    files: HashSet<String>,
    /// When each file was replaced that the log still remembers.
    replaced_at_ms: HashMap<String, i64>,
    /// Files replaced before this may go.
    replaced_before_ms: i64,
    /// Files that nobody names may go if they are older than this.
    untracked_before_ms: i64,
}

impl Needed {
    /// What the table itself needs. The chains are [included](Self::include) one by one.
    ///
    /// The files of an epoch are stored after the manifest before it. So whatever is younger than the end of
    /// an open chain may belong to its next epoch, however long its writer has been stuck or away.
    async fn of(opened: &Opened, ends: &[ChainEnd], policy: &MaintenancePolicy) -> Result<Self, LakeError> {
        let open = ends.iter().filter(|end| end.is_open() && end.may_fill(&opened.name));
        let oldest_end = open.map(|end| end.stored_at_ms).min().unwrap_or(i64::MAX);
        let mut needed = Self {
            replaced_before_ms: policy.before_ms(policy.retention),
            untracked_before_ms: policy.before_ms(UNTRACKED_KEPT).min(oldest_end),
            ..Self::default()
        };
        let state = opened.state()?;
        for file in state.log_data().iter() {
            needed.files.insert(file.path().into_owned());
            needed.files.insert(file.object_store_path().to_string());
        }
        let mut tombstones = state.all_tombstones(opened.log.as_ref());
        while let Some(tombstone) = tombstones.next().await {
            let tombstone =
                tombstone.map_err(|source| LakeError::from_delta("read", &opened.name, source))?;
            let replaced_at_ms = tombstone.deletion_timestamp().unwrap_or_default();
            needed.replaced_at_ms.insert(tombstone.path().into_owned(), replaced_at_ms);
        }
        Ok(needed)
    }

    /// Adds what a chain needs, or says why that cannot be told.
    fn include(
        &mut self,
        end: &ChainEnd,
        standing: Standing,
        table: &str,
        policy: &MaintenancePolicy,
    ) -> Option<Refusal> {
        let chain = end.id.to_string();
        match standing {
            Standing::CaughtUp => None,
            Standing::ManifestMissing { epoch } => Some(Refusal::ManifestMissing { chain, epoch }),
            Standing::Ahead { found } => {
                Some(Refusal::ManifestsLost { chain, found, newest: end.newest.epoch })
            }
            Standing::Behind(pending) => {
                let oldest = pending.last()?;
                if oldest.created_at_ms < policy.before_ms(LAGS_AFTER) {
                    return Some(Refusal::ChainLags { chain, epoch: oldest.epoch });
                }
                let files = pending.iter().filter_map(|manifest| manifest.tables.get(table));
                self.files.extend(files.flat_map(|progress| &progress.adds).map(|file| file.path.clone()));
                None
            }
        }
    }

    /// Whether a file of the table's directory is needed by nobody.
    fn is_garbage(&self, path: &str, file: &StoredFile) -> bool {
        if !is_data_file(path) || self.files.contains(path) {
            return false;
        }
        match self.replaced_at_ms.get(path) {
            Some(replaced_at_ms) => *replaced_at_ms < self.replaced_before_ms,
            None => file.stored_at_ms < self.untracked_before_ms,
        }
    }
}

/// Whether a path below a table's root is a data file's. The log, and whatever else other tools keep beside
/// the data, is below names that begin with `_` or `.`, as partitions do only with their column's name.
fn is_data_file(path: &str) -> bool {
    let is_hidden = |part: &str| (part.starts_with('_') || part.starts_with('.')) && !part.contains('=');
    path.ends_with(".parquet") && !path.split('/').any(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(path: &str, stored_at_ms: i64) -> StoredFile {
        StoredFile { path: format!("bronze/{path}"), bytes: 1, stored_at_ms }
    }

    #[test]
    fn only_what_nobody_needs_is_garbage() {
        let needed = Needed {
            files: HashSet::from(["live.parquet".to_owned()]),
            replaced_at_ms: HashMap::from([("old.parquet".to_owned(), 9), ("new.parquet".to_owned(), 10)]),
            replaced_before_ms: 10,
            untracked_before_ms: 100,
        };
        for (path, stored_at_ms, expected) in [
            ("live.parquet", 0, false),
            ("old.parquet", 0, true),
            ("old.parquet", 1_000, true),
            ("new.parquet", 0, false),
            ("untracked.parquet", 99, true),
            ("untracked.parquet", 100, false),
            ("README.md", 0, false),
            ("_delta_log/00000000000000000200.checkpoint.parquet", 0, false),
            ("_delta_log/_sidecars/x.parquet", 0, false),
            ("_change_data/x.parquet", 0, false),
            (".hidden/x.parquet", 0, false),
            ("_day=2026-01-05/x.parquet", 0, true),
            ("day=2026-01-05/x.parquet", 0, true),
        ] {
            assert_eq!(
                needed.is_garbage(path, &stored(path, stored_at_ms)),
                expected,
                "{path} {stored_at_ms}"
            );
        }
    }
}
