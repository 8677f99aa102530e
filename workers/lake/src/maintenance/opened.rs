//! [`Opened`]: a table as maintenance finds it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Schema;
use deltalake::DeltaTable;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::logstore::LogStore;
use deltalake::table::state::DeltaTableState;
use snafu::ensure;

use crate::error::{FileMissingSnafu, LakeError, LogEntryTornSnafu, UnsupportedTypeSnafu};
use crate::store::Store;
use crate::table::head::{self, entry_path};
use crate::table::log_entry::{MetadataAction, ProtocolAction};
use crate::table::open::{check_protocol, load, restated};

/// A table at one version, with what is live in it.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) log: Arc<dyn LogStore>,
    pub(super) version: u64,
    /// The newest checkpoint, as far as the log tells.
    pub(super) checkpoint: Option<u64>,
    pub(super) metadata: MetadataAction,
    /// All columns, partition columns included.
    pub(super) schema: Schema,
    pub(super) loaded: DeltaTable,
}

impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Opened");
        text.field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Opened {
    /// Reads a table at its newest version; `None` if there is no table.
    ///
    /// A torn entry at the end of the log is left to the worker, which has the manifest to mend it from.
    pub(super) async fn open(store: &Store, table: &str) -> Result<Option<Self>, LakeError> {
        let Some(head) = head::find(store, table).await? else { return Ok(None) };
        ensure!(!head.torn, LogEntryTornSnafu { table, path: store.name(&entry_path(table, head.version)) });
        let log = store.delta_log(table);
        let loaded = load(&log, table, head.version).await?;
        let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
        let protocol: ProtocolAction = restated(store, table, state.protocol())?;
        check_protocol(table, &protocol)?;
        let metadata = restated(store, table, state.metadata())?;
        let schema: Schema = state.schema().as_ref().try_into_arrow().map_err(|error| {
            UnsupportedTypeSnafu { table, column: "(one of them)", data_type: error.to_string() }.build()
        })?;
        let (version, checkpoint) = (head.version, head.checkpoint);
        Ok(Some(Self { name: table.to_owned(), log, version, checkpoint, metadata, schema, loaded }))
    }

    /// The same table at the version that is newest now.
    pub(super) async fn again(&self, store: &Store) -> Result<Self, LakeError> {
        match Self::open(store, &self.name).await? {
            Some(opened) => Ok(opened),
            None => FileMissingSnafu { path: store.name(&format!("{}/_delta_log", self.name)) }.fail(),
        }
    }

    /// What delta-rs knows of the version.
    pub(super) fn state(&self) -> Result<&DeltaTableState, LakeError> {
        self.loaded.snapshot().map_err(|source| LakeError::from_delta("read", &self.name, source))
    }

    /// The newest epoch of a chain that the table has.
    pub(super) async fn transaction(&self, application: &str) -> Result<Option<i64>, LakeError> {
        let found = self.state()?.transaction_version(self.log.as_ref(), application).await;
        found.map_err(|source| LakeError::from_delta("read", &self.name, source))
    }
}
