//! How each column is encoded: decided once for an epoch, from its first rows.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::statistics::is_counted_by_encoder;

/// So many rows are looked at to tell names from identifiers.
const SAMPLED: usize = 1024;

/// With fewer rows than this a sample says nothing.
const TELLING: usize = 64;

/// How the text of a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextLayout {
    /// Each value once, and numbers in its place: names.
    Dictionary,
    /// Each value without what it shares with the one before: times, paths.
    Prefixes,
    /// Lengths apart from the bytes: identifiers.
    Lengths,
}

/// Whether a file's rows are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowGroups {
    /// The table's log says of the file all that statistics could.
    One,
    /// Statistics tell readers which row groups to leave out.
    Several,
}

/// How the text of each column is laid out; what other columns have here has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextLayouts(Vec<TextLayout>);

impl TextLayouts {
    /// Looks at the first rows of an epoch. `before` is what the epoch before did.
    pub(super) fn choose(rows: &RecordBatch, before: Option<Self>) -> Self {
        if let Some(before) = before
            && rows.num_rows() < TELLING
        {
            return before;
        }
        let sample = rows.slice(0, rows.num_rows().min(SAMPLED));
        Self(sample.columns().iter().map(layout).collect())
    }
}

fn layout(sample: &ArrayRef) -> TextLayout {
    if repeats(sample) {
        TextLayout::Dictionary
    } else if shares_prefixes(sample) {
        TextLayout::Prefixes
    } else {
        TextLayout::Lengths
    }
}

/// Whether text repeats itself so much that looking each value up costs less than storing it.
///
/// An epoch has many more rows than a sample, and the lookup of a rare value waits for memory. Names of which
/// a sample of 1024 has each twice are few hundreds, or thousands of very different frequency. Identifiers
/// of customers or devices, which come some times in an epoch, are stored faster as they are.
fn repeats(sample: &ArrayRef) -> bool {
    let is_text = match sample.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        other => is_text(other),
    };
    let rows = sample.len();
    is_text && (rows < TELLING || distinct(sample).is_some_and(|distinct| distinct <= rows / 2))
}

