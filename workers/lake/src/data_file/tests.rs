//! The writer and its statistics, on files that are read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int32Array, Int64Array, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::*;
use crate::error::LakeError;
use crate::fixtures::{events, rows};
use crate::table::TableSpec;

fn spec_of(rows: &RecordBatch) -> TableSpec {
    TableSpec { schema: rows.schema(), partition_by: vec![], ..events() }
}

fn column(array: ArrayRef) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("c", array.data_type().clone(), true)]);
    RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap()
}

fn encoded(spec: &TableSpec, batches: &[RecordBatch]) -> Vec<FinishedFile> {
    let mut writer = TableWriter::new(spec);
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap()
}

fn read(file: &FinishedFile) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn statistics(array: ArrayRef) -> Value {
    let rows = column(array);
    let files = encoded(&spec_of(&rows), &[rows]);
    serde_json::from_str(&files[0].file.stats).unwrap()
}

/// The bounds and the number of nulls of one column.
fn bounds(array: ArrayRef) -> (Value, Value, Value) {
    let statistics = statistics(array);
    let of = |name: &str| statistics[name]["c"].clone();
    (of("minValues"), of("maxValues"), of("nullCount"))
}

#[test]
fn rows_come_out_as_they_went_in() {
    let files = encoded(&events(), &[rows(0, 700), rows(700, 300)]);
    assert_eq!(files.len(), 1);
    let FinishedFile { bytes, file } = &files[0];
    assert_eq!((file.rows, file.size), (1000, bytes.len() as u64));
    assert_eq!(file.partition_values, BTreeMap::from([("day".to_owned(), Some("2026-01-05".to_owned()))]));
    assert!(
        file.path.starts_with("day=2026-01-05/part-") && file.path.ends_with(".parquet"),
        "{}",
        file.path
    );
    let read = read(&files[0]);
    assert_eq!(read.num_columns(), 2, "partition columns are not stored");
    assert_eq!(read.column(0).as_primitive::<Int64Type>().values().to_vec(), (0..1000).collect::<Vec<_>>());
    assert_eq!(read.column(1).as_string::<i32>().value(999), "name 2");
    let statistics: Value = serde_json::from_str(&file.stats).unwrap();
    let expected = json!({
        "numRecords": 1000,
        "minValues": {"offset": 0, "name": "name 0"},
        "maxValues": {"offset": 999, "name": "name 2"},
        "nullCount": {"offset": 0, "name": 0},
    });
    assert_eq!(statistics, expected);
}

#[test]
fn each_epoch_has_its_own_files_and_an_empty_one_has_none() {
    let mut writer = TableWriter::new(&events());
    assert!(writer.finish().unwrap().is_empty());
    writer.write(&rows(0, 0)).unwrap();
    assert!(writer.finish().unwrap().is_empty());
    writer.write(&rows(0, 10)).unwrap();
    assert!(writer.buffered_bytes() > 0);
    let first = writer.finish().unwrap();
    assert_eq!(writer.buffered_bytes(), 0);
    writer.write(&rows(10, 5)).unwrap();
    let second = writer.finish().unwrap();
    assert_eq!((first[0].file.rows, second[0].file.rows), (10, 5));
    assert_ne!(first[0].file.path, second[0].file.path);
}

#[test]
fn each_partition_has_a_file_and_null_and_empty_share_one() {
    let texts = StringArray::from(vec![Some("a/b"), None, Some(""), Some("a/b"), Some("ü")]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..5)), Arc::new(texts)];
    let schema =
        Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("text", DataType::Utf8, true)]);
    let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let spec = TableSpec { partition_by: vec!["text".to_owned()], ..spec_of(&rows) };
    let files = encoded(&spec, &[rows]);
    let found: BTreeMap<Option<String>, Vec<i64>> = files
        .iter()
        .map(|file| {
            let numbers = read(file).column(0).as_primitive::<Int64Type>().values().to_vec();
            (file.file.partition_values["text"].clone(), numbers)
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found, BTreeMap::from([(None, vec![1, 2]), (text("a/b"), vec![0, 3]), (text("ü"), vec![4])]));
}

