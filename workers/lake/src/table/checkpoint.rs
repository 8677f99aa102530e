//! [`Checkpoint`]: condenses a table's log for its readers, off the hot path.

use std::fmt;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::checkpoints::create_checkpoint;
use deltalake::logstore::LogStore;

use super::Table;
use crate::error::LakeError;
use crate::failpoint;

/// A checkpoint follows the commit of each version that is a multiple of this.
const EVERY: u64 = 200;

/// If the process that had the last multiple failed to, any process does after so many versions.
const OVERDUE: u64 = 2 * EVERY;

impl Table {
    /// A checkpoint to write in the background; call it after each commit.
    ///
    /// Several processes append to a table: the one that commits a multiple of 200 has the duty.
    pub fn checkpoint_due(&mut self) -> Option<Checkpoint> {
        let since = self.version.saturating_sub(self.checkpointed);
        let due =
            since > 0 && ((self.committed_last && self.version.is_multiple_of(EVERY)) || since >= OVERDUE);
        due.then(|| {
            self.checkpointed = self.version;
            Checkpoint { log: Arc::clone(&self.log), table: self.spec.name.clone(), version: self.version }
        })
    }
}

/// A checkpoint that is due.
pub struct Checkpoint {
    log: Arc<dyn LogStore>,
    table: String,
    version: u64,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Checkpoint")
            .field("table", &self.table)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Path of the table below the lake's root.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The version that it condenses the log up to.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Writes it. A failure costs readers time, never data: warn and go on.
    ///
    /// Log entries are left in place: they expire by maintenance only.
    pub async fn write(self) -> Result<(), LakeError> {
        failpoint::hit("before_checkpoint");
        let failed = |source| LakeError::from_delta("checkpoint", &self.table, source);
        let mut table = DeltaTable::new(Arc::clone(&self.log));
        table.load_version(self.version).await.map_err(failed)?;
        create_checkpoint(&table, None).await.map_err(failed)?;
        failpoint::hit("after_checkpoint");
        Ok(())
    }
}
