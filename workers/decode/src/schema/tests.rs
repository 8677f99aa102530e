use arrow::datatypes::{DataType, Field as ArrowField, Fields as ArrowFields, TimeUnit};

use super::*;
use crate::testing::{TRANSACTION, record_of, record_of_one};

fn column_type(avro: &str) -> (DataType, bool) {
    let schema = RowSchema::parse(&record_of_one(avro)).unwrap();
    let field = schema.arrow().field(0).clone();
    (field.data_type().clone(), field.is_nullable())
}

fn error(text: &str) -> String {
    RowSchema::parse(text).unwrap_err().to_string()
}

#[test]
fn the_example_has_nine_columns_in_order() {
    let schema = RowSchema::parse(TRANSACTION).unwrap();
    let columns: Vec<_> = schema
        .arrow()
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field.data_type().clone()))
        .collect();
    assert_eq!(
        columns,
        [
            ("transaction_id", DataType::Utf8),
            ("user_id", DataType::Int32),
            ("amount", DataType::Float64),
            ("merchant", DataType::Utf8),
            ("timestamp", DataType::Utf8),
            ("is_fraud", DataType::Boolean),
            ("payment_method", DataType::Utf8),
            ("location", DataType::Utf8),
            ("device_id", DataType::Utf8),
        ]
    );
    assert!(schema.arrow().fields().iter().all(|field| !field.is_nullable()));
    assert_eq!(schema.text(), TRANSACTION);
    assert_eq!(schema.field_names().nth(2), Some("amount"));
}

