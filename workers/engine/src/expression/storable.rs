//! Which types a Delta table can hold, and which others convert to them without loss.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};

use super::Problem;
use crate::tables::timestamp_type;

/// The type under which values are stored, or why a Delta table cannot hold them.
///
/// Text, bytes and lists of any layout become the plain ones; timestamps become microseconds in UTC (those
/// without a zone are read as UTC).
pub(crate) fn storable(data_type: &DataType) -> Result<DataType, Problem> {
    canonical(data_type).ok_or_else(|| {
        let message = format!("its values are of type {data_type}, which a Delta table cannot hold");
        Problem::new(message, fix(data_type))
    })
}

/// The type under which values are stored; `None` where a Delta table cannot hold them.
pub(crate) fn canonical(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Timestamp(_, _) => timestamp_type(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *precision <= DECIMAL128_MAX_PRECISION && *scale >= 0 && *scale as u8 <= *precision =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, values) => canonical(values)?,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(canonical_field(item)?)
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(canonical_field).collect::<Option<Vec<_>>>()?.into())
        }
        DataType::Map(entries, sorted) => DataType::Map(canonical_field(entries)?, *sorted),
        _ => return None,
    })
}

fn canonical_field(field: &FieldRef) -> Option<FieldRef> {
    Some(Arc::new(Field::new(field.name(), canonical(field.data_type())?, field.is_nullable())))
}

fn fix(data_type: &DataType) -> String {
    let target = match data_type {
        DataType::Null => "the type that is meant, such as CAST(NULL AS VARCHAR)",
        DataType::UInt8 | DataType::UInt16 => "INT",
        DataType::UInt32 | DataType::UInt64 | DataType::Duration(_) => "BIGINT",
        DataType::Float16 => "REAL",
        DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) => "VARCHAR",
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => "DECIMAL(38, s) with a scale from 0 to 38",
        _ => "a type of boolean, whole or decimal number, text, bytes, date, timestamp, list or struct",
    };
    format!("CAST it to {target}")
}
