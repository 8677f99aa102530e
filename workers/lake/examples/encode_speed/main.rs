//! Measures what encoding a row costs, and how many bytes it takes, under several settings.
//!
//! `cargo run -p sluice-lake --example encode_speed [ROWS_PER_EPOCH [columns]]`, with `columns` for each
//! column by itself. The rows have the shape of the
//! e-commerce example's bronze and silver tables. Times are CPU times of one
//! thread, the best of six rounds.

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use sluice_lake::{TableSpec, TableWriter};
use std::collections::BTreeMap;
use std::sync::Arc;

use rows::{bronze, bronze_rows, silver, silver_rows};

mod rows;

const ROUNDS: usize = 6;
const ROUND_NS: f64 = 100e6;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().map_or(100_000, |text| text.parse().expect("ROWS_PER_EPOCH is a number"));
    let columns = arguments.next().is_some();
    for (name, schema, batches) in
        [("bronze", bronze(), bronze_rows(rows)), ("silver", silver(), silver_rows(rows))]
    {
        println!("{name}, {} columns, {rows} rows an epoch", schema.fields().len());
        report("sluice", || sluice(name, &schema, &batches));
        for (label, properties) in settings(&schema) {
            report(label, || plain(&schema, &batches, properties.clone()));
        }
        if columns {
            per_column(&schema, &batches);
        }
    }
}

/// Runs an encoder for a while and prints what it costs when nothing disturbs it.
fn report(label: &str, encode: impl Fn() -> (usize, usize)) {
    let mut best = f64::INFINITY;
    let (mut bytes, mut rows) = encode();
    for _ in 0..ROUNDS {
        let before = cpu_ns();
        (bytes, rows) = (0, 0);
        while cpu_ns() - before < ROUND_NS || rows == 0 {
            let (more_bytes, more_rows) = encode();
            bytes += more_bytes;
            rows += more_rows;
        }
        best = best.min((cpu_ns() - before) / rows as f64);
    }
    println!("  {label:<48} {best:>7.0} ns/row {:>7.1} bytes/row", bytes as f64 / rows as f64);
}

/// Time that this thread has been running, in nanoseconds, as Linux counts it.
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("this is Linux");
    text.split_whitespace().next().and_then(|field| field.parse().ok()).expect("the first field is a time")
}

fn sluice(name: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> (usize, usize) {
    let spec = TableSpec {
        name: name.to_owned(),
        schema: Arc::clone(schema),
        partition_by: vec![schema.fields().last().expect("there are columns").name().clone()],
        description: None,
        properties: BTreeMap::new(),
    };
    let mut writer = TableWriter::new(&spec);
    for batch in batches {
        writer.write(batch).expect("the rows fit the table");
    }
    let files = writer.finish().expect("the files can be finished");
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    (files.iter().map(|file| file.bytes.len()).sum(), rows)
}

fn plain(schema: &SchemaRef, batches: &[RecordBatch], properties: WriterProperties) -> (usize, usize) {
    let stored =
        Arc::new(schema.project(&(0..schema.fields().len() - 1).collect::<Vec<_>>()).expect("projects"));
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&stored), options).expect("opens");
    let mut rows = 0;
    for batch in batches {
        let columns = batch.columns()[..stored.fields().len()].to_vec();
        writer.write(&RecordBatch::try_new(Arc::clone(&stored), columns).expect("fits")).expect("encodes");
        rows += batch.num_rows();
    }
    (writer.into_inner().expect("finishes").len(), rows)
}

fn base() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(32))
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(None)
}

const NAMES: [&str; 9] = [
    "merchant",
    "payment_method",
    "location",
    "topic",
    "city",
    "country",
    "amount_category",
    "kafka_key",
    "device_id",
];

