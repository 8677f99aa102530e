//! Column types as Arrow fields.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};

use super::types::{ColumnType, Field, Slot};

// What Delta writers and Parquet readers call the parts of lists and maps.
const LIST_ITEM: &str = "element";
const MAP_ENTRIES: &str = "key_value";
const MAP_KEY: &str = "key";
const MAP_VALUE: &str = "value";

/// The fields of a record, in order.
pub(super) fn fields(fields: &[Field]) -> Fields {
    fields.iter().map(|field| arrow_field(&field.name, &field.slot)).collect()
}

fn arrow_field(name: &str, slot: &Slot) -> ArrowField {
    ArrowField::new(name, data_type(&slot.column), slot.nullable)
}

fn data_type(column: &ColumnType) -> DataType {
    match column {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int => DataType::Int32,
        ColumnType::Long => DataType::Int64,
        ColumnType::Float => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Text | ColumnType::Enum(_) | ColumnType::Uuid { .. } => DataType::Utf8,
        ColumnType::Bytes | ColumnType::Fixed(_) => DataType::Binary,
        ColumnType::Decimal(decimal) => DataType::Decimal128(decimal.precision, decimal.scale as i8),
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::List(item) => DataType::List(Arc::new(arrow_field(LIST_ITEM, item))),
        ColumnType::Map(value) => {
            let key = ArrowField::new(MAP_KEY, DataType::Utf8, false);
            let entry = DataType::Struct(Fields::from(vec![key, arrow_field(MAP_VALUE, value)]));
            DataType::Map(Arc::new(ArrowField::new(MAP_ENTRIES, entry, false)), false)
        }
        ColumnType::Record(nested) => DataType::Struct(fields(nested)),
    }
}
