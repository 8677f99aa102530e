use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    BooleanArray, Date32Array, DictionaryArray, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn numbers(part: &RecordBatch) -> Vec<i32> {
    part.column_by_name("n").unwrap().as_primitive::<Int32Type>().values().to_vec()
}

fn n(count: i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(0..count))
}

#[test]
fn rows_of_one_partition_are_not_copied() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![20_458; 3]));
    let rows = batch(vec![("n", n(3)), ("day", days)]);
    let parts = split(&rows, &[1]).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].0, [Some("2026-01-05".to_owned())]);
    assert!(Arc::ptr_eq(parts[0].1.column(0), rows.column(0)));
    assert_eq!(split(&rows, &[]).unwrap()[0].0, PartitionValues::new());
}

#[test]
fn rows_are_cut_by_all_columns_and_keep_their_order() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(1), Some(0), None, Some(1), Some(0)]));
    let texts: DictionaryArray<Int32Type> =
        [Some("a"), Some("a"), Some("b"), Some("a"), Some("a"), Some("a")].into_iter().collect();
    let rows = batch(vec![("n", n(6)), ("day", days), ("text", Arc::new(texts))]);
    let parts: BTreeMap<PartitionValues, Vec<i32>> =
        split(&rows, &[1, 2]).unwrap().into_iter().map(|(values, part)| (values, numbers(&part))).collect();
    let key = |day: Option<&str>, text: &str| vec![day.map(str::to_owned), Some(text.to_owned())];
    let expected = BTreeMap::from([
        (key(Some("1970-01-01"), "a"), vec![0, 5]),
        (key(Some("1970-01-01"), "b"), vec![2]),
        (key(Some("1970-01-02"), "a"), vec![1, 4]),
        (key(None, "a"), vec![3]),
    ]);
    assert_eq!(parts, expected);
}

#[test]
fn the_empty_string_is_null_as_the_protocol_has_it() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(""), None]));
    let parts = split(&batch(vec![("n", n(2)), ("text", texts)]), &[1]).unwrap();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|(values, _)| *values == [None]));
}

#[test]
fn values_have_the_protocols_text() {
    let columns: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(Int32Array::from(vec![-7])), "-7"),
        (Arc::new(BooleanArray::from(vec![true])), "true"),
        (Arc::new(Date32Array::from(vec![-1])), "1969-12-31"),
        (Arc::new(StringArray::from(vec!["a/b c%ü"])), "a/b c%ü"),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![1_767_643_200_000_001]).with_timezone("UTC")),
            "2026-01-05 20:00:00.000001",
        ),
    ];
    for (column, expected) in columns {
        assert_eq!(values(&[column], 0).unwrap(), [Some(expected.to_owned())]);
    }
}

#[test]
fn directories_need_no_escaping_anywhere() {
    let columns = ["merchant name".to_owned(), "day".to_owned()];
    let long = "x".repeat(500);
    for (merchant, expected) in [
        (Some("Müller & Söhne/Köln"), "merchant_name=M_ller___S_hne_K_ln/day=2026-01-05/"),
        (Some("100%#?"), "merchant_name=100___/day=2026-01-05/"),
        (None, "merchant_name=__HIVE_DEFAULT_PARTITION__/day=2026-01-05/"),
        (Some(long.as_str()), &format!("merchant_name={}/day=2026-01-05/", "x".repeat(64))),
    ] {
        let values = vec![merchant.map(str::to_owned), Some("2026-01-05".to_owned())];
        assert_eq!(directory(&columns, &values), expected);
    }
    assert_eq!(directory(&[], &Vec::new()), "");
}
