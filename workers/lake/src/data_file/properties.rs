//! How each column is encoded: decided once for an epoch, from its first rows.

use std::collections::HashSet;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::statistics::is_counted_by_encoder;

/// So many rows are looked at to tell names from identifiers.
const SAMPLED: usize = 512;

/// With fewer rows than this a sample says nothing.
const TELLING: usize = 64;

/// Whether each column is worth a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dictionaries(Vec<bool>);

impl Dictionaries {
    /// Looks at the first rows of an epoch. `before` is what the epoch before did.
    pub(super) fn choose(rows: &RecordBatch, before: Option<Self>) -> Self {
        if let Some(before) = before
            && rows.num_rows() < TELLING
        {
            return before;
        }
        let sample = rows.slice(0, rows.num_rows().min(SAMPLED));
        Self(sample.columns().iter().map(repeats).collect())
    }
}

/// Whether text repeats itself so much that looking each value up costs less than storing it.
fn repeats(sample: &ArrayRef) -> bool {
    let is_text = match sample.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        other => is_text(other),
    };
    if !is_text {
        return false;
    }
    let distinct = distinct(sample).unwrap_or(usize::MAX);
    sample.len() < TELLING || distinct <= sample.len() / 2
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn distinct(sample: &ArrayRef) -> Option<usize> {
    let converter = RowConverter::new(vec![SortField::new(sample.data_type().clone())]).ok()?;
    let rows = converter.convert_columns(std::slice::from_ref(sample)).ok()?;
    Some(rows.iter().map(|row| row.data()).collect::<HashSet<&[u8]>>().len())
}

/// The settings of a file.
pub(super) fn writer_properties(schema: &Schema, dictionaries: &Dictionaries) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("Sluice version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(None);
    for (field, dictionary) in schema.fields().iter().zip(&dictionaries.0) {
        let column = ColumnPath::from(field.name().as_str());
        if let Some(encoding) = encoding(field.data_type()) {
            properties = properties.set_column_encoding(column.clone(), encoding);
        }
        if !is_counted_by_encoder(field.data_type()) {
            properties = properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::None);
        }
        properties = properties.set_column_dictionary_enabled(column, *dictionary);
    }
    properties.build()
}

/// The encoding of a column without dictionary; `None`: Parquet's plain one.
fn encoding(data_type: &DataType) -> Option<Encoding> {
    match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(..) => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}
