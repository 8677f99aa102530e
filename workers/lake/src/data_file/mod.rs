//! Parquet files of a table: encoding, statistics, partition values.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use sluice_contract::manifest::AddedFile;

use crate::error::LakeError;
use crate::table::TableSpec;

/// A Parquet file in memory, complete.
#[derive(Clone, Debug)]
pub struct FinishedFile {
    /// Content.
    pub bytes: Bytes,
    /// What the Delta log will say of it.
    pub file: AddedFile,
}

/// Encodes rows of one table: one Parquet file per partition value and epoch.
///
/// Synchronous and CPU-bound: it belongs on a thread of its own.
#[derive(Debug)]
pub struct TableWriter {}

impl TableWriter {
    /// A writer for a table, without rows.
    pub fn new(spec: &TableSpec) -> Self {
        unimplemented!()
    }

    /// Encodes rows whose columns are the table's, in order. Text may come as `Utf8`, `Utf8View` or
    /// dictionaries of them.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        unimplemented!()
    }

    /// Bytes held for the files to come, roughly.
    pub fn buffered_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Ends the epoch: the files of all rows written since the last call. None without rows.
    pub fn finish(&mut self) -> Result<Vec<FinishedFile>, LakeError> {
        unimplemented!()
    }
}
