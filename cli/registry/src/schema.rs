//! [`AvroSchema`]: one registered schema, as sent and in the two forms that comparisons need.

use apache_avro::Schema;
use snafu::{ResultExt, Snafu};

use crate::canonical::canonical_text;
use crate::inline::{InlineError, inline};

/// Why a text is not a schema that the registry takes.
#[derive(Debug, Snafu)]
pub(crate) enum SchemaError {
    #[snafu(display("it is not JSON: {source}"))]
    Json { source: serde_json::Error },
    #[snafu(display("{source}"))]
    Avro {
        #[snafu(source(from(apache_avro::Error, Box::new)))]
        source: Box<apache_avro::Error>,
    },
    #[snafu(display("{source}"))]
    Inline { source: InlineError },
}

/// A valid Avro schema.
#[derive(Debug)]
pub(crate) struct AvroSchema {
    /// The text as it was first sent; this is what clients get back.
    pub(crate) text: String,
    /// Equal for equal schemas.
    pub(crate) canonical: String,
    /// The structure, with named types written out, for compatibility checks.
    pub(crate) inlined: Schema,
}

impl AvroSchema {
    /// Parses the text of a schema.
    pub(crate) fn parse(text: &str) -> Result<Self, SchemaError> {
        // A bare name of a primitive is a schema too; clients send `"string"` with and without quotes.
        let document = match serde_json::from_str(text) {
            Ok(document) => document,
            Err(_) if text.chars().all(|character| character.is_ascii_lowercase()) && !text.is_empty() => {
                serde_json::Value::String(text.to_owned())
            }
            Err(source) => return Err(SchemaError::Json { source }),
        };
        let schema = Schema::parse(&document).context(AvroSnafu)?;
        let inlined = inline(&schema).context(InlineSnafu)?;
        Ok(Self { text: text.to_owned(), canonical: canonical_text(&document), inlined })
    }
}
