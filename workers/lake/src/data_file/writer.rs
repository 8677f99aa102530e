//! [`TableWriter`]: rows in, Parquet files out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use sluice_contract::manifest::AddedFile;
use snafu::{IntoError, ResultExt, ensure};
use uuid::Uuid;

use super::FinishedFile;
use super::partition::{self, PartitionValues};
use super::properties::{RowGroups, TextLayouts, writer_properties};
use super::statistics::{ColumnSummary, delta_statistics};
use crate::error::{EncodeSnafu, LakeError, RowsMismatchSnafu};
use crate::table::TableSpec;

/// Encodes rows of one table: one Parquet file per combination of partition values and epoch.
///
/// Synchronous and CPU-bound: it belongs on a thread of its own. After an error the rows of the epoch are
/// lost to it: start the epoch again with a new writer.
pub struct TableWriter {
    table: String,
    schema: SchemaRef,
    partition_by: Vec<String>,
    /// The columns in the files, and where they stand in the rows.
    stored: SchemaRef,
    stored_columns: Vec<usize>,
    files: BTreeMap<PartitionValues, OpenFile>,
    layouts: Option<TextLayouts>,
}

/// A file whose rows are still coming.
pub(super) struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    summaries: Vec<ColumnSummary>,
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("TableWriter");
        text.field("table", &self.table).field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// A writer for a table, without rows.
    pub fn new(spec: &TableSpec) -> Self {
        let fields = spec.schema.fields();
        let stored_columns: Vec<usize> =
            (0..fields.len()).filter(|column| !spec.partition_by.contains(fields[*column].name())).collect();
        let stored: Vec<_> = stored_columns.iter().map(|column| Arc::clone(&fields[*column])).collect();
        Self {
            table: spec.name.clone(),
            schema: Arc::clone(&spec.schema),
            partition_by: spec.partition_by.clone(),
            stored: Arc::new(Schema::new(stored)),
            stored_columns,
            files: BTreeMap::new(),
            layouts: None,
        }
    }

    /// Encodes rows whose columns are the table's, in order. Text may come as `Utf8`, `Utf8View` or
    /// dictionaries of them.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        self.check(rows)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let encoding =
            |source: ArrowError| EncodeSnafu { table: &self.table }.into_error(ParquetError::from(source));
        let partition_columns = self.partition_by.iter().map(|name| self.schema.index_of(name));
        let partition_columns: Vec<usize> = partition_columns.collect::<Result<_, _>>().map_err(encoding)?;
        let parts = partition::split(rows, &partition_columns).map_err(encoding)?;
        if self.files.is_empty() {
            let stored = rows.project(&self.stored_columns).map_err(encoding)?;
            self.layouts = Some(TextLayouts::choose(&stored, self.layouts.take()));
        }
        for (values, part) in parts {
            let stored = part.project(&self.stored_columns).map_err(|source| {
                EncodeSnafu { table: &self.table }.into_error(ParquetError::from(source))
            })?;
            let file = self.file(values)?;
            let outcome = file.write(&stored);
            outcome.context(EncodeSnafu { table: &self.table })?;
        }
        Ok(())
    }

    /// Bytes held for the files to come, roughly.
    pub fn buffered_bytes(&self) -> usize {
        self.files.values().map(|file| file.writer.bytes_written() + file.writer.in_progress_size()).sum()
    }

    /// Ends the epoch: the files of all rows written since the last call. None without rows.
    pub fn finish(&mut self) -> Result<Vec<FinishedFile>, LakeError> {
        let files = std::mem::take(&mut self.files);
        let finished = files.into_iter().map(|(values, file)| {
            file.finish(&self.stored, &self.partition_by, values).context(EncodeSnafu { table: &self.table })
        });
        finished.collect()
    }

    fn check(&self, rows: &RecordBatch) -> Result<(), LakeError> {
        let table = &self.table;
        let (found, wanted) = (rows.num_columns(), self.schema.fields().len());
        ensure!(
            found == wanted,
            RowsMismatchSnafu { table, reason: format!("they have {found} columns, the table has {wanted}") }
        );
        for (have, want) in rows.schema_ref().fields().iter().zip(self.schema.fields()) {
            ensure!(
                have.name() == want.name() && is_storable_as(have.data_type(), want.data_type()),
                RowsMismatchSnafu {
                    table,
                    reason: format!(
                        "column '{}' of type {} stands where the table has '{}' of type {}",
                        have.name(),
                        have.data_type(),
                        want.name(),
                        want.data_type()
                    ),
                }
            );
        }
        for (column, want) in rows.columns().iter().zip(self.schema.fields()) {
            ensure!(
                want.is_nullable() || column.null_count() == 0,
                RowsMismatchSnafu { table, reason: format!("column '{}' must not be null", want.name()) }
            );
        }
        Ok(())
    }

    fn file(&mut self, values: PartitionValues) -> Result<&mut OpenFile, LakeError> {
        use std::collections::btree_map::Entry;
        match self.files.entry(values) {
            Entry::Occupied(file) => Ok(file.into_mut()),
            Entry::Vacant(place) => {
                let layouts = self.layouts.as_ref().expect("chosen with the epoch's first rows");
                let file = OpenFile::new(&self.stored, layouts, None);
                Ok(place.insert(file.context(EncodeSnafu { table: &self.table })?))
            }
        }
    }
}

impl OpenFile {
    /// A file without rows, of these columns. All its rows are one row group, unless they are more than
    /// `row_group_rows`.
    pub(super) fn new(
        stored: &SchemaRef,
        layouts: &TextLayouts,
        row_group_rows: Option<usize>,
    ) -> Result<Self, ParquetError> {
        let row_groups = row_group_rows.map_or(RowGroups::One, |_| RowGroups::Several);
        let properties = writer_properties(stored, layouts, row_groups).into_builder();
        // The Arrow schema in the footer would cost a kilobyte a file; the Delta log has the schema.
        let options = ArrowWriterOptions::new()
            .with_properties(properties.set_max_row_group_row_count(row_group_rows).build())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(stored), options)?;
        let summaries = vec![ColumnSummary::default(); stored.fields().len()];
        Ok(Self { writer, rows: 0, summaries })
    }

    /// Adds rows that have the file's columns.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        for (summary, column) in self.summaries.iter_mut().zip(rows.columns()) {
            summary.include(column.as_ref());
        }
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows)
    }

    /// Ends the file.
    pub(super) fn finish(
        mut self,
        stored: &Schema,
        partition_by: &[String],
        values: PartitionValues,
    ) -> Result<FinishedFile, ParquetError> {
        self.writer.finish()?;
        let bytes = std::mem::take(self.writer.inner_mut());
        let directory = partition::directory(partition_by, &values);
        let file = AddedFile {
            path: format!("{directory}part-{}.parquet", Uuid::new_v4()),
            size: bytes.len() as u64,
            rows: self.rows,
            partition_values: partition_by.iter().cloned().zip(values).collect(),
            modification_time_ms: crate::now_ms(),
            stats: delta_statistics(stored, self.rows, &self.summaries),
        };
        Ok(FinishedFile { bytes: bytes.into(), file })
    }
}

/// Whether the encoder takes an array of one type for a column of another.
fn is_storable_as(found: &DataType, wanted: &DataType) -> bool {
    let is_text =
        |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_binary = |data_type: &DataType| {
        matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
    };
    match found {
        DataType::Dictionary(_, values) => is_storable_as(values, wanted),
        _ => {
            found == wanted || (is_text(found) && is_text(wanted)) || (is_binary(found) && is_binary(wanted))
        }
    }
}
