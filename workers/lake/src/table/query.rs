//! [`query`]: SQL over tables as they are now, for people's questions; never on the way of a message.

use arrow::array::RecordBatch;
use deltalake::DeltaTableError;
use deltalake::datafusion::error::DataFusionError;
use deltalake::delta_datafusion::create_session;

use super::{head, open};
use crate::error::LakeError;
use crate::store::Store;

/// The newest whole version of a table; `None` if there is no table.
pub(crate) async fn newest_version(store: &Store, table: &str) -> Result<Option<u64>, LakeError> {
    let Some(head) = head::find(store, table).await? else { return Ok(None) };
    Ok(if head.torn { head.version.checked_sub(1) } else { Some(head.version) })
}

/// The rows that an SQL query gives over tables and rows, each under its name. All tables must exist.
pub(crate) async fn query(
    store: &Store,
    tables: &[&str],
    rows: &[(&str, RecordBatch)],
    sql: &str,
) -> Result<Vec<RecordBatch>, LakeError> {
    let session = create_session().into_inner();
    for &table in tables {
        let failed = |source: DeltaTableError| LakeError::from_delta("query", table, source);
        let version = newest_version(store, table).await?.unwrap_or_default();
        let loaded = open::load(&store.delta_log(table), table, version).await?;
        loaded.update_datafusion_session(&session.state()).map_err(failed)?;
        let provider = loaded.table_provider().await.map_err(|error| failed(error.into()))?;
        session.register_table(table, provider).map_err(|error| failed(error.into()))?;
    }
    let failed = |error: DataFusionError| LakeError::from_delta("query", &tables.join(", "), error.into());
    for (name, rows) in rows {
        session.register_batch(*name, rows.clone()).map_err(failed)?;
    }
    session.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)
}
