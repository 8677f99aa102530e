//! Expressions: names, types, and rows that fail.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;

use super::storable::canonical;
use super::{Compiler, Evaluated, Expression, Problem, Scope};
use crate::silver::Selection;
use crate::tables::timestamp_type;

fn columns() -> Vec<(&'static str, ArrayRef)> {
    let place = StructArray::from(vec![
        (
            Arc::new(Field::new("city", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["Paris", "Rome", "Oslo"])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("zip", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef,
        ),
    ]);
    vec![
        ("number", Arc::new(Int64Array::from(vec![Some(1), Some(0), None]))),
        ("Number", Arc::new(Int64Array::from(vec![10, 20, 30]))),
        ("text", Arc::new(StringArray::from(vec!["5", "x", "7"]))),
        ("partition", Arc::new(Int32Array::from(vec![4, 5, 6]))),
        ("offset", Arc::new(Int64Array::from(vec![40, 50, 60]))),
        ("timestamp", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("value", Arc::new(Float64Array::from(vec![0.5, 1.5, f64::NAN]))),
        ("place", Arc::new(place)),
    ]
}

fn compile(sql: &str) -> Result<(Expression, Vec<ArrayRef>), Problem> {
    let mut scope = Scope::default();
    let columns = columns();
    for (name, column) in &columns {
        scope.push(name, column.data_type().clone());
    }
    let expression = Compiler::new().compile(sql, &scope)?;
    let data_type = canonical(expression.data_type()).expect("the type can be stored");
    Ok((expression.converted_to(data_type), columns.into_iter().map(|(_, column)| column).collect()))
}

fn evaluate(sql: &str, selection: &Selection) -> Evaluated {
    let (expression, columns) = compile(sql).unwrap_or_else(|problem| panic!("{sql}: {problem:?}"));
    expression.evaluate(&columns, selection)
}

/// The values on the three rows as text, none of which may fail.
fn values(sql: &str) -> Vec<String> {
    let Evaluated { values, failures } = evaluate(sql, &Selection::all(3));
    assert_eq!(failures.len(), 0, "{failures:?}");
    let options = FormatOptions::new().with_null("NULL");
    let formatter = ArrayFormatter::try_new(&values, &options).expect("the type can be shown");
    (0..values.len()).map(|row| formatter.value(row).to_string()).collect()
}

fn failed_rows(evaluated: &Evaluated) -> Vec<usize> {
    evaluated.failures.iter().map(|failure| failure.row).collect()
}

#[test]
fn column_names_are_case_sensitive_and_function_names_are_not() {
    assert_eq!(values("number"), ["1", "0", "NULL"]);
    assert_eq!(values("Number"), ["10", "20", "30"]);
    assert_eq!(values("UPPER(text)"), ["5", "X", "7"]);
    assert_eq!(values("Coalesce(number, Number)"), ["1", "0", "30"]);
}

#[test]
fn keywords_of_sql_that_name_built_in_columns_need_no_quotes() {
    assert_eq!(values("partition + 1"), ["5", "6", "7"]);
    assert_eq!(values("offset % 50"), ["40", "0", "10"]);
    assert_eq!(values("CASE WHEN partition = 4 AND offset = 40 THEN 1 END"), ["1", "NULL", "NULL"]);
    assert_eq!(values("timestamp || '!'"), ["a!", "b!", "c!"]);
    assert_eq!(values("length(timestamp)"), ["1", "1", "1"]);
    assert_eq!(values("value > 1"), ["false", "true", "true"]);
}

#[test]
fn a_field_of_a_record_is_reached_with_a_dot() {
    assert_eq!(values("place.city"), ["Paris", "Rome", "Oslo"]);
    assert_eq!(values("place.zip * 2"), ["2", "4", "6"]);
    assert_eq!(values("place['city']"), ["Paris", "Rome", "Oslo"]);
}

#[test]
fn a_constant_is_a_value_of_every_row() {
    assert_eq!(values("1"), ["1", "1", "1"]);
    assert_eq!(values("CAST(NULL AS VARCHAR)"), ["NULL", "NULL", "NULL"]);
}

#[test]
fn text_comes_out_as_plain_text() {
    for sql in ["split_part(text, ',', 1)", "CAST(number AS VARCHAR)", "arrow_cast(text, 'LargeUtf8')", "'a'"]
    {
        let Evaluated { values, .. } = evaluate(sql, &Selection::all(3));
        assert_eq!(values.data_type(), &DataType::Utf8, "{sql}");
    }
}

#[test]
fn timestamps_come_out_in_microseconds_utc() {
    let sql = "to_timestamp('1969-12-31T23:59:59.5')";
    assert_eq!(values(sql)[0], "1969-12-31T23:59:59.500Z");
    assert_eq!(values("arrow_cast(0, 'Timestamp(Second, None)')")[0], "1970-01-01T00:00:00Z");
}

#[test]
fn only_the_failing_rows_fail() {
    let evaluated = evaluate("CAST(text AS BIGINT)", &Selection::all(3));
    assert_eq!(failed_rows(&evaluated), [1]);
    let values = evaluated.values.as_primitive::<Int64Type>();
    assert_eq!((values.value(0), values.is_null(1), values.value(2)), (5, true, 7));
    assert!(evaluated.failures[0].error.contains("'x'"), "{}", evaluated.failures[0].error);
}

#[test]
fn all_rows_may_fail() {
    let evaluated = evaluate("10 / (Number - Number)", &Selection::all(3));
    assert_eq!(failed_rows(&evaluated), [0, 1, 2]);
    assert_eq!(evaluated.values.null_count(), 3);
}

#[test]
fn a_constant_that_fails_fails_on_every_row_or_not_at_all() {
    match compile("1 / 0") {
        Ok((expression, columns)) => {
            assert_eq!(failed_rows(&expression.evaluate(&columns, &Selection::all(3))), [0, 1, 2]);
        }
        Err(problem) => assert!(problem.message.contains("ivide by zero"), "{problem:?}"),
    }
}

#[test]
fn rows_that_are_not_selected_cannot_fail() {
    let mut selection = Selection::all(3);
    assert_eq!(selection.keep(&BooleanBuffer::from(vec![true, false, true])), [1]);
    let evaluated = evaluate("10 / number", &selection);
    assert_eq!(failed_rows(&evaluated), [0_usize; 0]);
    let values = evaluated.values.as_primitive::<Int64Type>();
    assert_eq!((values.value(0), values.is_null(2)), (10, true));
}

#[test]
fn a_guard_before_a_division_holds_for_each_row() {
    assert_eq!(values("number <> 0 AND 10 / number = 10"), ["true", "false", "NULL"]);
    assert_eq!(values("CASE WHEN number <> 0 THEN 10 / number END"), ["10", "NULL", "NULL"]);
}

#[test]
fn whole_numbers_that_overflow_fail() {
    let evaluated = evaluate("9223372036854775800 + Number", &Selection::all(3));
    assert_eq!(failed_rows(&evaluated), [0, 1, 2]);
    let evaluated =
        evaluate("CASE WHEN Number > 10 THEN 9223372036854775780 + Number ELSE 0 END", &Selection::all(3));
    assert_eq!(failed_rows(&evaluated), [2]);
}

#[test]
fn nested_types_convert_to_those_that_a_table_holds() {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    assert_eq!(
        canonical(&DataType::LargeList(item(DataType::Utf8View))),
        Some(DataType::List(item(DataType::Utf8)))
    );
    let fields: Fields = vec![Field::new("a", DataType::LargeUtf8, true)].into();
    let plain: Fields = vec![Field::new("a", DataType::Utf8, true)].into();
    assert_eq!(canonical(&DataType::Struct(fields)), Some(DataType::Struct(plain)));
    assert_eq!(canonical(&DataType::List(item(DataType::UInt8))), None);
    assert_eq!(canonical(&DataType::Decimal256(10, 2)), None);
    assert_eq!(canonical(&DataType::Decimal128(10, -2)), None);
    assert_eq!(canonical(&DataType::Decimal64(10, 2)), Some(DataType::Decimal128(10, 2)));
}

proptest! {
    #[test]
    fn the_calendar_of_utc_is_that_of_the_general_functions(
        // The years 0001 to 9999.
        times in prop::collection::vec(prop::option::weighted(0.9, -62_135_596_800_000_000..=253_402_300_799_999_999_i64), 1..50),
    ) {
        let mut scope = Scope::default();
        scope.push("at", timestamp_type());
        scope.push("zoneless", DataType::Timestamp(TimeUnit::Microsecond, None));
        let at = TimestampMicrosecondArray::from(times);
        let columns: Vec<ArrayRef> = vec![Arc::new(at.clone().with_timezone("UTC")), Arc::new(at)];
        let selection = Selection::all(columns[0].len());
        let compiler = Compiler::new();
        for sql in ["CAST(? AS DATE)", "date_part('hour', ?)", "date_part('MINUTE', ?)", "date_part('dow', ?)", "extract(hour from ?)"] {
            let fast = compiler.compile(&sql.replace('?', "at"), &scope).expect("it compiles");
            let is_arithmetic = |expression: &Expression| format!("{:?}", expression.physical).contains("UtcPart");
            prop_assert!(is_arithmetic(&fast), "{:?}", fast.physical);
            let general = compiler.compile(&sql.replace('?', "zoneless"), &scope).expect("it compiles");
            prop_assert!(!is_arithmetic(&general), "{:?}", general.physical);
            let (fast, general) = (fast.evaluate(&columns, &selection), general.evaluate(&columns, &selection));
            prop_assert_eq!(&fast.values, &general.values);
        }
    }
}
