//! Upkeep of a lake, beside the processes that fill it and the engines that read it.
//!
//! | step | what it does | what it never does |
//! |---|---|---|
//! | [`compact`] | puts larger files in the place of many small ones | touch a file that another writer made |
//! | [`history`] | a checkpoint; log entries older than the retention go | delete an entry that a writer may still count on |
//! | [`vacuum`] | deletes data files that no reader and no writer needs | guess: where a chain lags it refuses |
//! | [`prune`] | deletes manifests and other files of `_sluice` that no restart needs, and what dead processes left | touch the newest thousand, or what the merge has yet to fold |
//!
//! Nothing here takes a lock. Writers go on meanwhile: each step commits like any other writer of a table,
//! or deletes what no writer can name any more. A run that dies leaves files that a later one removes.

mod chains;
mod change;
mod commit;
mod compact;
mod folded;
mod history;
mod landed;
mod opened;
mod prune;
mod spilled;
mod vacuum;

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_contract::config::Owner;

pub(crate) use chains::ended;
pub use compact::Compacted;
pub use prune::Pruned;
pub use vacuum::{Refusal, Vacuumed};

use crate::error::LakeError;
use crate::identity::{self, TopicIdentity};
use crate::lake::Lake;
use opened::Opened;

/// How long the old versions of a table can be read that its publisher rewrites every few seconds.
const PUBLISHED_RETENTION: Duration = Duration::from_hours(6);
/// How the names of scoring jobs begin.
const SCORING: &str = "score-";

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintenancePolicy {
    /// The wall clock at the start of the run, in milliseconds since 1970.
    pub now_ms: i64,
    /// How long old versions of a table can be read.
    pub retention: Duration,
    /// Files younger than this are not compacted: their partition is still being written.
    pub settled_after: Duration,
    /// Whether a merge folds what ingest leaves: what it has yet to fold stays.
    pub merged: bool,
    /// How long windows that the merge took out of memory can be corrected from their files.
    pub spilled_kept: Duration,
}

impl MaintenancePolicy {
    /// The moment that lies so far back.
    fn before_ms(&self, duration: Duration) -> i64 {
        self.now_ms.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What was done for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMaintained {
    /// Small files put into larger ones.
    pub compacted: Compacted,
    /// Version of the checkpoint that was written; `None` where the newest version had one.
    pub checkpoint: Option<u64>,
    /// Log entries and checkpoints deleted.
    pub log_entries_expired: u64,
    /// Data files deleted.
    pub vacuumed: Vacuumed,
}

impl Lake {
    /// Fails, and changes nothing, if the lake belongs to another owner or was filled from another topic.
    pub async fn check_owner(
        &self,
        owner: &Owner,
        topic: &TopicIdentity,
        adopt: Option<&str>,
    ) -> Result<(), LakeError> {
        identity::check(self.store(), owner, topic, adopt).await
    }

    /// Maintains one append-only table; `None` if it does not exist.
    pub async fn maintain_table(
        &self,
        table: &str,
        policy: &MaintenancePolicy,
    ) -> Result<Option<TableMaintained>, LakeError> {
        let store = self.store();
        let Some(mut opened) = Opened::open(store, table).await? else { return Ok(None) };
        if history::declare_retention(store, &opened, policy).await? {
            opened = opened.again(store).await?;
        }
        let compacted = compact::run(store, &opened, policy).await?;
        if compacted.into > 0 {
            opened = opened.again(store).await?;
        }
        let checkpoint = history::checkpoint(&opened).await?;
        let log_entries_expired = history::expire(&opened, policy).await?;
        let vacuumed = vacuum::run(store, &opened, policy).await?;
        Ok(Some(TableMaintained { compacted, checkpoint, log_entries_expired, vacuumed }))
    }

    /// Names of the tables that the chains of scorers have filled, in order.
    pub async fn score_tables(&self) -> Result<BTreeSet<String>, LakeError> {
        let ends = chains::all(self.store()).await?;
        let of_scorers = ends.into_iter().filter(|end| end.id.job.starts_with(SCORING));
        Ok(of_scorers.flat_map(|end| end.newest.tables.into_keys()).collect())
    }

    /// Maintains one table that its publisher rewrites, and compacts as it does; `None` if it does not exist.
    pub async fn maintain_published_table(
        &self,
        table: &str,
        policy: &MaintenancePolicy,
    ) -> Result<Option<TableMaintained>, LakeError> {
        let store = self.store();
        let policy = &MaintenancePolicy { retention: policy.retention.min(PUBLISHED_RETENTION), ..*policy };
        let Some(mut opened) = Opened::open(store, table).await? else { return Ok(None) };
        if history::declare_retention(store, &opened, policy).await? {
            opened = opened.again(store).await?;
        }
        let checkpoint = history::checkpoint(&opened).await?;
        let log_entries_expired = history::expire(&opened, policy).await?;
        let vacuumed = vacuum::run(store, &opened, policy).await?;
        Ok(Some(TableMaintained {
            compacted: Compacted::default(),
            checkpoint,
            log_entries_expired,
            vacuumed,
        }))
    }

    /// Deletes manifests and state files that no restart needs any more.
    pub async fn prune(&self, policy: &MaintenancePolicy) -> Result<Pruned, LakeError> {
        prune::run(self.store(), policy).await
    }
}

#[cfg(test)]
mod tests;
