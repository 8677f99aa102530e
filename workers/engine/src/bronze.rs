//! Bronze: every message that decodes, with where it was in Kafka.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, StringBuilder, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type, Schema};
use arrow::error::ArrowError;
use sluice_decode::MessageBatch;

use crate::plan::{BuiltIn, Plan};
use crate::silver::Candidates;
use crate::tables;

const MICROSECONDS_PER_MILLISECOND: i64 = 1_000;
const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// What surrounds the values of some messages, as columns: where they were, when they were processed.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) kafka_key: ArrayRef,
    pub(crate) topic: ArrayRef,
    pub(crate) partition: ArrayRef,
    pub(crate) offset: ArrayRef,
    pub(crate) kafka_timestamp: TimestampMicrosecondArray,
    pub(crate) processing_time: ArrayRef,
    pub(crate) processing_date: ArrayRef,
}

impl Envelope {
    /// The envelope of the given messages of a batch.
    pub(crate) fn new(topic: &str, batch: &MessageBatch, messages: &[u32], processing_time_us: i64) -> Self {
        let rows = messages.len();
        let mut keys = StringBuilder::with_capacity(rows, rows * 16);
        let mut partitions = Vec::with_capacity(rows);
        let mut offsets = Vec::with_capacity(rows);
        let mut timestamps = TimestampMicrosecondArray::builder(rows);
        for &index in messages {
            let message = batch.get(index as usize);
            match message.key {
                Some(key) => match str::from_utf8(key) {
                    Ok(text) => keys.append_value(text),
                    Err(_) => keys.append_value(String::from_utf8_lossy(key)),
                },
                None => keys.append_null(),
            }
            partitions.push(message.partition);
            offsets.push(message.offset);
            timestamps.append_option(message.timestamp_ms.map(timestamp_us));
        }
        let (processing_time, processing_date) = processing_times(processing_time_us, rows);
        Self {
            kafka_key: Arc::new(keys.finish()),
            topic: Arc::new(StringArray::new_repeated(topic, rows)),
            partition: Arc::new(Int32Array::from(partitions)),
            offset: Arc::new(Int64Array::from(offsets)),
            kafka_timestamp: timestamps.finish().with_timezone("UTC"),
            processing_time,
            processing_date,
        }
    }

    /// As if the messages were processed then.
    pub(crate) fn processed_at(self, processing_time_us: i64) -> Self {
        let (processing_time, processing_date) = processing_times(processing_time_us, self.topic.len());
        Self { processing_time, processing_date, ..self }
    }
}

/// The columns of time and date of rows that are processed together.
fn processing_times(processing_time_us: i64, rows: usize) -> (ArrayRef, ArrayRef) {
    let date = processing_time_us.div_euclid(MICROSECONDS_PER_DAY) as i32;
    let time = TimestampMicrosecondArray::from(vec![processing_time_us; rows]);
    (Arc::new(time.with_timezone("UTC")), Arc::new(Date32Array::from(vec![date; rows])))
}

/// A Kafka timestamp in microseconds.
fn timestamp_us(timestamp_ms: i64) -> i64 {
    timestamp_ms.saturating_mul(MICROSECONDS_PER_MILLISECOND)
}

/// The bronze rows: one for each message that decoded.
pub(crate) fn assemble(
    plan: &Plan,
    candidates: &Candidates,
    batch: &MessageBatch,
    messages: &[u32],
) -> Option<RecordBatch> {
    if messages.is_empty() {
        return None;
    }
    let built_in = |column| Arc::clone(candidates.column(plan.slot_of(column)));
    let mut columns = vec![built_in(BuiltIn::KafkaKey)];
    columns.extend((0..plan.fields).map(|slot| Arc::clone(candidates.column(slot))));
    columns.extend([
        built_in(BuiltIn::Topic),
        built_in(BuiltIn::Partition),
        built_in(BuiltIn::Offset),
        built_in(BuiltIn::KafkaTimestamp),
        built_in(BuiltIn::ProcessingTime),
        built_in(BuiltIn::ProcessingDate),
    ]);
    if plan.keep_value {
        columns.push(Arc::new(values(batch, messages.iter().map(|&message| message as usize))));
    }
    let schema = Arc::clone(&plan.tables.bronze.schema);
    Some(RecordBatch::try_new(schema, columns).expect("the columns were planned with this schema"))
}

