//! [`Table::rewrite_without`]: writes files anew without some of their rows, for whoever replaces those.
//!
//! Other rows keep their order and every value. Files that hold none of the rows are not touched.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde::{Deserialize, Serialize};
use sluice_contract::manifest::AddedFile;
use snafu::{ResultExt, ensure};

use super::Table;
use crate::data_file::{FinishedFile, MergedFile};
use crate::error::{
    DataFileDamagedSnafu, EscapedPathSnafu, LakeError, UnreadableSnafu, UnsupportedTypeSnafu,
};
use crate::positions::Positions;

const PARTITION: &str = "partition";
const OFFSET: &str = "offset";

/// Rows of a table that go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Where they are in the topic, by the columns `partition` and `offset`.
    pub positions: Positions,
    /// Of the rows there, only those that have one of these texts in this column; `None`: all.
    pub only: Option<(String, Vec<String>)>,
}

/// Files in the place of others, without some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewritten {
    /// Paths of the files replaced, below the table's root.
    pub removes: Vec<String>,
    /// What is in their place: durable, and not visible yet.
    pub adds: Vec<AddedFile>,
    /// Rows that went.
    pub rows: u64,
}

/// A live file that may hold some of the rows.
struct Candidate {
    path: String,
    values: BTreeMap<String, Option<String>>,
}

impl Table {
    /// Writes the files anew that are live now and hold some of the rows, without these.
    ///
    /// Nothing is visible before a manifest that has what this gives is rolled forward. Reads and writes one file at a
    /// time, on the caller's thread.
    pub async fn rewrite_without(&mut self, dropped: &Dropped) -> Result<Rewritten, LakeError> {
        let mut rewritten = Rewritten::default();
        if dropped.positions.is_empty() {
            return Ok(rewritten);
        }
        self.reload().await?;
        let loaded = self.load().await?;
        let found = self.candidates(&loaded, dropped);
        self.loaded = Some(loaded);
        let (schema, candidates) = found?;
        for candidate in candidates {
            let path = format!("{}/{}", self.spec.name, candidate.path);
            let content = self.store.read(&path).await?;
            let Some((file, rows)) = self.rewrite(&schema, &candidate, content, dropped)? else { continue };
            rewritten.rows += rows;
            rewritten.removes.push(candidate.path);
            if let Some(FinishedFile { bytes, file }) = file {
                self.store.put(&format!("{}/{}", self.spec.name, file.path), bytes).await?;
                rewritten.adds.push(file);
            }
        }
        Ok(rewritten)
    }

    /// All columns of the table, and the live files that may hold some of the rows, by their statistics.
    fn candidates(
        &self,
        loaded: &deltalake::DeltaTable,
        dropped: &Dropped,
    ) -> Result<(Schema, Vec<Candidate>), LakeError> {
        let table = &self.spec.name;
        let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
        let schema: Schema = state.schema().as_ref().try_into_arrow().map_err(|error| {
            UnsupportedTypeSnafu { table, column: "(one of them)", data_type: error.to_string() }.build()
        })?;
        let mut candidates = Vec::new();
        for file in state.log_data().iter() {
            let path = file.path().into_owned();
            let values: BTreeMap<String, Option<String>> = file.partition_values_map().into_iter().collect();
            let bounds = match file.stats() {
                Some(text) => serde_json::from_str(&text)
                    .context(UnreadableSnafu { path: self.store.name(&format!("{table}/{path}")) })?,
                None => Bounds::default(),
            };
            if dropped.positions.meets(bounds.partitions(&values), &bounds.offsets()) {
                // A file is removed by the name that the log has for it, which others may have escaped.
                ensure!(is_plain(&path), EscapedPathSnafu { table, path });
                candidates.push(Candidate { path, values });
            }
        }
        Ok((schema, candidates))
    }

