//! [`Table`]: one Delta table, and the version up to which its log is known.
//!
//! The hot path writes log entries itself: one create-if-absent at the version after the last one known.
//! delta-rs reads the log at the start and writes checkpoints; its own commits would list the log and
//! replay it each time.

mod checkpoint;
pub(crate) mod head;
mod landed;
mod live_files;
pub(crate) mod log_entry;
pub(crate) mod open;
pub(crate) mod query;
mod recover;
mod rewrite;
mod roll_forward;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use deltalake::DeltaTable;
use deltalake::kernel::StructType;
use deltalake::logstore::LogStore;

pub use checkpoint::Checkpoint;
pub use query::Reader;
pub use recover::Recovered;
pub use rewrite::{Dropped, Rewritten};
pub use roll_forward::RolledForward;

use crate::error::LakeError;
use crate::store::Store;
use live_files::LiveFiles;
use log_entry::LogEntry;

/// What a table must look like.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Path below the lake's root: `bronze`, `gold/transactions`.
    pub name: String,
    /// Columns, partition columns included, in order.
    pub schema: SchemaRef,
    /// Names of the partition columns, in order.
    pub partition_by: Vec<String>,
    /// One line for readers of the table.
    pub description: Option<String>,
    /// Delta table properties beyond the ones that every table of Sluice gets, and instead of them.
    pub properties: BTreeMap<String, String>,
}

/// The size of a table, as far as the log's statistics tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStatistics {
    /// Newest version known here.
    pub version: u64,
    /// Rows.
    pub rows: u64,
    /// Live files.
    pub files: u64,
    /// Bytes of the live files.
    pub bytes: u64,
}

/// An open Delta table.
pub struct Table {
    spec: TableSpec,
    wanted: StructType,
    store: Store,
    log: Arc<dyn LogStore>,
    /// The newest version known to be whole.
    version: u64,
    /// The version after it, if its entry is torn.
    torn: Option<u64>,
    /// The log as read at `version`, until a commit makes it stale.
    loaded: Option<DeltaTable>,
    /// Newest epoch of each application that was asked for or seen; `None`: the table has none of it.
    transactions: BTreeMap<String, Option<i64>>,
    /// What is live at `version`, once somebody has asked.
    live: Option<LiveFiles>,
    size: TableStatistics,
    /// Version of the newest checkpoint known.
    checkpointed: u64,
    /// Whether `version` is this process's own commit.
    committed_last: bool,
    /// When `version` was the newest, for all we know.
    seen: Instant,
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Table");
        text.field("name", &self.spec.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Table {
    /// Path below the lake's root.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether its newest log entry is torn.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// Its size now: exact when it was opened, followed commit by commit since then.
    pub fn statistics(&self) -> TableStatistics {
        TableStatistics { version: self.version, ..self.size }
    }

    /// Takes note of the entry after the last one known.
    fn absorb(&mut self, entry: &LogEntry, ours: bool) {
        self.version += 1;
        self.seen = Instant::now();
        self.loaded = None;
        self.committed_last = ours;
        for (application, version) in &entry.transactions {
            self.transactions.insert(application.clone(), Some(*version));
        }
        if let Some(live) = &mut self.live {
            live.absorb(entry);
        }
        let size = &mut self.size;
        size.rows = size.rows.saturating_add_signed(entry.change.rows);
        size.files = size.files.saturating_add_signed(entry.change.files);
        size.bytes = size.bytes.saturating_add_signed(entry.change.bytes);
    }

    /// Lets a test believe that nothing was seen of the log since then.
    #[cfg(test)]
    pub(crate) fn pretend_silence(&mut self, since: Instant) {
        self.seen = since;
    }

    /// The paths of its live files, below its root, at the newest version known here.
    pub async fn live_files(&mut self) -> Result<Vec<String>, LakeError> {
        Ok(self.live().await?.paths().map(str::to_owned).collect())
    }

    /// What is live at the newest version known here.
    async fn live(&mut self) -> Result<&LiveFiles, LakeError> {
        if self.live.is_none() {
            let loaded = self.load().await?;
            self.live = Some(LiveFiles::of(&loaded, &self.spec.name)?);
            self.loaded = Some(loaded);
        }
        Ok(self.live.as_ref().expect("set above"))
    }

    /// The log as read at the newest version known here.
    async fn load(&mut self) -> Result<DeltaTable, LakeError> {
        match self.loaded.take() {
            Some(loaded) => Ok(loaded),
            None => open::load(&self.log, &self.spec.name, self.version).await,
        }
    }

    /// The newest epoch of an application that the table has.
    async fn transaction(&mut self, application: &str) -> Result<Option<i64>, LakeError> {
        if let Some(known) = self.transactions.get(application) {
            return Ok(*known);
        }
        let loaded = self.load().await?;
        let failed = |source| LakeError::from_delta("read", &self.spec.name, source);
        let state = loaded.snapshot().map_err(failed)?;
        let found = state.transaction_version(self.log.as_ref(), application).await.map_err(failed)?;
        self.loaded = Some(loaded);
        self.transactions.insert(application.to_owned(), found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
