//! [`TableSchemas`]: what the tables of a pipeline look like.
//!
//! Every column is nullable: a table can then gain columns without a rewrite, and readers that treat
//! nullability differently agree. What must not be null is checked by the rules, not by the schema.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

/// Name of the table of decoded messages.
pub const BRONZE: &str = "bronze";
/// Name of the table of clean rows.
pub const SILVER: &str = "silver";
/// Name of the table of refused messages.
pub const QUARANTINE: &str = "quarantine";
/// Folder of the windowed tables.
pub const GOLD: &str = "gold";

/// The message key as text.
pub const KAFKA_KEY: &str = "kafka_key";
/// The topic.
pub const TOPIC: &str = "topic";
/// The partition.
pub const PARTITION: &str = "partition";
/// The offset in the partition.
pub const OFFSET: &str = "offset";
/// The timestamp that the message carries.
pub const KAFKA_TIMESTAMP: &str = "kafka_timestamp";
/// When the message was processed.
pub const PROCESSING_TIME: &str = "processing_time";
/// The UTC date of the processing time.
pub const PROCESSING_DATE: &str = "processing_date";
/// The original bytes of the message's value.
pub const VALUE: &str = "value";
/// The event time, parsed; a column of expressions, not of bronze.
pub const EVENT_TIME: &str = "event_time";
/// Start of a window, the first moment in it; a column of gold tables, as are those below.
pub const WINDOW_START: &str = "window_start";
/// End of a window, the first moment behind it.
pub const WINDOW_END: &str = "window_end";
/// The UTC date of the window's start.
pub const WINDOW_DATE: &str = "window_date";
/// How many publications have changed the row, from 1.
pub const REVISION: &str = "revision";
/// Whether the window is over on all partitions.
pub const IS_FINAL: &str = "is_final";
/// When the row was last changed.
pub const UPDATED_AT: &str = "updated_at";

/// Name, columns and partition columns of one Delta table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// Path below the lake's root.
    pub name: String,
    /// The columns, in order.
    pub schema: SchemaRef,
    /// Names of the partition columns, in order.
    pub partition_columns: Vec<String>,
}

/// The tables that ingest writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchemas {
    /// Every message that decodes.
    pub bronze: TableSchema,
    /// Clean and enriched rows.
    pub silver: TableSchema,
    /// What is refused.
    pub quarantine: TableSchema,
}

/// The one type of times in tables: microseconds, UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(crate) fn nullable(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// A windowed table: the window, the group keys, the measures, and how far the row has come.
pub(crate) fn gold(name: &str, keys_and_measures: impl IntoIterator<Item = FieldRef>) -> TableSchema {
    let mut columns = vec![nullable(WINDOW_START, timestamp_type()), nullable(WINDOW_END, timestamp_type())];
    columns.extend(keys_and_measures);
    columns.extend([
        nullable(WINDOW_DATE, DataType::Date32),
        nullable(REVISION, DataType::Int32),
        nullable(IS_FINAL, DataType::Boolean),
        nullable(UPDATED_AT, timestamp_type()),
    ]);
    TableSchema {
        name: format!("{GOLD}/{name}"),
        schema: Arc::new(Schema::new(columns)),
        partition_columns: vec![WINDOW_DATE.to_owned()],
    }
}

/// Bronze: the key, the fields of the schema, where the message was and when it was processed.
pub(crate) fn bronze(fields: impl Iterator<Item = FieldRef>, keep_value: bool) -> TableSchema {
    let mut columns = vec![nullable(KAFKA_KEY, DataType::Utf8)];
    columns.extend(fields);
    columns.extend([
        nullable(TOPIC, DataType::Utf8),
        nullable(PARTITION, DataType::Int32),
        nullable(OFFSET, DataType::Int64),
        nullable(KAFKA_TIMESTAMP, timestamp_type()),
        nullable(PROCESSING_TIME, timestamp_type()),
        nullable(PROCESSING_DATE, DataType::Date32),
    ]);
    if keep_value {
        columns.push(nullable(VALUE, DataType::Binary));
    }
    TableSchema {
        name: BRONZE.to_owned(),
        schema: Arc::new(Schema::new(columns)),
        partition_columns: vec![PROCESSING_DATE.to_owned()],
    }
}

/// Quarantine: the whole message, and why it was refused.
pub(crate) fn quarantine() -> TableSchema {
    let columns = vec![
        nullable(TOPIC, DataType::Utf8),
        nullable(PARTITION, DataType::Int32),
        nullable(OFFSET, DataType::Int64),
        nullable(KAFKA_TIMESTAMP, timestamp_type()),
        nullable(KAFKA_KEY, DataType::Utf8),
        nullable(VALUE, DataType::Binary),
        nullable("stage", DataType::Utf8),
        nullable("reason", DataType::Utf8),
        nullable("detail", DataType::Utf8),
        nullable(PROCESSING_TIME, timestamp_type()),
        nullable(PROCESSING_DATE, DataType::Date32),
    ];
    TableSchema {
        name: QUARANTINE.to_owned(),
        schema: Arc::new(Schema::new(columns)),
        partition_columns: vec![PROCESSING_DATE.to_owned()],
    }
}