    /// A file without the rows, and how many went; `None` if it holds none of them.
    fn rewrite(
        &self,
        schema: &Schema,
        candidate: &Candidate,
        content: Bytes,
        dropped: &Dropped,
    ) -> Result<Option<(Option<FinishedFile>, u64)>, LakeError> {
        let (table, path) = (&self.spec.name, &candidate.path);
        let damaged = |reason: String| DataFileDamagedSnafu { table, path, reason }.build();
        let filter = Filter { dropped, values: &candidate.values };
        if !filter.drops_some(content.clone()).map_err(damaged)? {
            return Ok(None);
        }
        let mut values = candidate.values.clone();
        let values = self.spec.partition_by.iter().map(|column| values.remove(column).flatten()).collect();
        let mut merged = MergedFile::new(table, schema, &self.spec.partition_by, values);
        let rows = merged.append_kept(path, content, |rows| filter.kept(rows))?;
        Ok(Some((merged.finish()?, rows.left_out)))
    }
}

/// Tells the rows of a file apart.
struct Filter<'a> {
    dropped: &'a Dropped,
    /// The values of the table's partition columns, which are not in the file.
    values: &'a BTreeMap<String, Option<String>>,
}

impl Filter<'_> {
    /// Which rows stay.
    fn kept(&self, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let partitions: ArrayRef = match self.values.get(PARTITION) {
            Some(value) => {
                let number: Option<i32> = value.as_deref().and_then(|text| text.parse().ok());
                Arc::new(Int32Array::from(vec![number; rows.num_rows()]))
            }
            None => column(rows, PARTITION, &DataType::Int32)?,
        };
        let offsets = column(rows, OFFSET, &DataType::Int64)?;
        let (partitions, offsets) =
            (partitions.as_primitive::<Int32Type>(), offsets.as_primitive::<Int64Type>());
        let texts = match &self.dropped.only {
            Some((name, texts)) => Some((column(rows, name, &DataType::Utf8)?, texts)),
            None => None,
        };
        let is_chosen = |row: usize| {
            texts.as_ref().is_none_or(|(column, texts)| {
                column.is_valid(row) && texts.iter().any(|text| text == column.as_string::<i32>().value(row))
            })
        };
        let is_dropped = |row: usize| {
            partitions.is_valid(row)
                && offsets.is_valid(row)
                && self.dropped.positions.contains(partitions.value(row), offsets.value(row))
                && is_chosen(row)
        };
        Ok((0..rows.num_rows()).map(|row| Some(!is_dropped(row))).collect())
    }

    /// Whether a file has one of the rows, by the columns that tell.
    fn drops_some(&self, content: Bytes) -> Result<bool, String> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content, options)
            .map_err(|error| error.to_string())?;
        let only = self.dropped.only.as_ref().map(|(column, _)| column.as_str());
        let columns = [PARTITION, OFFSET].into_iter().chain(only);
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
        for rows in builder.with_projection(mask).build().map_err(|error| error.to_string())? {
            let kept = rows.and_then(|rows| self.kept(&rows)).map_err(|error| error.to_string())?;
            if kept.true_count() < kept.len() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn column(rows: &RecordBatch, name: &str, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast(rows.column(rows.schema().index_of(name)?), data_type)
}

/// Whether a path reads the same in the log and in the storage.
fn is_plain(path: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'/');
    path.bytes().all(is_plain)
}

/// What the statistics of a file say of places in the topic.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bounds {
    min_values: Place,
    max_values: Place,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Place {
    partition: Option<i32>,
    offset: Option<i64>,
}

impl Bounds {
    /// Without bounds anything may be in the file.
    fn partitions(&self, values: &BTreeMap<String, Option<String>>) -> RangeInclusive<i32> {
        if let Some(value) = values.get(PARTITION) {
            let number: Option<i32> = value.as_deref().and_then(|text| text.parse().ok());
            return number.map_or(i32::MIN..=i32::MAX, |number| number..=number);
        }
        self.min_values.partition.unwrap_or(i32::MIN)..=self.max_values.partition.unwrap_or(i32::MAX)
    }

    fn offsets(&self) -> RangeInclusive<i64> {
        self.min_values.offset.unwrap_or(i64::MIN)..=self.max_values.offset.unwrap_or(i64::MAX)
    }
}