#[test]
fn views_and_dictionaries_are_stored_as_the_text_they_mean() {
    let spec = spec_of(&column(Arc::new(StringArray::from(vec!["x"]))));
    let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), None]));
    let keys: DictionaryArray<Int32Type> = [Some("a"), Some("c")].into_iter().collect();
    let batches = [column(view), column(Arc::new(keys)), column(Arc::new(StringArray::from(vec!["d"])))];
    let files = encoded(&spec, &batches);
    let read = read(&files[0]);
    let values: Vec<_> = read.column(0).as_string::<i32>().iter().collect();
    assert_eq!(values, [Some("b"), None, Some("a"), Some("c"), Some("d")]);
}

#[test]
fn rows_of_another_shape_are_refused_by_column() {
    let mut writer = TableWriter::new(&events());
    let refuse = |writer: &mut TableWriter, rows: &RecordBatch| {
        let error = writer.write(rows).unwrap_err();
        assert!(matches!(error, LakeError::RowsMismatch { .. }), "{error}");
        error.to_string()
    };
    let good = rows(0, 2);
    assert!(refuse(&mut writer, &good.project(&[0, 1]).unwrap()).contains("2 columns, the table has 3"));
    assert!(
        refuse(&mut writer, &good.project(&[1, 0, 2]).unwrap()).contains("'name' of type Utf8 stands where")
    );
    let schema = Schema::new(vec![
        Field::new("offset", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
    ]);
    let mut columns = good.columns().to_vec();
    columns[0] = Arc::new(Int64Array::from(vec![Some(1), None]));
    let with_null = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    assert!(refuse(&mut writer, &with_null).contains("'offset' must not be null"));
    writer.write(&good).unwrap();
    assert_eq!(writer.finish().unwrap()[0].file.rows, 2);
}

#[test]
fn numbers_dates_and_text_have_exact_bounds() {
    let none = Value::Null;
    let cases: Vec<(ArrayRef, Value, Value, u64)> = vec![
        (Arc::new(Int32Array::from(vec![Some(3), None, Some(-5)])), json!(-5), json!(3), 1),
        (Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])), json!(i64::MIN), json!(i64::MAX), 0),
        (Arc::new(Float64Array::from(vec![0.1, -2.5])), json!(-2.5), json!(0.1), 0),
        (Arc::new(Date32Array::from(vec![20_458, -1])), json!("1969-12-31"), json!("2026-01-05"), 0),
        (Arc::new(StringArray::from(vec![Some("b"), Some(""), None])), json!(""), json!("b"), 1),
        (Arc::new(StringArray::from(vec!["quote\"\n", "ü"])), json!("quote\"\n"), json!("ü"), 0),
        (Arc::new(StringArray::from(vec![None::<&str>, None])), none.clone(), none, 2),
    ];
    for (array, smallest, largest, nulls) in cases {
        let kind = array.data_type().clone();
        assert_eq!(bounds(array), (smallest, largest, json!(nulls)), "{kind}");
    }
}

#[test]
fn values_of_a_dictionary_that_no_row_has_are_no_bounds() {
    let spec = spec_of(&column(Arc::new(Int64Array::from(vec![1]))));
    let values = Arc::new(Int64Array::from(vec![-7, 1, 5, 99]));
    let rows = column(Arc::new(DictionaryArray::new(Int32Array::from(vec![2, 1]), values)));
    let statistics: Value = serde_json::from_str(&encoded(&spec, &[rows])[0].file.stats).unwrap();
    let of = |bounds: &str| statistics[bounds].as_object().unwrap().values().cloned().collect::<Vec<_>>();
    assert_eq!((of("minValues"), of("maxValues")), (vec![json!(1)], vec![json!(5)]));
}

