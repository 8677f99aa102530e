//! [`RefusedMessage`]: a row of the quarantine, and how it becomes a message again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use sluice_decode::{Message, MessageBatch};

/// A message that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefusedMessage {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// In microseconds, and as text.
    pub(super) kafka_timestamp: Option<(i64, String)>,
    pub(super) kafka_key: Option<String>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) stage: String,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) processing_time: String,
}

/// A line of `list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) stage: String,
    pub(super) reason: String,
    pub(super) messages: i64,
    pub(super) first: String,
    pub(super) last: String,
}

/// The columns of a batch, by position, whatever physical types the reader chose.
pub(super) struct Columns<'a>(pub(super) &'a RecordBatch);

impl Columns<'_> {
    pub(super) fn text(&self, column: usize, row: usize) -> Result<Option<String>, ArrowError> {
        let column = self.0.column(column);
        if column.is_null(row) { Ok(None) } else { array_value_to_string(column, row).map(Some) }
    }

    pub(super) fn integers(&self, column: usize) -> Result<ArrayRef, ArrowError> {
        cast(self.0.column(column), &DataType::Int64)
    }
}

/// The lines of `list`, from what [`super::query::count`] gives.
pub(super) fn groups(batches: &[RecordBatch]) -> Result<Vec<Group>, ArrowError> {
    let mut groups = Vec::new();
    for batch in batches {
        let columns = Columns(batch);
        let counts = columns.integers(2)?;
        for row in 0..batch.num_rows() {
            let text = |column| Ok::<_, ArrowError>(columns.text(column, row)?.unwrap_or_default());
            groups.push(Group {
                stage: text(0)?,
                reason: text(1)?,
                messages: counts.as_primitive::<Int64Type>().value(row),
                first: text(3)?,
                last: text(4)?,
            });
        }
    }
    Ok(groups)
}

/// The messages, from what [`super::query::messages`] gives.
pub(super) fn messages(batches: &[RecordBatch]) -> Result<Vec<RefusedMessage>, ArrowError> {
    let mut messages = Vec::new();
    for batch in batches {
        let columns = Columns(batch);
        let partitions = cast(batch.column(1), &DataType::Int32)?;
        let (offsets, times) = (columns.integers(2)?, columns.integers(3)?);
        let values = cast(batch.column(5), &DataType::Binary)?;
        for row in 0..batch.num_rows() {
            let text = |column| columns.text(column, row);
            let time_us = times.as_primitive::<Int64Type>().value(row);
            messages.push(RefusedMessage {
                topic: text(0)?.unwrap_or_default(),
                partition: partitions.as_primitive::<Int32Type>().value(row),
                offset: offsets.as_primitive::<Int64Type>().value(row),
                kafka_timestamp: text(3)?.map(|text| (time_us, text)),
                kafka_key: text(4)?,
                value: values.is_valid(row).then(|| values.as_binary::<i32>().value(row).to_vec()),
                stage: text(6)?.unwrap_or_default(),
                reason: text(7)?.unwrap_or_default(),
                detail: text(8)?.unwrap_or_default(),
                processing_time: text(9)?.unwrap_or_default(),
            });
        }
    }
    Ok(messages)
}

/// The messages as they came from Kafka, in order; but for bytes of a key that are not UTF-8, which no table keeps.
pub(super) fn as_they_came<'a>(messages: impl IntoIterator<Item = &'a RefusedMessage>) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for message in messages {
        batch.push(Message {
            partition: message.partition,
            offset: message.offset,
            timestamp_ms: message.kafka_timestamp.as_ref().map(|(us, _)| us.div_euclid(1_000)),
            key: message.kafka_key.as_ref().map(String::as_bytes),
            value: message.value.as_deref(),
        });
    }
    batch
}

/// Partition and offset of each row of a batch that has these columns.
pub(super) fn positions(rows: &RecordBatch) -> Result<Vec<(i32, i64)>, ArrowError> {
    let column = |name: &str, data_type: &DataType| {
        let column = rows.column(rows.schema().index_of(name)?);
        cast(&Arc::clone(column), data_type)
    };
    let (partitions, offsets) = (column("partition", &DataType::Int32)?, column("offset", &DataType::Int64)?);
    let partitions = partitions.as_primitive::<Int32Type>().values().to_vec();
    Ok(partitions.into_iter().zip(offsets.as_primitive::<Int64Type>().values().to_vec()).collect())
}
