//! [`all`]: the newest epoch of every chain that a table has, from its log alone.
//!
//! delta-rs tells the version of one application at a time. Where the chains are lost nobody knows which to ask
//! for, so the newest checkpoint and the entries behind it are read here.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use futures::StreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{FileMissingSnafu, LakeError, LogEntryTornSnafu};
use crate::store::Store;
use crate::table::head::{checkpoint_of, entry_path, log_directory, version_of};
use crate::table::log_entry::LogEntry;

/// Entries read at a time.
const READ_AHEAD: usize = 16;

/// The newest version of each application in a table's log; nothing where there is no table.
pub(crate) async fn all(store: &Store, table: &str) -> Result<BTreeMap<String, i64>, LakeError> {
    let files = store.list_after(&log_directory(table), None).await?;
    let names: Vec<&str> = files.iter().filter_map(|file| file.location.filename()).collect();
    let checkpoint = names.iter().filter_map(|name| checkpoint_of(name)).max();
    let mut entries: Vec<u64> = names.iter().filter_map(|name| version_of(name)).collect();
    entries.retain(|version| checkpoint.is_none_or(|checkpoint| *version > checkpoint));
    entries.sort_unstable();

    let mut found = BTreeMap::new();
    if let Some(version) = checkpoint {
        let path = format!("{}/{version:020}.checkpoint.parquet", log_directory(table));
        let content = store.read(&path).await?;
        found = of_checkpoint(content).map_err(|reason| LakeError::DataFileDamaged {
            table: table.to_owned(),
            path: store.name(&path),
            reason,
        })?;
    }
    // Else what an entry said that is gone, or a checkpoint of another form, would be missed.
    let first = checkpoint.map_or(0, |checkpoint| checkpoint + 1);
    let gap = (first..).zip(&entries).find_map(|(wanted, found)| (wanted != *found).then_some(wanted));
    if let Some(version) = gap {
        return FileMissingSnafu { path: store.name(&entry_path(table, version)) }.fail();
    }
    let newest = entries.last().copied();
    let paths: Vec<String> = entries.iter().map(|version| entry_path(table, *version)).collect();
    let read = |path: String| async move { store.read(&path).await };
    let contents = futures::stream::iter(paths.clone()).map(read).buffered(READ_AHEAD);
    let mut contents = std::pin::pin!(contents.enumerate());
    while let Some((index, content)) = contents.next().await {
        match LogEntry::parse(&content?) {
            Ok(entry) => found.extend(entry.transactions),
            // It was never completed: whoever mends it commits it again.
            Err(_) if Some(entries[index]) == newest => {}
            Err(_) => return LogEntryTornSnafu { table, path: store.name(&paths[index]) }.fail(),
        }
    }
    Ok(found)
}

/// The transactions that a checkpoint holds.
fn of_checkpoint(content: Bytes) -> Result<BTreeMap<String, i64>, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content).map_err(|error| error.to_string())?;
    let Ok(column) = builder.schema().index_of("txn") else { return Ok(BTreeMap::new()) };
    let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    let mut found = BTreeMap::new();
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let actions = batch.column(0).as_struct_opt().ok_or("its column txn is no struct")?;
        let (Some(names), Some(versions)) =
            (actions.column_by_name("appId"), actions.column_by_name("version"))
        else {
            return Err("its column txn has no appId and version".to_owned());
        };
        let names = cast(names, &DataType::Utf8).map_err(|error| error.to_string())?;
        let versions = cast(versions, &DataType::Int64).map_err(|error| error.to_string())?;
        let (names, versions) = (names.as_string::<i32>(), versions.as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| actions.is_valid(*row) && names.is_valid(*row)) {
            found.insert(names.value(row).to_owned(), versions.value(row));
        }
    }
    Ok(found)
}