fn settings(schema: &Schema) -> Vec<(&'static str, WriterProperties)> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let with = |compression: Compression, names: usize, delta: bool, lengths: bool| {
        let mut builder = base().set_compression(compression);
        for field in schema.fields() {
            let column = ColumnPath::from(field.name().as_str());
            match field.data_type() {
                DataType::Utf8 if NAMES[..names].contains(&field.name().as_str()) => {
                    builder = builder.set_column_dictionary_enabled(column, true);
                }
                DataType::Utf8 if lengths => {
                    builder = builder.set_column_encoding(column, Encoding::DELTA_LENGTH_BYTE_ARRAY);
                }
                DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) | DataType::Date32 if delta => {
                    builder = builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
                }
                _ => {}
            }
        }
        builder.build()
    };
    let defaults = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let no_statistics = |compression| {
        base().set_compression(compression).set_statistics_enabled(EnabledStatistics::None).build()
    };
    vec![
        ("parquet defaults, SNAPPY", defaults),
        ("no dictionary, plain, none", with(Compression::UNCOMPRESSED, 0, false, false)),
        ("no dictionary, plain, none, no statistics", no_statistics(Compression::UNCOMPRESSED)),
        ("7 dictionaries, plain, none", with(Compression::UNCOMPRESSED, 7, false, false)),
        ("7 dictionaries, delta, none", with(Compression::UNCOMPRESSED, 7, true, false)),
        ("7 dictionaries, delta, SNAPPY", with(Compression::SNAPPY, 7, true, false)),
        ("7 dictionaries, delta, LZ4_RAW", with(Compression::LZ4_RAW, 7, true, false)),
        ("7 dictionaries, delta, ZSTD 1", with(zstd, 7, true, false)),
        ("7 dictionaries, delta, lengths, none", with(Compression::UNCOMPRESSED, 7, true, true)),
        ("no dictionary, delta, lengths, none", with(Compression::UNCOMPRESSED, 0, true, true)),
        ("no dictionary, delta, lengths, SNAPPY", with(Compression::SNAPPY, 0, true, true)),
        ("no dictionary, delta, lengths, ZSTD 1", with(zstd, 0, true, true)),
        ("7 dictionaries, delta, lengths, SNAPPY", with(Compression::SNAPPY, 7, true, true)),
        ("7 dictionaries, delta, lengths, ZSTD 1", with(zstd, 7, true, true)),
        ("9 dictionaries, delta, SNAPPY", with(Compression::SNAPPY, 9, true, false)),
        ("9 dictionaries, delta, ZSTD 1", with(zstd, 9, true, false)),
        ("no dictionary, delta, ZSTD 1", with(zstd, 0, true, false)),
        ("no dictionary, delta, SNAPPY", with(Compression::SNAPPY, 0, true, false)),
    ]
}

/// What each column costs by itself.
fn per_column(schema: &SchemaRef, batches: &[RecordBatch]) {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for (index, field) in schema.fields().iter().enumerate().take(schema.fields().len() - 1) {
        let single = Arc::new(Schema::new(vec![field.as_ref().clone(), field.as_ref().clone()]));
        let columns: Vec<RecordBatch> = batches
            .iter()
            .map(|batch| {
                let column = Arc::clone(batch.column(index));
                RecordBatch::try_new(Arc::clone(&single), vec![Arc::clone(&column), column]).expect("fits")
            })
            .collect();
        let column = || ColumnPath::from(field.name().as_str());
        let mut choices = vec![
            ("plain".to_owned(), base()),
            ("dictionary".to_owned(), base().set_dictionary_enabled(true)),
        ];
        let encodings: &[Encoding] = match field.data_type() {
            DataType::Utf8 => &[Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY],
            DataType::Float64 => &[Encoding::BYTE_STREAM_SPLIT],
            DataType::Boolean => &[Encoding::RLE],
            _ => &[Encoding::DELTA_BINARY_PACKED],
        };
        for encoding in encodings {
            choices.push((encoding.to_string(), base().set_column_encoding(column(), *encoding)));
        }
        choices.push((
            "plain, no statistics".to_owned(),
            base().set_statistics_enabled(EnabledStatistics::None),
        ));
        for (label, builder) in choices {
            for (kind, compression) in
                [("none", Compression::UNCOMPRESSED), ("snappy", Compression::SNAPPY), ("zstd", zstd)]
            {
                let properties = builder.clone().set_compression(compression).build();
                let name = format!("{}: {label} {kind}", field.name());
                report(&name, || plain(&single, &columns, properties.clone()));
            }
        }
    }
}