#[test]
fn every_scalar_type_has_its_column_type() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    for (avro, expected) in [
        (r#""boolean""#, DataType::Boolean),
        (r#""int""#, DataType::Int32),
        (r#""long""#, DataType::Int64),
        (r#""float""#, DataType::Float32),
        (r#""double""#, DataType::Float64),
        (r#""string""#, DataType::Utf8),
        (r#"{"type": "string"}"#, DataType::Utf8),
        (r#""bytes""#, DataType::Binary),
        (r#"{"type": "fixed", "name": "F", "size": 3}"#, DataType::Binary),
        (r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#, DataType::Utf8),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}"#,
            DataType::Decimal128(38, 9),
        ),
        (r#"{"type": "bytes", "logicalType": "decimal", "precision": 4}"#, DataType::Decimal128(4, 0)),
        (
            r#"{"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 10, "scale": 2}"#,
            DataType::Decimal128(10, 2),
        ),
        (r#"{"type": "int", "logicalType": "date"}"#, DataType::Date32),
        (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, micros.clone()),
        (r#"{"type": "long", "logicalType": "timestamp-micros"}"#, micros),
        (r#"{"type": "int", "logicalType": "time-millis"}"#, DataType::Int32),
        (r#"{"type": "long", "logicalType": "time-micros"}"#, DataType::Int64),
        (r#"{"type": "string", "logicalType": "uuid"}"#, DataType::Utf8),
        (r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#, DataType::Utf8),
        (r#"{"type": "string", "logicalType": "colour"}"#, DataType::Utf8),
    ] {
        assert_eq!(column_type(avro), (expected.clone(), false), "{avro}");
        assert_eq!(column_type(&format!(r#"["null", {avro}]"#)), (expected.clone(), true), "{avro}");
        assert_eq!(column_type(&format!(r#"[{avro}, "null"]"#)), (expected, true), "{avro}");
    }
}

#[test]
fn nested_types_carry_the_names_that_delta_readers_expect() {
    let (list, _) = column_type(r#"{"type": "array", "items": ["null", "long"]}"#);
    assert_eq!(list, DataType::List(Arc::new(ArrowField::new("element", DataType::Int64, true))));
    let (map, _) = column_type(r#"{"type": "map", "values": "double"}"#);
    let entry = ArrowFields::from(vec![
        ArrowField::new("key", DataType::Utf8, false),
        ArrowField::new("value", DataType::Float64, false),
    ]);
    let entries = ArrowField::new("key_value", DataType::Struct(entry), false);
    assert_eq!(map, DataType::Map(Arc::new(entries), false));
    let (record, _) = column_type(
        r#"{"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]}]}"#,
    );
    let fields =
        vec![ArrowField::new("x", DataType::Int32, false), ArrowField::new("y", DataType::Utf8, true)];
    assert_eq!(record, DataType::Struct(fields.into()));
}

#[test]
fn references_resolve_with_namespaces_and_keep_their_logical_type() {
    let schema = RowSchema::parse(
        r#"{"type": "record", "name": "Row", "namespace": "a.b", "fields": [
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["X"]}},
            {"name": "again", "type": "Kind"},
            {"name": "full", "type": ["null", "a.b.Kind"]},
            {"name": "price", "type": {"type": "fixed", "name": "Money", "namespace": "c", "size": 8,
                                        "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "cost", "type": "c.Money"},
            {"name": "inner", "type": {"type": "record", "name": "Inner", "namespace": "d", "fields": [
                {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 2}}]}},
            {"name": "ids", "type": {"type": "array", "items": "d.Id"}},
            {"name": "second", "type": "d.Inner"}]}"#,
    )
    .unwrap();
    let types: Vec<_> = schema.arrow().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types[1], DataType::Utf8);
    assert_eq!(types[2], DataType::Utf8);
    assert_eq!(types[4], DataType::Decimal128(12, 2));
    assert_eq!(types[6], DataType::List(Arc::new(ArrowField::new("element", DataType::Binary, false))));
    assert_eq!(types[7], types[5]);
}

#[test]
fn what_has_no_column_type_is_refused_with_its_path_and_the_remedy() {
    for (avro, parts) in [
        (r#""null""#, ["field `v`", "null has no column type", r#"["null", type]"#]),
        (r#"["int", "string"]"#, ["field `v`", "the union [int, string]", r#"["null", type]"#]),
        (r#"["null", "int", "string"]"#, ["field `v`", "[null, int, string]", "one type"]),
        (r#"["int"]"#, ["field `v`", "the union [int]", "one type"]),
        (r#"["null"]"#, ["field `v`", "the union [null]", "one type"]),
        (r#"{"type": "array", "items": ["int", "string"]}"#, ["field `v[]`", "[int, string]", "one type"]),
        (r#"{"type": "map", "values": "null"}"#, ["field `v{}`", "null", "leave the field out"]),
        (
            r#"{"type": "record", "name": "P", "fields": [{"name": "x", "type": {"type": "long", "logicalType": "local-timestamp-millis"}}]}"#,
            ["field `v.x`", "local-timestamp-millis", "timestamp-micros"],
        ),
        (
            r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#,
            ["field `v`", "local-timestamp-micros", "timestamp-micros"],
        ),
        (
            r#"{"type": "long", "logicalType": "timestamp-nanos"}"#,
            ["field `v`", "timestamp-nanos", "timestamp-micros"],
        ),
        (
            r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#,
            ["field `v`", "duration", "int fields"],
        ),
        (r#"{"type": "bytes", "logicalType": "big-decimal"}"#, ["field `v`", "big-decimal", "a scale"]),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 39}"#,
            ["field `v`", "precision 39 is beyond 38", "at most 38"],
        ),
        (r#"{"type": "record", "name": "P", "fields": []}"#, ["field `v`", "no fields", "at least one"]),
        (r#"["null", "Row"]"#, ["field `v`", "record `Row` contains itself", "as a string"]),
        (
            r#"{"type": "array", "items": "Row"}"#,
            ["field `v[]`", "record `Row` contains itself", "as a string"],
        ),
    ] {
        let message = error(&record_of_one(avro));
        for part in parts {
            assert!(message.contains(part), "{avro}: `{part}` is not in: {message}");
        }
    }
}

#[test]
fn what_is_no_record_schema_is_refused() {
    for (text, part) in [
        ("", "failed to parse the Avro schema"),
        ("{", "failed to parse the Avro schema"),
        (r#"{"type": "record", "name": "Row"}"#, "failed to parse the Avro schema"),
        (r#""bool""#, "failed to parse the Avro schema"),
        (r#""string""#, "a schema of type string, but a row needs a record"),
        (r#"["null", "string"]"#, "of type union"),
        (r#"{"type": "array", "items": "int"}"#, "of type array"),
        (r#"{"type": "record", "name": "Row", "fields": []}"#, "the schema: the record has no fields"),
    ] {
        let message = error(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn two_fields_of_one_name_are_refused_whatever_their_case() {
    for (first, second) in [("a", "a"), ("a", "A"), ("userId", "userid")] {
        let fields =
            format!(r#"{{"name": "{first}", "type": "int"}}, {{"name": "{second}", "type": "int"}}"#);
        let message = error(&record_of(&fields));
        assert!(message.contains(&format!("field `{second}`")) && message.contains("rename"), "{message}");
    }
}

#[test]
fn a_default_that_is_no_value_of_its_field_is_refused() {
    for (avro, default) in [
        (r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#, r#""B""#),
        (r#""int""#, r#""1""#),
        (r#""int""#, "3000000000"),
        (r#""string""#, "null"),
        (r#"{"type": "fixed", "name": "F", "size": 2}"#, r#""abc""#),
        (r#""bytes""#, r#""\u0100""#),
        (r#"{"type": "bytes", "logicalType": "decimal", "precision": 2}"#, r#""\u0064""#),
    ] {
        let message = error(&record_of(&format!(r#"{{"name": "v", "type": {avro}, "default": {default}}}"#)));
        assert!(message.contains("default") || message.contains("parse"), "{avro} {default}: {message}");
    }
}

#[test]
fn decimals_are_read_from_any_number_of_bytes_if_they_fit() {
    let decimal = Decimal { precision: 4, scale: 2, fixed: None };
    for (bytes, expected) in [
        (&[][..], None),
        (&[0], Some(0)),
        (&[0x7f], Some(127)),
        (&[0xff], Some(-1)),
        (&[0x27, 0x0f], Some(9999)),
        (&[0x27, 0x10], None),
        (&[0xd8, 0xf1], Some(-9999)),
        (&[0xd8, 0xf0], None),
        (&[0; 40], Some(0)),
        (&[0xff; 40], Some(-1)),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
        (
            &[
                0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff,
            ],
            None,
        ),
        (&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], None),
    ] {
        assert_eq!(decimal.read(bytes), expected, "{bytes:?}");
    }
    let widest = Decimal { precision: 38, scale: 0, fixed: None };
    let largest = 10i128.pow(38) - 1;
    assert_eq!(widest.read(&largest.to_be_bytes()), Some(largest));
    assert_eq!(widest.read(&(largest + 1).to_be_bytes()), None);
    assert_eq!(widest.read(&(-largest).to_be_bytes()), Some(-largest));
    assert_eq!(widest.read(&i128::MIN.to_be_bytes()), None);
}
