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
///
/// Of 512 values drawn from a few thousand names, one in sixteen is there twice (512² / 2 / 4096 = 32). That
/// is where a dictionary starts to pay for itself.
fn repeats(sample: &ArrayRef) -> bool {
    let is_text = match sample.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        other => is_text(other),
    };
    let rows = sample.len();
    is_text && (rows < TELLING || distinct(sample).is_some_and(|distinct| distinct <= rows - rows / 16))
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
///
/// Measured with `examples/encode_speed` on a busy two-core machine (AMD EPYC), in CPU nanoseconds and
/// bytes a row; bronze and silver of the e-commerce example:
///
/// | setting | bronze | silver |
/// |---|---|---|
/// | these settings | 600 ns, 46 bytes | 680 ns, 44 bytes |
/// | the same with the encoder's bounds of text | 710 ns, 42 bytes | 850 ns, 40 bytes |
/// | SNAPPY, dictionaries for the seven columns of names | 800 ns, 74 bytes | 750 ns, 63 bytes |
/// | what parquet does by default, SNAPPY | 1320 ns, 85 bytes | 1220 ns, 79 bytes |
/// | plain, neither compressed nor counted | 220 ns, 218 bytes | 280 ns, 233 bytes |
///
/// - Integers and times: DELTA_BINARY_PACKED takes 15 ns where a dictionary takes 20 to 60, and leaves so
///   little that SNAPPY is enough.
/// - Floats: SNAPPY 29 ns and 5.2 bytes, ZSTD 51 ns and 3.6 bytes.
/// - Text of few names: a dictionary (50 ns). Other text: lengths apart from the bytes, with ZSTD: for a UUID
///   87 ns and 18.6 bytes, against 158 ns and 20.0 bytes with lengths between the texts, and 69 ns and 35.9
///   bytes with SNAPPY.
/// - The page index and the encoder's bounds of text cost more than readers of such small files gain.
pub(super) fn writer_properties(schema: &Schema, dictionaries: &Dictionaries) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("Sluice version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    for (field, dictionary) in schema.fields().iter().zip(&dictionaries.0) {
        let column = ColumnPath::from(field.name().as_str());
        if let Some(encoding) = encoding(field.data_type()) {
            properties = properties.set_column_encoding(column.clone(), encoding);
        }
        if field.data_type().is_primitive() {
            properties = properties.set_column_compression(column.clone(), Compression::SNAPPY);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    /// One column of text with so many names, and one of numbers.
    fn rows(count: usize, names: usize) -> RecordBatch {
        // A multiplier that is prime to the number of names spreads them evenly but not in order.
        let text = (0..count).map(|row| format!("name {}", row * 7919 % names));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from_iter_values(text)), Arc::new(Int32Array::from(vec![1; count]))];
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("n", DataType::Int32, true),
        ]);
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn names_get_a_dictionary_and_identifiers_and_numbers_do_not() {
        for (names, expected) in [(1, true), (100, true), (450, true), (100_000, false)] {
            assert_eq!(Dictionaries::choose(&rows(8192, names), None).0, [expected, false], "{names} names");
        }
    }

    #[test]
    fn too_few_rows_do_not_change_the_choice() {
        let identifiers = Dictionaries(vec![false, false]);
        assert_eq!(Dictionaries::choose(&rows(10, 3), Some(identifiers.clone())), identifiers);
        assert_eq!(Dictionaries::choose(&rows(10, 3), None).0, [true, false]);
        assert_eq!(Dictionaries::choose(&rows(8192, 3), Some(identifiers)).0, [true, false]);
    }

    #[test]
    fn each_kind_of_column_has_its_encoding() {
        let schema = rows(1, 1).schema();
        let properties = writer_properties(&schema, &Dictionaries(vec![true, false]));
        let (name, number) = (ColumnPath::from("name"), ColumnPath::from("n"));
        assert!(properties.dictionary_enabled(&name) && !properties.dictionary_enabled(&number));
        assert_eq!(properties.encoding(&number), Some(Encoding::DELTA_BINARY_PACKED));
        assert_eq!(properties.compression(&number), Compression::SNAPPY);
        assert_eq!(properties.compression(&name), Compression::ZSTD(ZstdLevel::default()));
        assert_eq!(properties.statistics_enabled(&name), EnabledStatistics::None);
        assert_eq!(properties.statistics_enabled(&number), EnabledStatistics::Chunk);
    }
}
