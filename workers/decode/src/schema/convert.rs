//! A parsed Avro schema to [`Field`]s, or the reason why it has no columns.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, FixedSchema, InnerDecimalSchema, Name, RecordSchema, SchemaKind, UnionSchema, UuidSchema,
};
use snafu::{OptionExt, ensure};

use super::defaults::DefaultValue;
use super::error::{
    DecimalTooWideSnafu, DuplicateFieldSnafu, InvalidDefaultSnafu, NoFieldsSnafu, NotARecordSnafu,
    RecursiveTypeSnafu, UnsupportedTypeSnafu, UnsupportedUnionSnafu,
};
use super::names::{NamedTypes, bare_aliases};
use super::types::{ColumnType, Decimal, Field, Fixed, Slot, Symbols, TimestampUnit};
use super::{Fields, SchemaError};
use crate::fault::clipped;

/// The most digits that a column can hold.
const MAX_PRECISION: usize = 38;

/// The fields of the row that `schema` describes.
pub(super) fn row_fields(schema: &Schema) -> Result<Fields, SchemaError> {
    let Schema::Record(record) = schema else {
        return NotARecordSnafu { found: format!("a schema of type {}", type_name(schema)) }.fail();
    };
    let mut converter = Converter { names: NamedTypes::of(schema), open: Vec::new() };
    converter.record(record, "")
}

struct Converter<'a> {
    names: NamedTypes<'a>,
    /// The records around the present place, outermost first.
    open: Vec<&'a Name>,
}

impl<'a> Converter<'a> {
    fn record(&mut self, record: &'a RecordSchema, path: &str) -> Result<Fields, SchemaError> {
        ensure!(
            !self.open.contains(&&record.name),
            RecursiveTypeSnafu { path, name: record.name.fullname(None) }
        );
        let place = if path.is_empty() { "the schema".to_owned() } else { format!("field `{path}`") };
        ensure!(!record.fields.is_empty(), NoFieldsSnafu { place });
        self.open.push(&record.name);
        let mut fields = Vec::with_capacity(record.fields.len());
        let mut seen = HashMap::new();
        for field in &record.fields {
            let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            if let Some(first) = seen.insert(field.name.to_lowercase(), path.clone()) {
                return DuplicateFieldSnafu { first, second: path }.fail();
            }
            let slot = self.slot(&field.schema, &path)?;
            let default = match &field.default {
                None => None,
                Some(json) => Some(DefaultValue::read(json, &slot).with_context(|| InvalidDefaultSnafu {
                    path: &path,
                    found: clipped(&json.to_string()),
                    expected: slot.column.expected(),
                })?),
            };
            fields.push(Field { name: field.name.clone(), aliases: field.aliases.clone(), slot, default });
        }
        self.open.pop();
        Ok(Fields::new(fields))
    }

    fn slot(&mut self, schema: &'a Schema, path: &str) -> Result<Slot, SchemaError> {
        match schema {
            Schema::Union(union) => {
                Ok(Slot { column: self.column(nullable_branch(union, path)?, path)?, nullable: true })
            }
            _ => Ok(Slot { column: self.column(schema, path)?, nullable: false }),
        }
    }

