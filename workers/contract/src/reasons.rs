//! The stable codes under which a message is refused: stages and the reasons that Sluice itself gives.
//!
//! Reasons of `silver.require` are the user's own words; these are the others.

/// Stage `decode`: the message did not become a bronze row.
pub const STAGE_DECODE: &str = "decode";
/// Stage `silver`: the bronze row did not become a silver row.
pub const STAGE_SILVER: &str = "silver";
/// Stage `late`: the silver row was left out of at least one gold window.
pub const STAGE_LATE: &str = "late";

/// A tombstone, or zero bytes.
pub const EMPTY_VALUE: &str = "EmptyValue";
/// Not exactly one JSON object in valid UTF-8.
pub const MALFORMED_JSON: &str = "MalformedJson";
/// Not a framed Avro datum of its writer schema.
pub const MALFORMED_AVRO: &str = "MalformedAvro";
/// The registry does not know the schema id.
pub const UNKNOWN_SCHEMA_ID: &str = "UnknownSchemaId";
/// Bytes follow the Avro datum.
pub const TRAILING_BYTES: &str = "TrailingBytes";
/// A field without default is absent, or null where null is not allowed.
pub const MISSING_FIELD: &str = "MissingField";
/// A field's value is not of the field's type, or outside its range.
pub const WRONG_TYPE: &str = "WrongType";
/// The event time lies too far beyond the Kafka timestamp.
pub const FUTURE_TIMESTAMP: &str = "FutureTimestamp";
/// An expression failed on this row (a division by zero, an overflow, a cast).
pub const EXPRESSION_FAILED: &str = "ExpressionFailed";
/// The row's partition had passed the end of a window, and the lateness that its table allows.
pub const LATE_ROW: &str = "LateRow";
