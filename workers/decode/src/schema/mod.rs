//! [`RowSchema`]: an Avro record schema as the columns of a table.

mod arrow_types;
mod convert;
mod defaults;
mod error;
mod fields;
mod names;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use apache_avro::error::Details;
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};

pub(crate) use convert::fixed_type;
pub(crate) use defaults::DefaultValue;
pub use error::SchemaError;
pub(crate) use fields::Fields;
pub(crate) use names::NamedTypes;
pub(crate) use types::{ColumnType, Decimal, Field, Fixed, Slot, Symbols, TimestampUnit};

/// The columns of a decoded row, parsed from the text of an Avro record schema.
///
/// | Avro | Arrow |
/// |---|---|
/// | boolean, int, long, float, double | Boolean, Int32, Int64, Float32, Float64 |
/// | string, enum, uuid | Utf8 |
/// | bytes, fixed | Binary |
/// | decimal (precision up to 38) | Decimal128 |
/// | date | Date32 |
/// | timestamp-millis, timestamp-micros | Timestamp(Microsecond, UTC) |
/// | time-millis, time-micros | Int32, Int64 |
/// | array, map, record | List, Map, Struct |
/// | union of null and one other type | the other type, nullable |
///
/// Everything else is a [`SchemaError`] that names the field and what to write instead.
#[derive(Clone, Debug)]
pub struct RowSchema {
    text: String,
    fields: Arc<Fields>,
    arrow: SchemaRef,
}

impl RowSchema {
    /// Parses the text of an Avro record schema.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let schema = apache_avro::Schema::parse_str(text).map_err(|error| match error.into_details() {
            Details::FieldNameDuplicate(name) => {
                SchemaError::DuplicateField { first: name.clone(), second: name }
            }
            details => SchemaError::Parse { source: Box::new(details.into()) },
        })?;
        let fields = convert::row_fields(&schema)?;
        let arrow = ArrowSchema::new(arrow_types::fields(&fields));
        Ok(Self { text: text.to_owned(), fields: Arc::new(fields), arrow: Arc::new(arrow) })
    }

    /// The columns, in schema order.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the columns, in schema order.
    pub fn field_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    pub(crate) fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }
}