    fn column(&mut self, schema: &'a Schema, path: &str) -> Result<ColumnType, SchemaError> {
        Ok(match schema {
            Schema::Ref { name } => {
                // The parser refuses references to what is not defined.
                let target = self.names.resolve(name).with_context(|| UnsupportedTypeSnafu {
                    path,
                    found: format!("the undefined type `{}`", name.fullname(None)),
                    instead: "its definition",
                })?;
                return self.column(target, path);
            }
            Schema::Boolean => ColumnType::Boolean,
            Schema::Int | Schema::TimeMillis => ColumnType::Int,
            Schema::Long | Schema::TimeMicros => ColumnType::Long,
            Schema::Float => ColumnType::Float,
            Schema::Double => ColumnType::Double,
            Schema::String => ColumnType::Text,
            // A uuid is a logical type of string and fixed only; Avro ignores it elsewhere.
            Schema::Bytes | Schema::Uuid(UuidSchema::Bytes) => ColumnType::Bytes,
            Schema::Fixed(fixed) => ColumnType::Fixed(fixed_type(fixed)),
            Schema::Enum(symbols) => ColumnType::Enum(Symbols {
                symbols: symbols.symbols.clone(),
                default: symbols.default.clone(),
            }),
            Schema::Decimal(decimal) => ColumnType::Decimal(decimal_type(decimal, path)?),
            Schema::Date => ColumnType::Date,
            Schema::TimestampMillis => ColumnType::Timestamp(TimestampUnit::Millis),
            Schema::TimestampMicros => ColumnType::Timestamp(TimestampUnit::Micros),
            Schema::Uuid(UuidSchema::String) => ColumnType::Uuid { fixed: None },
            Schema::Uuid(UuidSchema::Fixed(fixed)) => ColumnType::Uuid { fixed: Some(fixed_type(fixed)) },
            Schema::Array(array) => {
                ColumnType::List(Box::new(self.slot(&array.items, &format!("{path}[]"))?))
            }
            Schema::Map(map) => ColumnType::Map(Box::new(self.slot(&map.types, &format!("{path}{{}}"))?)),
            Schema::Record(record) => ColumnType::Record(self.record(record, path)?),
            Schema::Union(_) => {
                return UnsupportedUnionSnafu { path, found: "a union within a union" }.fail();
            }
            Schema::Null
            | Schema::BigDecimal
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos
            | Schema::Duration(_) => {
                return UnsupportedTypeSnafu { path, found: type_name(schema), instead: alternative(schema) }
                    .fail();
            }
        })
    }
}

/// The type beside null in a union of two.
fn nullable_branch<'a>(union: &'a UnionSchema, path: &str) -> Result<&'a Schema, SchemaError> {
    match union.variants() {
        [Schema::Null, branch] | [branch, Schema::Null] => Ok(branch),
        branches => {
            let names = branches.iter().map(type_name).collect::<Vec<_>>().join(", ");
            UnsupportedUnionSnafu { path, found: format!("the union [{names}]") }.fail()
        }
    }
}

fn decimal_type(decimal: &DecimalSchema, path: &str) -> Result<Decimal, SchemaError> {
    ensure!(decimal.precision <= MAX_PRECISION, DecimalTooWideSnafu { path, precision: decimal.precision });
    let fixed = match &decimal.inner {
        InnerDecimalSchema::Bytes => None,
        InnerDecimalSchema::Fixed(fixed) => Some(fixed_type(fixed)),
    };
    Ok(Decimal { precision: decimal.precision as u8, scale: decimal.scale as u8, fixed })
}

pub(crate) fn fixed_type(fixed: &FixedSchema) -> Fixed {
    Fixed { name: fixed.name.name().to_owned(), aliases: bare_aliases(&fixed.aliases), size: fixed.size }
}

/// What to write in place of a type that has no column type.
fn alternative(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "[\"null\", type], or leave the field out",
        Schema::BigDecimal => "decimal with a precision and a scale",
        Schema::Duration(_) => "the parts as int fields",
        _ => "timestamp-micros, or a plain long",
    }
}

/// The type as it is spelled in a schema text.
pub(crate) fn type_name(schema: &Schema) -> String {
    match schema {
        Schema::Ref { name } => name.fullname(None),
        Schema::TimestampNanos => "timestamp-nanos".to_owned(),
        Schema::LocalTimestampMillis => "local-timestamp-millis".to_owned(),
        Schema::LocalTimestampMicros => "local-timestamp-micros".to_owned(),
        Schema::LocalTimestampNanos => "local-timestamp-nanos".to_owned(),
        Schema::TimestampMillis => "timestamp-millis".to_owned(),
        Schema::TimestampMicros => "timestamp-micros".to_owned(),
        Schema::TimeMillis => "time-millis".to_owned(),
        Schema::TimeMicros => "time-micros".to_owned(),
        Schema::BigDecimal => "big-decimal".to_owned(),
        Schema::Record(_) | Schema::Enum(_) | Schema::Fixed(_) => {
            let name = schema.name().map(|name| format!(" {}", name.fullname(None))).unwrap_or_default();
            format!("{}{name}", format!("{:?}", SchemaKind::from(schema)).to_lowercase())
        }
        _ => format!("{:?}", SchemaKind::from(schema)).to_lowercase(),
    }
}
