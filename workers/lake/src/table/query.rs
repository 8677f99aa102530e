//! [`Reader`]: SQL over tables as they are now, for people's questions; never on the way of a message.

use std::fmt;

use arrow::array::RecordBatch;
use deltalake::DeltaTable;
use deltalake::DeltaTableError;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::create_session;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::{head, open};
use crate::error::LakeError;
use crate::store::Store;

/// The newest whole version of a table; `None` if there is no table.
pub(crate) async fn newest_version(store: &Store, table: &str) -> Result<Option<u64>, LakeError> {
    let Some(head) = head::find(store, table).await? else { return Ok(None) };
    Ok(if head.torn { head.version.checked_sub(1) } else { Some(head.version) })
}

/// Tables as they were when it was made, for any number of SQL queries.
pub struct Reader {
    session: SessionContext,
    tables: Vec<String>,
    loaded: Vec<DeltaTable>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens tables and rows, each under its name. All tables must exist.
    pub(crate) async fn open(
        store: &Store,
        tables: &[&str],
        rows: &[(&str, RecordBatch)],
    ) -> Result<Self, LakeError> {
        let session = create_session().into_inner();
        let mut opened = Vec::new();
        for &table in tables {
            let failed = |source: DeltaTableError| LakeError::from_delta("query", table, source);
            let version = newest_version(store, table).await?.unwrap_or_default();
            let loaded = open::load(&store.delta_log(table), table, version).await?;
            loaded.update_datafusion_session(&session.state()).map_err(failed)?;
            let provider = loaded.table_provider().await.map_err(|error| failed(error.into()))?;
            session.register_table(table, provider).map_err(|error| failed(error.into()))?;
            opened.push(loaded);
        }
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        let reader = Self { session, tables, loaded: opened };
        for (name, rows) in rows {
            reader.session.register_batch(*name, rows.clone()).map_err(|error| reader.failed(error))?;
        }
        Ok(reader)
    }

    /// The tables that it has opened.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }

    /// Whether it has opened a table.
    pub fn has(&self, table: &str) -> bool {
        self.tables().any(|opened| opened == table)
    }

    /// The rows that an SQL query gives.
    pub async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, LakeError> {
        let frame = self.session.sql(sql).await.map_err(|error| self.failed(error))?;
        frame.collect().await.map_err(|error| self.failed(error))
    }

    /// The rows that an SQL query gives, piece by piece: for tables that no memory holds.
    pub async fn stream<'a>(
        &'a self,
        sql: &str,
    ) -> Result<BoxStream<'a, Result<RecordBatch, LakeError>>, LakeError> {
        let frame = self.session.sql(sql).await.map_err(|error| self.failed(error))?;
        let rows = frame.execute_stream().await.map_err(|error| self.failed(error))?;
        Ok(rows.map_err(|error| self.failed(error)).boxed())
    }

    /// The newest epoch of a chain that a table has, as it was opened; `None` where it has none.
    pub async fn transaction(&self, table: &str, chain: &str) -> Result<Option<i64>, LakeError> {
        let Some(opened) = self.opened(table) else { return Ok(None) };
        let state = opened.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
        let log = opened.log_store();
        let found = state.transaction_version(log.as_ref(), chain).await;
        found.map_err(|source| LakeError::from_delta("read", table, source))
    }

    fn opened(&self, table: &str) -> Option<&DeltaTable> {
        let place = self.tables().position(|opened| opened == table)?;
        self.loaded.get(place)
    }

    fn failed(&self, error: DataFusionError) -> LakeError {
        LakeError::from_delta("query", &self.tables.join(", "), error.into())
    }
}
