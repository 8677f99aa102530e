//! Writing: ids for idempotent producers, and batches for partitions.

use std::{error::Error as _, sync::Arc};

use bytes::Bytes;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
};

use super::{metadata::transactions_refused, text};
use crate::{
    clock::now_ms,
    log::{
        batch::BatchHeader,
        partition::{AppendRefusal, Appended},
    },
    node::Node,
    refusal::{Refusal, sentence},
    topics::Topic,
};

/// No answer, the leader's, all replicas': the last two are the same with one broker.
const ACKNOWLEDGEMENTS: [i16; 3] = [0, 1, -1];

/// Gives a producer its id.
pub(super) fn init_producer_id(node: &Node, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    if request.transactional_id.is_some() {
        return response.with_error_code(transactions_refused().error.code());
    }
    match node.identity.new_producer_id() {
        Ok(id) => response.with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => {
            tracing::error!(error = sentence(&error), "failed to give a producer its id");
            // Clients retry this one.
            response.with_error_code(ResponseError::CoordinatorNotAvailable.code())
        }
    }
}

/// Appends batches; `None` if the producer wants no answer.
pub(super) fn produce(node: &Node, request: ProduceRequest) -> Option<ProduceResponse> {
    let refusal = if request.transactional_id.is_some() {
        Some(transactions_refused())
    } else if ACKNOWLEDGEMENTS.contains(&request.acks) {
        None
    } else {
        let message = format!("acks must be 0, 1 or all (-1), not {}", request.acks);
        Some(Refusal::new(ResponseError::InvalidRequiredAcks, message))
    };
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = if data.topic_id.is_nil() {
            node.topics.named(&data.name).ok_or_else(|| Refusal::unknown_topic(&data.name))
        } else {
            node.topics.with_id(data.topic_id).ok_or_else(unknown_id)
        };
        let partition_responses = data
            .partition_data
            .into_iter()
            .map(|partition| {
                let appended = match (&refusal, &topic) {
                    (Some(refusal), _) | (None, Err(refusal)) => Err(refusal.clone()),
                    (None, Ok(topic)) => append(topic, partition.index, partition.records),
                };
                answer(partition.index, appended)
            })
            .collect();
        responses.push(
            TopicProduceResponse::default()
                .with_name(data.name)
                .with_topic_id(data.topic_id)
                .with_partition_responses(partition_responses),
        );
    }
    (request.acks != 0).then(|| ProduceResponse::default().with_responses(responses))
}

fn unknown_id() -> Refusal {
    Refusal::new(
        ResponseError::UnknownTopicId,
        "there is no topic of this id; it may have been created again",
    )
}

fn append(topic: &Arc<Topic>, number: i32, records: Option<Bytes>) -> Result<Appended, Refusal> {
    let partition = topic.partition(number).ok_or_else(|| unknown_partition(topic, number))?;
    let batch = records.unwrap_or_default();
    let header = BatchHeader::of_produced(&batch).map_err(|fault| {
        let (error, message) = fault.answer();
        Refusal::new(error, message)
    })?;
    let settings = topic.settings();
    partition.append(&batch, &header, &settings, now_ms()).map_err(|refusal| match refusal {
        AppendRefusal::TooLarge => Refusal::new(
            ResponseError::MessageTooLarge,
            format!(
                "the batch has {} bytes, max.message.bytes is {}",
                batch.len(),
                settings.max_message_bytes
            ),
        ),
        AppendRefusal::FutureTimestamp => Refusal::new(
            ResponseError::InvalidTimestamp,
            format!(
                "a timestamp lies further in the future than message.timestamp.after.max.ms={} allows",
                settings.timestamp_after_max_ms
            ),
        ),
        AppendRefusal::Producer(error) => Refusal::new(error, error.to_string()),
        AppendRefusal::Deleted => unknown_partition(topic, number),
        AppendRefusal::Storage(error) => {
            tracing::error!(
                topic = topic.name,
                partition = number,
                error = error.source(),
                "failed to store a batch"
            );
            Refusal::new(ResponseError::KafkaStorageError, sentence(&error))
        }
    })
}

fn unknown_partition(topic: &Topic, number: i32) -> Refusal {
    let message = format!("the topic \"{}\" has no partition {number}", topic.name);
    Refusal::new(ResponseError::UnknownTopicOrPartition, message)
}

fn answer(number: i32, appended: Result<Appended, Refusal>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(number);
    match appended {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time.unwrap_or(-1))
            .with_log_start_offset(appended.log_start),
        Err(refusal) => response
            .with_error_code(refusal.error.code())
            .with_error_message(Some(text(refusal.message)))
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1),
    }
}
