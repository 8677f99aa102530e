//! [`SchemaError`]: why a schema text cannot describe the rows of a table, and what to write instead.

use snafu::Snafu;

/// Why a schema text cannot describe the rows of a table.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum SchemaError {
    /// The text is not an Avro schema.
    #[snafu(display("failed to parse the Avro schema: {source}"))]
    Parse {
        /// What the parser says.
        source: Box<apache_avro::Error>,
    },
    /// The schema is not a record.
    #[snafu(display(
        "failed to make columns of the Avro schema: it is {found}, but a row needs a record: \
         write {{\"type\": \"record\", \"name\": ..., \"fields\": [...]}}"
    ))]
    NotARecord {
        /// What the schema is.
        found: String,
    },
    /// A record has no fields.
    #[snafu(display("failed to make columns of {place}: the record has no fields: give it at least one"))]
    NoFields {
        /// The record's place in the row.
        place: String,
    },
    /// Two fields of a record have names that differ at most in case.
    #[snafu(display(
        "failed to make a column of field `{second}`: field `{first}` of the same record has the same name for Delta \
         tables, which do not tell case apart: rename one of them"
    ))]
    DuplicateField {
        /// Path of the field that comes first.
        first: String,
        /// Path of the other field.
        second: String,
    },
    /// A union is not a type and null.
    #[snafu(display(
        "failed to make a column of field `{path}`: {found} has no column type: write one type, or [\"null\", type] \
         for a value that may be null"
    ))]
    UnsupportedUnion {
        /// Path of the field.
        path: String,
        /// The union's branches.
        found: String,
    },
    /// A record contains itself.
    #[snafu(display(
        "failed to make a column of field `{path}`: record `{name}` contains itself, and a column has a fixed depth: \
         carry the nested part as a string"
    ))]
    RecursiveType {
        /// Path of the field at which the record comes again.
        path: String,
        /// Full name of the record.
        name: String,
    },
    /// A type has no column type.
    #[snafu(display(
        "failed to make a column of field `{path}`: {found} has no column type: write {instead}"
    ))]
    UnsupportedType {
        /// Path of the field.
        path: String,
        /// The Avro type.
        found: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// A decimal has more digits than a column can hold.
    #[snafu(display(
        "failed to make a column of field `{path}`: decimal precision {precision} is beyond 38: \
         write a precision of at most 38"
    ))]
    DecimalTooWide {
        /// Path of the field.
        path: String,
        /// The precision.
        precision: usize,
    },
    /// A default is no value of its field.
    #[snafu(display(
        "failed to read the default of field `{path}`: {found} is not {expected}: correct it or leave it out"
    ))]
    InvalidDefault {
        /// Path of the field.
        path: String,
        /// The default's JSON, shortened.
        found: String,
        /// What the field holds.
        expected: String,
    },
}