/// What [`assemble`] made, taken apart again: the fields, and what surrounded them. Columns that the table lacks
/// are null.
pub(crate) fn read(plan: &Plan, bronze: &RecordBatch) -> Result<(RecordBatch, Envelope), ArrowError> {
    let schema = &plan.tables.bronze.schema;
    let column = |name: &str| -> Result<ArrayRef, ArrowError> {
        let data_type = schema.field_with_name(name)?.data_type();
        match bronze.column_by_name(name) {
            Some(column) => cast(column, data_type),
            None => Ok(new_null_array(data_type, bronze.num_rows())),
        }
    };
    // Bronze has the key before the fields.
    let fields: Vec<FieldRef> = schema.fields().iter().skip(1).take(plan.fields).cloned().collect();
    let columns = fields.iter().map(|field| column(field.name())).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(bronze.num_rows()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    let envelope = Envelope {
        kafka_key: column(tables::KAFKA_KEY)?,
        topic: column(tables::TOPIC)?,
        partition: column(tables::PARTITION)?,
        offset: column(tables::OFFSET)?,
        kafka_timestamp: column(tables::KAFKA_TIMESTAMP)?.as_primitive().clone(),
        processing_time: column(tables::PROCESSING_TIME)?,
        processing_date: column(tables::PROCESSING_DATE)?,
    };
    Ok((rows, envelope))
}

/// The original bytes of the messages that rows of bronze were; null where the table does not keep them.
pub(crate) fn read_values(bronze: &RecordBatch) -> Result<ArrayRef, ArrowError> {
    match bronze.column_by_name(tables::VALUE) {
        Some(values) => cast(values, &DataType::Binary),
        None => Ok(new_null_array(&DataType::Binary, bronze.num_rows())),
    }
}

/// The original bytes of messages; null for a tombstone.
pub(crate) fn values(batch: &MessageBatch, messages: impl Iterator<Item = usize>) -> BinaryArray {
    messages.map(|index| batch.get(index).value).collect()
}

/// The rows whose message key is not the text of the key column's value.
///
/// A null key, and any key beside a null value, is a mismatch. In the text of a key, a replacement character may
/// stand for bytes that are not UTF-8: of such a row `has_key` tells whether its message had this key.
pub(crate) fn key_mismatches(
    plan: &Plan,
    candidates: &Candidates,
    has_key: impl Fn(usize, &str) -> bool,
) -> Vec<usize> {
    let Some(slot) = plan.key_column else { return Vec::new() };
    let keys = candidates.column(plan.slot_of(BuiltIn::KafkaKey)).as_string::<i32>();
    let column = candidates.column(slot);
    if let Some(texts) = column.as_string_opt::<i32>() {
        let is_key =
            |row: usize, text: &str| !text.contains(char::REPLACEMENT_CHARACTER) || has_key(row, text);
        return mismatches(keys, |row, key| {
            texts.is_valid(row) && texts.value(row) == key && is_key(row, key)
        });
    }
    let integers = cast(column, &DataType::Int64).expect("a key column is text or a whole number");
    let integers = integers.as_primitive::<Int64Type>();
    let mut text = itoa::Buffer::new();
    mismatches(keys, |row, key| integers.is_valid(row) && text.format(integers.value(row)) == key)
}

fn mismatches(keys: &StringArray, mut matches: impl FnMut(usize, &str) -> bool) -> Vec<usize> {
    let keys = keys.iter().enumerate();
    keys.filter(|&(row, key)| !key.is_some_and(|key| matches(row, key))).map(|(row, _)| row).collect()
}
