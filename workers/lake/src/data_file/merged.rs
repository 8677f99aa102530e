//! [`MergedFile`]: the rows of several files of one partition, in one.
//!
//! Rows keep their order and their values; encodings and statistics are those that [`super::TableWriter`]
//! gives, so that readers treat the file like any other of the table.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use snafu::ResultExt;

use super::FinishedFile;
use super::properties::TextLayouts;
use super::writer::OpenFile;
use crate::error::{DataFileDamagedSnafu, EncodeSnafu, LakeError};

/// Readers share out the work on a file by its row groups.
const ROW_GROUP_ROWS: usize = 1024 * 1024;

/// Rows of small files are collected to so many: enough to tell names from identifiers, and to encode well.
const BATCH_ROWS: usize = 8192;

/// What became of the rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppendedRows {
    /// Those that were added.
    pub(crate) added: u64,
    /// Those that were not to be kept.
    pub(crate) left_out: u64,
}

/// A file in the making. Synchronous and CPU-bound.
pub(crate) struct MergedFile {
    table: String,
    stored: SchemaRef,
    partition_by: Vec<String>,
    values: Vec<Option<String>>,
    file: Option<OpenFile>,
    collected: Vec<RecordBatch>,
    collected_rows: usize,
}

impl fmt::Debug for MergedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("MergedFile");
        text.field("table", &self.table).field("values", &self.values).finish_non_exhaustive()
    }
}

impl MergedFile {
    /// A file of the partition with these values, without rows.
    pub(crate) fn new(
        table: &str,
        schema: &Schema,
        partition_by: &[String],
        values: Vec<Option<String>>,
    ) -> Self {
        let stored = schema.fields().iter().filter(|field| !partition_by.contains(field.name()));
        Self {
            table: table.to_owned(),
            stored: Arc::new(Schema::new(stored.cloned().collect::<Vec<_>>())),
            partition_by: partition_by.to_vec(),
            values,
            file: None,
            collected: Vec::new(),
            collected_rows: 0,
        }
    }

    /// Adds all rows of a file, and tells how many there were. `name` is for errors.
    pub(crate) fn append(&mut self, name: &str, content: Bytes) -> Result<u64, LakeError> {
        let all = |rows: &RecordBatch| Ok(BooleanArray::from(vec![true; rows.num_rows()]));
        self.append_kept(name, content, all).map(|rows| rows.added)
    }

    /// Adds the rows of a file that are to be kept, and tells how many there were. `name` is for errors.
    pub(crate) fn append_kept(
        &mut self,
        name: &str,
        content: Bytes,
        kept: impl Fn(&RecordBatch) -> Result<BooleanArray, ArrowError>,
    ) -> Result<AppendedRows, LakeError> {
        let table = self.table.clone();
        let damaged =
            move |reason: String| DataFileDamagedSnafu { table: &table, path: name, reason }.build();
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(content, options)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(|error| damaged(error.to_string()))?;
        let mut rows = AppendedRows::default();
        for batch in reader {
            let read = batch.map_err(|error| damaged(error.to_string()))?;
            let batch = kept(&read)
                .and_then(|kept| {
                    if kept.true_count() == kept.len() {
                        Ok(read.clone())
                    } else {
                        filter_record_batch(&read, &kept)
                    }
                })
                .and_then(|batch| self.fit(&batch))
                .map_err(|error| damaged(error.to_string()))?;
            rows.added += batch.num_rows() as u64;
            rows.left_out += (read.num_rows() - batch.num_rows()) as u64;
            self.collected_rows += batch.num_rows();
            self.collected.push(batch);
            if self.collected_rows >= BATCH_ROWS {
                self.encode_collected().context(EncodeSnafu { table: &self.table })?;
            }
        }
        Ok(rows)
    }

    /// The file; `None` without rows.
    pub(crate) fn finish(mut self) -> Result<Option<FinishedFile>, LakeError> {
        self.encode_collected().context(EncodeSnafu { table: &self.table })?;
        let Some(file) = self.file else { return Ok(None) };
        let finished = file.finish(&self.stored, &self.partition_by, self.values);
        finished.map(Some).context(EncodeSnafu { table: self.table })
    }

    fn encode_collected(&mut self) -> Result<(), ParquetError> {
        let rows = concat_batches(&self.stored, &self.collected)?;
        self.collected.clear();
        self.collected_rows = 0;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut file = if let Some(file) = self.file.take() {
            file
        } else {
            let layouts = TextLayouts::choose(&rows, None);
            OpenFile::new(&self.stored, &layouts, Some(ROW_GROUP_ROWS))?
        };
        file.write(&rows)?;
        self.file = Some(file);
        Ok(())
    }

    /// Rows of a file in the table's columns of today: those that are newer than the file are null.
    fn fit(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
            Some(column) => as_stored(column, field),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        };
        let columns = self.stored.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.stored), columns)
    }
}

/// The same values in the table's type: other writers name the items of a list otherwise.
fn as_stored(column: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, field.data_type(), &CastOptions { safe: false, ..CastOptions::default() })
}

#[cfg(test)]
mod tests;
