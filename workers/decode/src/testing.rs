//! What the tests of both decoders share: batches of values, and rows as plain trees.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use crate::{Decoded, Message, MessageBatch};

/// The nine fields of the e-commerce example.
pub(crate) const TRANSACTION: &str = r#"{"type": "record", "name": "Transaction", "namespace": "ecommerce", "fields": [
    {"name": "transaction_id", "type": "string"}, {"name": "user_id", "type": "int"},
    {"name": "amount", "type": "double"}, {"name": "merchant", "type": "string"},
    {"name": "timestamp", "type": "string"}, {"name": "is_fraud", "type": "boolean"},
    {"name": "payment_method", "type": "string"}, {"name": "location", "type": "string"},
    {"name": "device_id", "type": "string"}]}"#;

/// A batch of messages with these values.
pub(crate) fn batch<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for (offset, value) in values.into_iter().enumerate() {
        batch.push(message(offset, Some(value.as_ref())));
    }
    batch
}

/// A message of partition 0.
pub(crate) fn message(offset: usize, value: Option<&[u8]>) -> Message<'_> {
    Message { partition: 0, offset: offset as i64, timestamp_ms: Some(0), key: None, value }
}

/// A record schema with these fields, each a JSON object.
pub(crate) fn record_of(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "Row", "fields": [{fields}]}}"#)
}

/// A record schema with one field `v` of this type, given as JSON.
pub(crate) fn record_of_one(field_type: &str) -> String {
    record_of(&format!(r#"{{"name": "v", "type": {field_type}}}"#))
}

/// A value of a row, as a tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    /// int, long, date, timestamp
    Integer(i64),
    /// The bits of a float or double, so that NaN equals itself.
    Float(u64),
    Text(String),
    Binary(Vec<u8>),
    Decimal(i128),
    List(Vec<Cell>),
    Map(BTreeMap<String, Cell>),
    Record(Vec<Cell>),
}

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn double(value: f64) -> Self {
        Self::Float(value.to_bits())
    }
}

/// The rows as trees, each a record.
pub(crate) fn rows(decoded: &Decoded) -> Vec<Vec<Cell>> {
    let row = |index| decoded.rows.columns().iter().map(|column| cell(column.as_ref(), index)).collect();
    (0..decoded.rows.num_rows()).map(row).collect()
}

/// Message, reason and detail of each refusal.
pub(crate) fn refusals(decoded: &Decoded) -> Vec<(usize, &str, &str)> {
    decoded
        .refused
        .iter()
        .map(|refusal| (refusal.message, refusal.reason.as_ref(), refusal.detail.as_str()))
        .collect()
}

fn cell(array: &dyn Array, index: usize) -> Cell {
    if array.is_null(index) {
        return Cell::Null;
    }
    let cells = |array: &dyn Array| (0..array.len()).map(|index| cell(array, index)).collect::<Vec<_>>();
    match array.data_type() {
        DataType::Boolean => Cell::Boolean(array.as_boolean().value(index)),
        DataType::Int32 => Cell::Integer(array.as_primitive::<Int32Type>().value(index).into()),
        DataType::Date32 => Cell::Integer(array.as_primitive::<Date32Type>().value(index).into()),
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(index)),
        DataType::Timestamp(..) => {
            Cell::Integer(array.as_primitive::<TimestampMicrosecondType>().value(index))
        }
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(index).to_bits().into()),
        DataType::Float64 => Cell::double(array.as_primitive::<Float64Type>().value(index)),
        DataType::Utf8 => Cell::text(array.as_string::<i32>().value(index)),
        DataType::Binary => Cell::Binary(array.as_binary::<i32>().value(index).to_vec()),
        DataType::Decimal128(..) => Cell::Decimal(array.as_primitive::<Decimal128Type>().value(index)),
        DataType::List(_) => Cell::List(cells(&array.as_list::<i32>().value(index))),
        DataType::Map(..) => {
            let entries = array.as_map().value(index);
            let keys = entries.column(0).as_string::<i32>().iter().map(|key| key.unwrap().to_owned());
            let map: BTreeMap<_, _> = keys.zip(cells(entries.column(1))).collect();
            assert_eq!(map.len(), entries.len(), "a key comes twice");
            Cell::Map(map)
        }
        DataType::Struct(_) => Cell::Record(
            array.as_struct().columns().iter().map(|column| cell(column.as_ref(), index)).collect(),
        ),
        other => panic!("no schema gives a column of type {other}"),
    }
}
