//! Where partitions start, end, and reach a time; and moving their start.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};

use crate::{
    clock::now_ms,
    log::{
        partition::Partition,
        records::{RecordTime, first_at},
    },
    node::Node,
    refusal::sentence,
    topics::Topic,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The earliest on the broker's own disk: there is no other storage.
const EARLIEST_LOCAL: i64 = -4;
/// The latest in tiered storage, of which there is none.
const LATEST_TIERED: i64 = -5;

/// Looks up offsets.
pub(super) fn list_offsets(node: &Node, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|asked| {
            let topic = node.topics.named(&asked.name);
            let partitions = asked
                .partitions
                .iter()
                .map(|part| {
                    let response =
                        ListOffsetsPartitionResponse::default().with_partition_index(part.partition_index);
                    let found = partition_of(topic.as_deref(), part.partition_index)
                        .and_then(|partition| look_up(&partition, part.timestamp));
                    match found {
                        Ok(found) => response
                            .with_offset(found.offset)
                            .with_timestamp(found.timestamp)
                            .with_leader_epoch(if version >= 4 { 0 } else { -1 }),
                        Err(error) => {
                            response.with_error_code(error.code()).with_offset(-1).with_timestamp(-1)
                        }
                    }
                })
                .collect();
            ListOffsetsTopicResponse::default().with_name(asked.name).with_partitions(partitions)
        })
        .collect();
    ListOffsetsResponse::default().with_topics(topics)
}

fn partition_of(topic: Option<&Topic>, number: i32) -> Result<Arc<Partition>, ResponseError> {
    topic.and_then(|topic| topic.partition(number)).ok_or(ResponseError::UnknownTopicOrPartition)
}

fn look_up(partition: &Partition, timestamp: i64) -> Result<RecordTime, ResponseError> {
    let at = |offset| Ok(RecordTime { offset, timestamp: -1 });
    match timestamp {
        LATEST => at(partition.bounds().end),
        EARLIEST | EARLIEST_LOCAL => at(partition.bounds().start),
        LATEST_TIERED => at(-1),
        MAX_TIMESTAMP => match partition.max_timestamp() {
            Some(newest) => by_time(partition, newest),
            None => at(-1),
        },
        timestamp if timestamp < 0 => Err(ResponseError::UnsupportedVersion),
        timestamp => by_time(partition, timestamp),
    }
}

fn by_time(partition: &Partition, timestamp: i64) -> Result<RecordTime, ResponseError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(error = sentence(error), "failed to look up an offset by time");
        ResponseError::KafkaStorageError
    };
    let (batch, bounds) = partition.batch_at_time(timestamp).map_err(|error| failed(&error))?;
    let nowhere = RecordTime { offset: -1, timestamp: -1 };
    let Some(batch) = batch else { return Ok(nowhere) };
    let bytes = batch.read().map_err(|error| failed(&error))?;
    match first_at(&bytes, timestamp, bounds.start) {
        Ok(found) => Ok(found.unwrap_or(nowhere)),
        Err(error) => {
            // The producer packed something else than records; the batch's checksum is right.
            tracing::warn!(%error, "cannot look into a batch");
            Err(ResponseError::CorruptMessage)
        }
    }
}

/// Moves the start of partitions.
pub(super) fn delete_records(node: &Node, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|asked| {
            let topic = node.topics.named(&asked.name);
            let partitions = asked
                .partitions
                .iter()
                .map(|part| {
                    let result =
                        DeleteRecordsPartitionResult::default().with_partition_index(part.partition_index);
                    let start = partition_of(topic.as_deref(), part.partition_index)
                        .and_then(|partition| delete_before(&partition, part.offset));
                    match start {
                        Ok(start) => result.with_low_watermark(start),
                        Err(error) => result.with_low_watermark(-1).with_error_code(error.code()),
                    }
                })
                .collect();
            DeleteRecordsTopicResult::default().with_name(asked.name).with_partitions(partitions)
        })
        .collect();
    DeleteRecordsResponse::default().with_topics(topics)
}

fn delete_before(partition: &Partition, offset: i64) -> Result<i64, ResponseError> {
    let offset = match offset {
        -1 => None,
        offset if offset < 0 => return Err(ResponseError::OffsetOutOfRange),
        offset => Some(offset),
    };
    match partition.delete_before(offset, now_ms()) {
        Ok(start) => start.ok_or(ResponseError::OffsetOutOfRange),
        Err(error) => {
            tracing::error!(error = sentence(&error), "failed to delete records");
            Err(ResponseError::KafkaStorageError)
        }
    }
}
