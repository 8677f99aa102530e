//! Merged files are read back and compared with what went in.

use arrow::array::{Array, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use serde_json::{Value, json};

use super::*;
use crate::data_file::TableWriter;
use crate::fixtures::{events, rows};
use crate::table::TableSpec;

fn encoded(spec: &TableSpec, batch: &RecordBatch) -> Bytes {
    let mut writer = TableWriter::new(spec);
    writer.write(batch).unwrap();
    let [file] = &writer.finish().unwrap()[..] else { panic!("one file") };
    file.bytes.clone()
}

fn merged(spec: &TableSpec, files: &[Bytes]) -> FinishedFile {
    let values = spec.partition_by.iter().map(|_| Some("2026-01-05".to_owned())).collect();
    let mut merged = MergedFile::new(&spec.name, &spec.schema, &spec.partition_by, values);
    for file in files {
        merged.append("a file", file.clone()).unwrap();
    }
    merged.finish().unwrap().unwrap()
}

fn read(file: &FinishedFile) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn statistics(file: &FinishedFile) -> Value {
    serde_json::from_str(&file.file.stats).unwrap()
}

fn unpartitioned(columns: Vec<(&str, ArrayRef)>) -> (TableSpec, RecordBatch) {
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let rows = rows.unwrap();
    (TableSpec { schema: rows.schema(), partition_by: vec![], ..events() }, rows)
}

#[test]
fn rows_of_all_files_come_out_in_order_with_the_bounds_of_all() {
    let files = [encoded(&events(), &rows(0, 10)), encoded(&events(), &rows(10, 9_000))];
    let file = merged(&events(), &files);
    assert_eq!(file.file.rows, 9_010);
    assert_eq!(file.file.partition_values["day"].as_deref(), Some("2026-01-05"));
    assert!(file.file.path.starts_with("day=2026-01-05/part-"), "{}", file.file.path);
    let offsets = read(&file).column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(offsets, (0..9_010).collect::<Vec<_>>());
    let statistics = statistics(&file);
    assert_eq!(statistics["minValues"], json!({"offset": 0, "name": "name 0"}));
    assert_eq!(statistics["maxValues"], json!({"offset": 9_009, "name": "name 2"}));
}

#[test]
fn a_column_that_is_newer_than_a_file_is_null_in_its_rows() {
    let (old, old_rows) = unpartitioned(vec![("n", Arc::new(Int64Array::from(vec![1, 2])))]);
    let (new, new_rows) = unpartitioned(vec![
        ("n", Arc::new(Int64Array::from(vec![3]))),
        ("text", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let file = merged(&new, &[encoded(&old, &old_rows), encoded(&new, &new_rows)]);
    let rows = read(&file);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values().to_vec(), [1, 2, 3]);
    assert_eq!(rows.column(1).null_count(), 2);
    assert_eq!(statistics(&file)["nullCount"], json!({"n": 0, "text": 2}));
}

#[test]
fn one_nan_in_one_file_takes_all_bounds_from_the_whole() {
    let floats = |values: Vec<f64>| {
        unpartitioned(vec![
            ("f", Arc::new(Float64Array::from(values)) as ArrayRef),
            ("n", Arc::new(Int64Array::from(vec![1, 2]))),
        ])
    };
    let (spec, sound) = floats(vec![1.0, 2.0]);
    let (_, odd) = floats(vec![3.0, f64::NAN]);
    let with_nan = merged(&spec, &[encoded(&spec, &sound), encoded(&spec, &odd)]);
    assert_eq!(statistics(&with_nan)["minValues"], Value::Null);
    assert_eq!(statistics(&with_nan)["numRecords"], json!(4));
    let without = merged(&spec, &[encoded(&spec, &sound), encoded(&spec, &sound)]);
    assert_eq!(statistics(&without)["maxValues"], json!({"f": 2.0, "n": 2}));
}

#[test]
fn bounds_are_those_of_all_row_groups() {
    let count = ROW_GROUP_ROWS as i64 + 10;
    // The smallest number is in the last row group, and one row group has nothing but nulls in a column.
    let numbers = Int64Array::from_iter_values((0..count).map(|row| count - row));
    let late = Int64Array::from_iter((0..count).map(|row| (row >= ROW_GROUP_ROWS as i64).then_some(row)));
    let times = TimestampMicrosecondArray::from_iter_values(0..count).with_timezone("UTC");
    let (spec, rows) = unpartitioned(vec![
        ("number", Arc::new(numbers)),
        ("late", Arc::new(late)),
        ("time", Arc::new(times)),
    ]);
    assert_eq!(
        spec.schema.field(2).data_type(),
        &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    let file = merged(&spec, &[encoded(&spec, &rows)]);
    let groups = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    assert_eq!(groups.metadata().num_row_groups(), 2);
    let statistics = statistics(&file);
    assert_eq!(statistics["minValues"]["number"], json!(1));
    assert_eq!(statistics["maxValues"]["number"], json!(count));
    assert_eq!(statistics["minValues"]["late"], json!(ROW_GROUP_ROWS));
    assert_eq!(statistics["maxValues"]["late"], json!(count - 1));
    assert_eq!(statistics["nullCount"]["late"], json!(ROW_GROUP_ROWS));
    assert_eq!(statistics["maxValues"]["time"], json!("1970-01-01T00:00:01.049Z"));
}

#[test]
fn a_file_that_is_no_parquet_is_an_error_that_names_it() {
    let mut merged = MergedFile::new("bronze", &events().schema, &[], vec![]);
    let error = merged.append("bronze/part-1.parquet", Bytes::from_static(b"PAR1 cut off")).unwrap_err();
    assert!(error.to_string().contains("'bronze/part-1.parquet' of table 'bronze'"), "{error}");
    assert_eq!(error.reason(), "LakeCorrupt");
}

#[test]
fn a_column_that_must_have_values_is_not_made_up() {
    let (old, old_rows) = unpartitioned(vec![("n", Arc::new(Int64Array::from(vec![1])))]);
    let mut merged = MergedFile::new("bronze", &events().schema, &[], vec![]);
    let error = merged.append("f", encoded(&old, &old_rows)).unwrap_err();
    assert!(error.to_string().contains("offset"), "{error}");
}
