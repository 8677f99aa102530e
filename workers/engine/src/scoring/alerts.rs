//! [`Alert`]: a row of the table of scores, as a message.

use arrow::array::{Array, AsArray, RecordBatch};

use super::json;
use super::silver_rows::SilverRows;

/// A row that is to be told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Partition of the message that raised it.
    pub partition: i32,
    /// Offset of that message.
    pub offset: i64,
    /// Timestamp that it carries.
    pub kafka_timestamp_us: Option<i64>,
    /// When its row was; `None` where it has no event time.
    pub event_time_us: Option<i64>,
    /// The text of the topic's key column, or the key of that message; `None` where it is null.
    pub key: Option<String>,
    /// One JSON object: the columns of the table under their names, times in RFC 3339 (UTC), and `alert_id`,
    /// `<topic>/<partition>/<offset>` of that message: the same however often the alert is sent.
    pub body: Vec<u8>,
}

/// The alerts of some of the rows.
pub(super) fn of(scored: &RecordBatch, rows: &SilverRows, alerting: &[usize]) -> Vec<Alert> {
    if alerting.is_empty() {
        return Vec::new();
    }
    let (topics, keys) = (rows.topic.as_string::<i32>(), rows.keys.as_string::<i32>());
    let object = json::Object::new(scored);
    let alert = |&row: &usize| {
        let (partition, offset) = (rows.partition.value(row), rows.offset.value(row));
        let mut body = Vec::with_capacity(1_024);
        object.write(row, ("alert_id", &format!("{}/{partition}/{offset}", topics.value(row))), &mut body);
        let timestamps = &rows.kafka_timestamps;
        let kafka_timestamp_us = timestamps.is_valid(row).then(|| timestamps.value(row));
        Alert {
            partition,
            offset,
            kafka_timestamp_us,
            event_time_us: rows.event_time_us(row),
            key: keys.is_valid(row).then(|| keys.value(row).to_owned()),
            body,
        }
    };
    alerting.iter().map(alert).collect()
}
