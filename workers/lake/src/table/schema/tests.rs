use std::sync::Arc;

use arrow::datatypes::{Field, Fields, Schema, SchemaRef};

use super::*;
use crate::fixtures::events;

fn spec(fields: Vec<Field>) -> TableSpec {
    TableSpec { schema: Arc::new(Schema::new(fields)), partition_by: vec![], ..events() }
}

fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field::new(name, data_type, nullable)
}

fn schema_of(fields: Vec<Field>) -> StructType {
    delta_schema(&spec(fields)).unwrap()
}

fn base() -> Vec<Field> {
    vec![field("a", DataType::Int64, false), field("b", DataType::Utf8, true)]
}

fn outcome(wanted: Vec<Field>, found: Vec<Field>) -> Result<Fit, LakeError> {
    let spec = spec(wanted.clone());
    compare(&spec, &schema_of(wanted), &schema_of(found), &[])
}

#[test]
fn every_type_of_the_pipelines_has_its_delta_type() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let nested = DataType::Struct(Fields::from(vec![field("x", DataType::Int32, true)]));
    let list = DataType::List(Arc::new(field("item", DataType::Utf8, true)));
    let types = [
        (DataType::Boolean, "boolean"),
        (DataType::Int8, "byte"),
        (DataType::Int16, "short"),
        (DataType::Int32, "integer"),
        (DataType::Int64, "long"),
        (DataType::Float32, "float"),
        (DataType::Float64, "double"),
        (DataType::Utf8, "string"),
        (DataType::Utf8View, "string"),
        (DataType::Binary, "binary"),
        (DataType::Date32, "date"),
        (utc, "timestamp"),
        (DataType::Decimal128(10, 2), "decimal(10,2)"),
    ];
    for (data_type, expected) in types {
        let schema = schema_of(vec![field("c", data_type, true)]);
        assert_eq!(serde_json::to_value(schema.field("c").unwrap().data_type()).unwrap(), expected);
    }
    schema_of(vec![field("n", nested, true), field("l", list, true)]);
}

#[test]
fn types_that_readers_would_misread_are_refused_by_column() {
    let local = DataType::Timestamp(TimeUnit::Microsecond, None);
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    for data_type in [local, nanos, DataType::UInt32, DataType::Time64(TimeUnit::Microsecond)] {
        let error = delta_schema(&spec(vec![field("odd", data_type, true)])).unwrap_err();
        assert!(matches!(error, LakeError::UnsupportedType { .. }), "{error}");
        assert!(error.to_string().contains("'odd'"), "{error}");
    }
}

#[test]
fn partition_columns_must_be_plain_columns_that_leave_something_to_store() {
    let fields = || {
        vec![
            field("day", DataType::Date32, true),
            field("b", DataType::Binary, true),
            field("f", DataType::Float64, true),
        ]
    };
    for (partition_by, wrong) in [(vec!["nowhere"], "'nowhere'"), (vec!["b"], "'b'"), (vec!["f"], "'f'")] {
        let spec = TableSpec {
            partition_by: partition_by.into_iter().map(str::to_owned).collect(),
            ..spec(fields())
        };
        let error = delta_schema(&spec).unwrap_err();
        assert!(error.to_string().contains(wrong), "{error}");
    }
    let only_day = TableSpec {
        partition_by: vec!["day".to_owned()],
        ..spec(vec![field("day", DataType::Date32, true)])
    };
    assert!(delta_schema(&only_day).unwrap_err().to_string().contains("leaves no column"));
}

#[test]
fn column_names_that_differ_in_case_only_are_refused() {
    let error =
        delta_schema(&spec(vec![field("a", DataType::Int64, true), field("A", DataType::Int64, true)]));
    assert!(matches!(error.unwrap_err(), LakeError::SchemaIncompatible { .. }));
}

#[test]
fn a_table_fits_or_grows_at_its_end() {
    let c = || field("c", DataType::Date32, true);
    assert_eq!(outcome(base(), base()).unwrap(), Fit::Fits);
    let never_null = vec![field("a", DataType::Int64, false), field("b", DataType::Utf8, false)];
    assert_eq!(outcome(never_null, base()).unwrap(), Fit::Fits);
    let longer = || [base(), vec![c()]].concat();
    match outcome(longer(), base()).unwrap() {
        Fit::Grows(fields) => assert_eq!(fields.iter().map(StructField::name).collect::<Vec<_>>(), ["c"]),
        Fit::Fits => panic!("the table lacks a column"),
    }
    assert_eq!(outcome(base(), longer()).unwrap(), Fit::Fits);
}

#[test]
fn other_differences_name_the_column_and_the_fix() {
    let text = || field("b", DataType::Utf8, true);
    let number = || field("a", DataType::Int64, false);
    let cases = [
        (
            vec![number(), field("b", DataType::Int32, true)],
            base(),
            "'b' is string in the table, integer now",
        ),
        (vec![text(), number()], base(), "'b' stands where the table has 'a'"),
        (vec![field("a", DataType::Int64, true), text()], base(), "'a' may be null now"),
        ([base(), vec![field("c", DataType::Int32, false)]].concat(), base(), "'c' is new and never null"),
        (vec![text()], vec![text(), number()], "'a' is never null in the table, but is gone now"),
    ];
    for (wanted, found, complaint) in cases {
        let error = outcome(wanted, found).unwrap_err();
        assert!(matches!(error, LakeError::SchemaIncompatible { .. }), "{error}");
        assert!(error.to_string().contains(complaint), "{error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn other_partition_columns_are_refused() {
    let spec = events();
    let schema = delta_schema(&spec).unwrap();
    let error = compare(&spec, &schema, &schema, &["name".to_owned()]).unwrap_err();
    assert!(matches!(error, LakeError::PartitioningChanged { .. }), "{error}");
    let _: SchemaRef = spec.schema;
}
