//! [`KafkaSource`]: a statically assigned librdkafka consumer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluice_contract::config::Kafka;
use sluice_decode::{Message, MessageBatch};

use super::{ReadLimits, ReadOutcome, Source};
use crate::kafka::topic::Quiet;
use crate::kafka::{ConsumerTraits, Credentials, TopicError, consumer_settings};

/// A consumer of one topic whose partitions and positions are given, never negotiated.
pub(crate) struct KafkaSource {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    assigned: BTreeSet<i32>,
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KafkaSource").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Makes the client. It connects by itself, and again whenever it must.
    pub(crate) fn new(
        kafka: &Kafka,
        consumer: &ConsumerTraits,
        credentials: &Credentials,
    ) -> Result<Self, TopicError> {
        let consumer = consumer_settings(kafka, credentials, consumer)
            .create_with_context(Quiet::default())
            .map_err(|error| TopicError::Client { detail: error.to_string() })?;
        Ok(Self { consumer, topic: kafka.topic.clone(), assigned: BTreeSet::new() })
    }

    fn list(&self, offsets: impl IntoIterator<Item = (i32, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, partition, offset)
                .expect("offsets here are positions, which librdkafka can represent");
        }
        list
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        self.list([(partition, Offset::Invalid)])
    }

    /// Where to go on after the messages handed out so far, transaction markers included.
    fn positions(&self) -> BTreeMap<i32, i64> {
        let mut positions = BTreeMap::new();
        if let Ok(list) = self.consumer.position() {
            for element in list.elements() {
                if let Offset::Offset(offset) = element.offset() {
                    positions.insert(element.partition(), offset);
                }
            }
        }
        positions
    }
}

impl Source for KafkaSource {
    fn read(&mut self, batch: &mut MessageBatch, limits: &ReadLimits) -> ReadOutcome {
        let mut at_end = BTreeSet::new();
        let mut out_of_range = false;
        let started = Instant::now();
        let mut deadline = started + limits.patience;
        let mut wait = limits.patience;
        loop {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if batch.is_empty() {
                        deadline = Instant::now() + limits.linger;
                    }
                    let partition = message.partition();
                    batch.push(Message {
                        partition,
                        offset: message.offset(),
                        timestamp_ms: message.timestamp().to_millis(),
                        key: message.key(),
                        value: message.payload(),
                    });
                    if !at_end.is_empty() {
                        at_end.remove(&partition);
                    }
                    if batch.len() >= limits.messages || batch.bytes() >= limits.bytes {
                        break;
                    }
                    // What is queued already costs no waiting; the clock is read when the queue is empty.
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    at_end.insert(partition);
                    wait = deadline.saturating_duration_since(Instant::now());
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the consumer reported an error");
                    out_of_range |= is_out_of_range(&error);
                    wait = deadline.saturating_duration_since(Instant::now());
                }
                None => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    wait = left;
                }
            }
        }
        let positions = if at_end.is_empty() { BTreeMap::new() } else { self.positions() };
        let with_position = |partition: i32| (partition, positions.get(&partition).copied());
        ReadOutcome { at_end: at_end.into_iter().map(with_position).collect(), out_of_range }
    }

    fn assign(&mut self, offsets: &BTreeMap<i32, i64>) {
        let known: Vec<i32> =
            offsets.keys().copied().filter(|partition| self.assigned.contains(partition)).collect();
        if !known.is_empty() {
            let list = self.list(known.into_iter().map(|partition| (partition, Offset::Invalid)));
            if let Err(error) = self.consumer.incremental_unassign(&list) {
                tracing::error!(%error, "failed to unassign partitions");
            }
        }
        let list = self.list(offsets.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset))));
        match self.consumer.incremental_assign(&list) {
            Ok(()) => self.assigned.extend(offsets.keys()),
            Err(error) => tracing::error!(%error, "failed to assign partitions"),
        }
    }

    fn pause(&mut self, partition: i32) {
        if let Err(error) = self.consumer.pause(&self.one(partition)) {
            tracing::error!(partition, %error, "failed to pause a partition");
        }
    }

    fn resume(&mut self, partition: i32) {
        if let Err(error) = self.consumer.resume(&self.one(partition)) {
            tracing::error!(partition, %error, "failed to resume a partition");
        }
    }

    fn acknowledge(&mut self, offsets: &BTreeMap<i32, i64>) {
        let list = self.list(offsets.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset))));
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "failed to commit offsets to the group");
        }
    }
}

fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
    )
}
