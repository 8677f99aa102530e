//! [`RowSchema`]: an Avro record schema as the columns of a table.

use arrow::datatypes::SchemaRef;
use snafu::Snafu;

/// Why a schema text cannot describe the rows of a table.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum SchemaError {
    /// The text is not an Avro schema.
    #[snafu(display("failed to parse the Avro schema: {message}"))]
    Parse {
        /// What the parser says.
        message: String,
    },
}

/// The columns of a decoded row, parsed from the text of an Avro record schema.
#[derive(Clone, Debug)]
pub struct RowSchema {
    text: String,
    arrow: SchemaRef,
}

impl RowSchema {
    /// Parses the text of an Avro record schema.
    pub fn parse(_text: &str) -> Result<Self, SchemaError> {
        unimplemented!()
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
        self.arrow.fields().iter().map(|field| field.name().as_str())
    }
}
