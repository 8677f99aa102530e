//! Whether a table's columns are the ones wanted, and how they may grow. Pure.

use arrow::datatypes::{DataType, TimeUnit};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{StructField, StructType};
use snafu::{OptionExt, ensure};

use super::TableSpec;
use crate::error::{LakeError, PartitioningChangedSnafu, SchemaIncompatibleSnafu, UnsupportedTypeSnafu};

/// How an existing table relates to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It can take the rows as it is.
    Fits,
    /// It can, after these columns have been added at its end.
    Grows(Vec<StructField>),
}

/// The wanted columns in Delta's terms.
pub(super) fn delta_schema(spec: &TableSpec) -> Result<StructType, LakeError> {
    let mut fields = Vec::with_capacity(spec.schema.fields().len());
    for field in spec.schema.fields() {
        let converted: Option<StructField> =
            if is_delta_type(field.data_type()) { field.as_ref().try_into_kernel().ok() } else { None };
        fields.push(converted.with_context(|| UnsupportedTypeSnafu {
            table: &spec.name,
            column: field.name(),
            data_type: field.data_type().to_string(),
        })?);
    }
    for column in &spec.partition_by {
        let known =
            spec.schema.field_with_name(column).is_ok_and(|field| is_partition_type(field.data_type()));
        ensure!(
            known,
            SchemaIncompatibleSnafu {
                table: &spec.name,
                column,
                problem: "is to partition the table, but is not one of its columns of text, numbers or times",
                fix: "name another column in partitionBy",
            }
        );
    }
    ensure!(
        fields.len() > spec.partition_by.len(),
        SchemaIncompatibleSnafu {
            table: &spec.name,
            column: spec.partition_by.join(", "),
            problem: "leaves no column for the data files",
            fix: "take a column out of partitionBy",
        }
    );
    let unique = StructType::try_new(fields);
    unique.map_err(|error| {
        SchemaIncompatibleSnafu {
            table: &spec.name,
            column: spec
                .schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect::<Vec<_>>()
                .join(", "),
            problem: format!("cannot be a table ({error})"),
            fix: "give each column a name of its own; case does not count",
        }
        .build()
    })
}

/// Only types that every Delta reader of protocol version 1 knows, with the same meaning as in Arrow.
fn is_delta_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Date32 => true,
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => zone.eq_ignore_ascii_case("utc"),
        DataType::List(item) => is_delta_type(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_delta_type(field.data_type())),
        DataType::Map(entries, _) => is_delta_type(entries.data_type()),
        _ => false,
    }
}

/// Types whose values have one text that all readers agree on.
fn is_partition_type(data_type: &DataType) -> bool {
    let is_binary = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    !data_type.is_nested() && !is_binary && !is_float
}

const RESTORE: &str = "restore the column's expression, or use another storage.uri and read the topic again";

/// Compares a table with what is wanted.
///
/// Columns must agree in name, order and type. A table may lack columns at the end that may be null, and
/// it may have more such columns at its end (a newer configuration's): rows then carry null in them.
pub(super) fn compare(
    spec: &TableSpec,
    wanted: &StructType,
    found: &StructType,
    found_partition_by: &[String],
) -> Result<Fit, LakeError> {
    ensure!(
        spec.partition_by == found_partition_by,
        PartitioningChangedSnafu {
            table: &spec.name,
            found: found_partition_by.join(", "),
            wanted: spec.partition_by.join(", "),
        }
    );
    let incompatible = |column: &str, problem: String, fix: &str| {
        SchemaIncompatibleSnafu { table: &spec.name, column, problem, fix }.build()
    };
    let found: Vec<&StructField> = found.fields().collect();
    let mut missing = Vec::new();
    for (index, want) in wanted.fields().enumerate() {
        let Some(have) = found.get(index) else {
            if !want.is_nullable() {
                let problem = "is new and never null, but older rows have no value for it".to_owned();
                return Err(incompatible(want.name(), problem, "let the new column be null"));
            }
            missing.push(want.clone());
            continue;
        };
        if have.name() != want.name() {
            let problem = format!("stands where the table has '{}'", have.name());
            return Err(incompatible(
                want.name(),
                problem,
                "keep the order of columns, and add new ones at the end",
            ));
        }
        if have.data_type() != want.data_type() {
            let problem = format!("is {} in the table, {} now", have.data_type(), want.data_type());
            return Err(incompatible(want.name(), problem, RESTORE));
        }
        if want.is_nullable() && !have.is_nullable() {
            let problem = "may be null now, but never is in the table".to_owned();
            return Err(incompatible(want.name(), problem, RESTORE));
        }
    }
    if let Some(extra) = found.iter().skip(wanted.num_fields()).find(|field| !field.is_nullable()) {
        return Err(incompatible(
            extra.name(),
            "is never null in the table, but is gone now".to_owned(),
            RESTORE,
        ));
    }
    Ok(if missing.is_empty() { Fit::Fits } else { Fit::Grows(missing) })
}

#[cfg(test)]
mod tests;