/// Whether values have half of their bytes or more in common with the one before.
fn shares_prefixes(sample: &ArrayRef) -> bool {
    let Some(texts) = sample.as_string_opt::<i32>() else { return false };
    let mut before: &[u8] = &[];
    let (mut bytes, mut shared) = (0, 0);
    for text in texts.iter().flatten().map(str::as_bytes) {
        bytes += text.len();
        shared += text.iter().zip(before).take_while(|(byte, same)| byte == same).count();
        before = text;
    }
    bytes > 0 && 2 * shared >= bytes
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn distinct(sample: &ArrayRef) -> Option<usize> {
    let converter = RowConverter::new(vec![SortField::new(sample.data_type().clone())]).ok()?;
    let rows = converter.convert_columns(std::slice::from_ref(sample)).ok()?;
    let mut distinct = HashSet::with_capacity(sample.len());
    distinct.extend(rows.iter().map(|row| row.data()));
    Some(distinct.len())
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
///   bytes with SNAPPY. A dictionary of identifiers that come four times in an epoch costs more than it saves:
///   for the text of a customer's number 109 ns and 2.7 bytes against 26 ns and 2.4 bytes.
/// - Event times as text: without the shared prefixes 80 ns and 5.6 bytes, against 112 ns and 6.1 bytes.
/// - The page index and the encoder's bounds of text cost more than readers of such small files gain. The
///   encoder's other bounds take it value by value, and the log's are there anyway.
pub(super) fn writer_properties(
    schema: &Schema,
    layouts: &TextLayouts,
    row_groups: RowGroups,
) -> WriterProperties {
    let statistics = match row_groups {
        RowGroups::One => EnabledStatistics::None,
        RowGroups::Several => EnabledStatistics::Chunk,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("Sluice version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    for (field, layout) in schema.fields().iter().zip(&layouts.0) {
        let column = ColumnPath::from(field.name().as_str());
        if let Some(encoding) = encoding(field.data_type(), *layout) {
            properties = properties.set_column_encoding(column.clone(), encoding);
        }
        if field.data_type().is_primitive() {
            properties = properties.set_column_compression(column.clone(), Compression::SNAPPY);
        }
        if !is_counted_by_encoder(field.data_type()) {
            properties = properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::None);
        }
        properties = properties.set_column_dictionary_enabled(column, *layout == TextLayout::Dictionary);
    }
    properties.build()
}

/// The encoding of a column without dictionary; `None`: Parquet's plain one.
fn encoding(data_type: &DataType, layout: TextLayout) -> Option<Encoding> {
    match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(..) => Some(Encoding::DELTA_BINARY_PACKED),
        data_type if is_text(data_type) && layout == TextLayout::Prefixes => Some(Encoding::DELTA_BYTE_ARRAY),
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
    fn names_get_a_dictionary_and_identifiers_do_not() {
        for (names, expected) in [(1, true), (100, true), (450, true), (100_000, false)] {
            let layout = TextLayouts::choose(&rows(8192, names), None).0[0];
            assert_eq!(layout == TextLayout::Dictionary, expected, "{names} names: {layout:?}");
        }
        let identifiers =
            (0..1024_u64).map(|row| format!("{:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let identifiers: ArrayRef = Arc::new(StringArray::from_iter_values(identifiers));
        assert_eq!(layout(&identifiers), TextLayout::Lengths);
    }

    #[test]
    fn texts_that_begin_alike_are_stored_without_their_prefixes() {
        let time = |row: usize| format!("2026-01-05T20:{:02}:{:02}.{:03}Z", row / 60, row % 60, row % 1000);
        let times: ArrayRef = Arc::new(StringArray::from_iter_values((0..1024).map(time)));
        assert_eq!(layout(&times), TextLayout::Prefixes);
        let with_nulls: ArrayRef =
            Arc::new(StringArray::from_iter((0..1024).map(|row| (row % 3 > 0).then(|| time(row)))));
        assert_eq!(layout(&with_nulls), TextLayout::Prefixes);
        let empty: ArrayRef = Arc::new(StringArray::from(vec![""; 10]));
        assert!(!shares_prefixes(&empty));
    }

    #[test]
    fn too_few_rows_do_not_change_the_choice() {
        let identifiers = TextLayouts(vec![TextLayout::Lengths; 2]);
        assert_eq!(TextLayouts::choose(&rows(10, 3), Some(identifiers.clone())), identifiers);
        assert_eq!(TextLayouts::choose(&rows(10, 3), None).0[0], TextLayout::Dictionary);
        assert_eq!(TextLayouts::choose(&rows(8192, 3), Some(identifiers)).0[0], TextLayout::Dictionary);
    }

    #[test]
    fn each_kind_of_column_has_its_encoding() {
        let schema = rows(1, 1).schema();
        let layouts = |name| TextLayouts(vec![name, TextLayout::Lengths]);
        let properties = writer_properties(&schema, &layouts(TextLayout::Dictionary), RowGroups::Several);
        let (name, number) = (ColumnPath::from("name"), ColumnPath::from("n"));
        assert!(properties.dictionary_enabled(&name) && !properties.dictionary_enabled(&number));
        assert_eq!(properties.encoding(&number), Some(Encoding::DELTA_BINARY_PACKED));
        assert_eq!(properties.compression(&number), Compression::SNAPPY);
        assert_eq!(properties.compression(&name), Compression::ZSTD(ZstdLevel::default()));
        assert_eq!(properties.statistics_enabled(&name), EnabledStatistics::None);
        assert_eq!(properties.statistics_enabled(&number), EnabledStatistics::Chunk);
        for (layout, expected) in [
            (TextLayout::Prefixes, Encoding::DELTA_BYTE_ARRAY),
            (TextLayout::Lengths, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        ] {
            let properties = writer_properties(&schema, &layouts(layout), RowGroups::One);
            assert!(!properties.dictionary_enabled(&name));
            assert_eq!(properties.encoding(&name), Some(expected));
            assert_eq!(properties.statistics_enabled(&number), EnabledStatistics::None);
        }
    }
}