#[test]
fn timestamps_are_rounded_outwards_to_milliseconds() {
    let bounds_of = |micros: Vec<i64>| {
        let (smallest, largest, _) =
            bounds(Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC")));
        (smallest, largest)
    };
    let noon = 1_767_614_400_000_000;
    assert_eq!(
        bounds_of(vec![noon + 123_456, noon + 999_001]),
        (json!("2026-01-05T12:00:00.123Z"), json!("2026-01-05T12:00:01.000Z"))
    );
    assert_eq!(bounds_of(vec![noon]), (json!("2026-01-05T12:00:00.000Z"), json!("2026-01-05T12:00:00.000Z")));
    assert_eq!(bounds_of(vec![-1]), (json!("1969-12-31T23:59:59.999Z"), json!("1970-01-01T00:00:00.000Z")));
    assert_eq!(bounds_of(vec![i64::MIN, noon]), (Value::Null, Value::Null), "no text for such a year");
}

#[test]
fn floats_that_have_no_order_or_no_json_have_no_bounds() {
    for values in
        [vec![1.0, f64::NAN], vec![1.0, f64::INFINITY], vec![f64::NEG_INFINITY, 2.0], vec![f64::NAN]]
    {
        assert_eq!(bounds(Arc::new(Float64Array::from(values))), (Value::Null, Value::Null, json!(0)));
    }
    let zeros = bounds(Arc::new(Float64Array::from(vec![0.0, 0.0])));
    assert_eq!((zeros.0.to_string(), zeros.1.to_string()), ("-0.0".to_owned(), "0.0".to_owned()));
    let (smallest, largest, _) = bounds(Arc::new(Float32Array::from(vec![0.1, 16_777_216.0])));
    assert_eq!((smallest.to_string(), largest.to_string()), ("0.1".to_owned(), "16777216.0".to_owned()));
}

#[test]
fn a_nan_in_any_batch_of_a_file_takes_the_bounds_away() {
    let batch = |values: Vec<f64>| column(Arc::new(Float64Array::from(values)));
    let batches = [batch(vec![f64::NAN]), batch(vec![1.0, 2.0])];
    let files = encoded(&spec_of(&batches[0]), &batches);
    let statistics: Value = serde_json::from_str(&files[0].file.stats).unwrap();
    assert_eq!((&statistics["minValues"], &statistics["numRecords"]), (&Value::Null, &json!(3)));
}

#[test]
fn long_text_is_cut_outwards() {
    let long = |first: char| format!("{first}{}", "ü".repeat(100));
    let (smallest, largest, _) = bounds(Arc::new(StringArray::from(vec![long('a'), long('b')])));
    let (smallest, largest) = (smallest.as_str().unwrap().to_owned(), largest.as_str().unwrap().to_owned());
    assert!(smallest.len() <= 32 && smallest <= long('a'), "{smallest}");
    assert!(largest.len() <= 40 && largest >= long('b'), "{largest}");
}

#[test]
fn decimals_have_bounds_of_their_scale_whatever_their_width() {
    for precision in [5, 18, 38] {
        let array = Decimal128Array::from(vec![-5, 12_345]).with_precision_and_scale(precision, 2).unwrap();
        let statistics = statistics(Arc::new(array)).to_string();
        assert!(statistics.contains(r#""minValues":{"c":-0.05}"#), "{statistics}");
        assert!(statistics.contains(r#""maxValues":{"c":123.45}"#), "{statistics}");
    }
}

#[test]
fn booleans_have_bounds_and_binary_has_none() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    assert_eq!(bounds(flags), (json!(false), json!(true), json!(1)));
    let binary: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"x"), None]));
    assert_eq!(bounds(binary), (Value::Null, Value::Null, json!(1)));
}

#[test]
fn a_file_has_bounds_of_all_its_columns_or_of_none() {
    let statistics = |doubles: Vec<Option<f64>>| -> Value {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(Float64Array::from(doubles))];
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("x", DataType::Float64, true),
        ]);
        let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        serde_json::from_str(&encoded(&spec_of(&rows), &[rows])[0].file.stats).unwrap()
    };
    assert_eq!(statistics(vec![Some(1.0), None])["minValues"], json!({"n": 1, "x": 1.0}));
    assert_eq!(
        statistics(vec![None, None])["minValues"],
        json!({"n": 1}),
        "null has no bounds, and needs none"
    );
    let without = json!({"numRecords": 2, "nullCount": {"n": 0, "x": 0}});
    assert_eq!(statistics(vec![Some(1.0), Some(f64::NAN)]), without);
    assert_eq!(statistics(vec![Some(1.0), Some(f64::INFINITY)]), without);
}

#[test]
fn only_the_first_thirty_two_columns_are_counted() {
    let fields: Vec<Field> =
        (0..40).map(|number| Field::new(format!("c{number}"), DataType::Int32, true)).collect();
    let columns: Vec<ArrayRef> = (0..40).map(|_| Arc::new(Int32Array::from(vec![1])) as ArrayRef).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let files = encoded(&spec_of(&rows), &[rows]);
    let statistics: Value = serde_json::from_str(&files[0].file.stats).unwrap();
    assert_eq!(statistics["nullCount"].as_object().unwrap().len(), 32);
}
