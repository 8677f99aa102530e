//! Reading: batches of partitions, waiting for them if there are none yet.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BufMut as _;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        FetchRequest, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
    protocol::Encodable as _,
};
use uuid::Uuid;

use super::Caller;
use crate::{
    log::{
        partition::{Partition, ReadRefusal},
        segment::FileRange,
    },
    node::Node,
    server::frame::Frame,
    topics::Topic,
};

/// The longest that a client may let the broker wait for records.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 13;
/// From this version on, lengths are compact and structures end with tagged fields.
const FLEXIBLE: i16 = 12;

/// What was read, still in the files.
#[derive(Debug, Default)]
pub(crate) struct FetchReply {
    error_code: i16,
    topics: Vec<FetchedTopic>,
}

#[derive(Debug)]
struct FetchedTopic {
    name: TopicName,
    id: Uuid,
    partitions: Vec<FetchedPartition>,
}

#[derive(Debug)]
struct FetchedPartition {
    data: PartitionData,
    records: Option<FileRange>,
    /// Where to wait for more, and where the log ended.
    source: Option<(Arc<Partition>, i64)>,
}

/// Reads, and waits until there is as much as the client wants or its time is over.
pub(super) fn fetch(node: &Node, caller: &Caller, request: &FetchRequest, version: i16) -> FetchReply {
    // Every request names all its partitions: sessions, which shorten requests, are not kept.
    if request.session_id != 0 {
        let error_code = ResponseError::FetchSessionIdNotFound.code();
        return FetchReply { error_code, topics: Vec::new() };
    }
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(LONGEST_WAIT);
    let deadline = Instant::now() + wait;
    let wanted = request.min_bytes.max(0) as usize;
    loop {
        let reply = read_all(node, request, version);
        let is_due = Instant::now() >= deadline || node.is_stopping();
        if is_due || reply.bytes() >= wanted || reply.has_error() {
            return reply;
        }
        let sources =
            reply.topics.iter().flat_map(|topic| &topic.partitions).filter_map(|part| part.source.as_ref());
        let mut unchanged = true;
        for (partition, end) in sources {
            unchanged &= partition.listen(&caller.signal, *end);
        }
        if unchanged {
            caller.signal.wait_until(deadline);
        }
    }
}

fn read_all(node: &Node, request: &FetchRequest, version: i16) -> FetchReply {
    let mut left = (request.max_bytes.max(0) as usize).min(node.config.limits.fetch_bytes);
    let mut is_empty = true;
    let topics = request
        .topics
        .iter()
        .map(|asked| {
            let topic = find(node, asked, version);
            let partitions = asked
                .partitions
                .iter()
                .map(|part| {
                    let fetched = match &topic {
                        Ok(topic) => read(topic, part, left, is_empty),
                        Err(error) => FetchedPartition::failed(part, *error),
                    };
                    let length = fetched.records.as_ref().map_or(0, |records| records.length);
                    left = left.saturating_sub(length);
                    is_empty &= length == 0;
                    fetched
                })
                .collect();
            FetchedTopic { name: asked.topic.clone(), id: asked.topic_id, partitions }
        })
        .collect();
    FetchReply { error_code: 0, topics }
}

fn find(node: &Node, asked: &FetchTopic, version: i16) -> Result<Arc<Topic>, ResponseError> {
    if version >= TOPIC_IDS {
        node.topics.with_id(asked.topic_id).ok_or(ResponseError::UnknownTopicId)
    } else {
        node.topics.named(&asked.topic).ok_or(ResponseError::UnknownTopicOrPartition)
    }
}

fn read(topic: &Topic, asked: &FetchPartition, left: usize, is_empty: bool) -> FetchedPartition {
    let Some(partition) = topic.partition(asked.partition) else {
        return FetchedPartition::failed(asked, ResponseError::UnknownTopicOrPartition);
    };
    let max_bytes = (asked.partition_max_bytes.max(0) as usize).min(left);
    // The first batch of a response is served whatever its size, or a consumer could get stuck.
    match partition.read(asked.fetch_offset, max_bytes, is_empty) {
        Ok((records, bounds)) => {
            let data = PartitionData::default()
                .with_partition_index(asked.partition)
                .with_high_watermark(bounds.end)
                .with_last_stable_offset(bounds.end)
                .with_log_start_offset(bounds.start);
            FetchedPartition { data, records, source: Some((partition, bounds.end)) }
        }
        Err(ReadRefusal::OutOfRange(bounds)) => {
            let mut failed = FetchedPartition::failed(asked, ResponseError::OffsetOutOfRange);
            failed.data.high_watermark = bounds.end;
            failed.data.last_stable_offset = bounds.end;
            failed.data.log_start_offset = bounds.start;
            failed
        }
        Err(ReadRefusal::Deleted) => FetchedPartition::failed(asked, ResponseError::UnknownTopicOrPartition),
        Err(ReadRefusal::Storage(error)) => {
            let partition = asked.partition;
            tracing::error!(
                topic = topic.name,
                partition,
                error = &error as &dyn std::error::Error,
                "failed to read"
            );
            FetchedPartition::failed(asked, ResponseError::KafkaStorageError)
        }
    }
}

impl FetchedPartition {
    fn failed(asked: &FetchPartition, error: ResponseError) -> Self {
        let data = PartitionData::default()
            .with_partition_index(asked.partition)
            .with_error_code(error.code())
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1);
        Self { data, records: None, source: None }
    }
}

impl FetchReply {
    fn partitions(&self) -> impl Iterator<Item = &FetchedPartition> {
        self.topics.iter().flat_map(|topic| &topic.partitions)
    }

    fn bytes(&self) -> usize {
        self.partitions().filter_map(|part| part.records.as_ref()).map(|records| records.length).sum()
    }

    fn has_error(&self) -> bool {
        self.partitions().any(|part| part.data.error_code != 0)
    }

    /// Writes the response as the protocol defines it. Only partitions are left to the library,
    /// with their records spliced in, since these are to stay in their files.
    pub(super) fn encode(self, frame: &mut Frame, version: i16) -> io::Result<()> {
        let flexible = version >= FLEXIBLE;
        frame.bytes.put_i32(0); // No throttling.
        if version >= 7 {
            frame.bytes.put_i16(self.error_code);
            frame.bytes.put_i32(0); // No session.
        }
        put_count(frame, self.topics.len(), flexible);
        for topic in self.topics {
            if version >= TOPIC_IDS {
                frame.bytes.put_slice(topic.id.as_bytes());
            } else {
                if flexible {
                    put_unsigned_varint(frame, topic.name.len() + 1);
                } else {
                    frame.bytes.put_i16(topic.name.len() as i16);
                }
                frame.bytes.put_slice(topic.name.as_bytes());
            }
            put_count(frame, topic.partitions.len(), flexible);
            for partition in topic.partitions {
                partition.encode(frame, version)?;
            }
            put_no_tags(frame, flexible);
        }
        put_no_tags(frame, flexible);
        Ok(())
    }
}

impl FetchedPartition {
    fn encode(self, frame: &mut Frame, version: i16) -> io::Result<()> {
        // A partition ends with its records' length, its records and, if flexible, its tags. It is
        // encoded with empty records, whose length and tags are then replaced.
        let flexible = version >= FLEXIBLE;
        let data = self.data.with_records(Some(bytes::Bytes::new()));
        data.encode(&mut frame.bytes, version).map_err(io::Error::other)?;
        if let Some(records) = self.records {
            let empty_end = if flexible { 2 } else { 4 };
            frame.bytes.truncate(frame.bytes.len() - empty_end);
            if flexible {
                put_unsigned_varint(frame, records.length + 1);
            } else {
                frame.bytes.put_i32(records.length as i32);
            }
            frame.put_file(records)?;
            put_no_tags(frame, flexible);
        }
        Ok(())
    }
}

fn put_count(frame: &mut Frame, count: usize, flexible: bool) {
    if flexible {
        put_unsigned_varint(frame, count + 1);
    } else {
        frame.bytes.put_i32(count as i32);
    }
}

fn put_no_tags(frame: &mut Frame, flexible: bool) {
    if flexible {
        frame.bytes.put_u8(0);
    }
}

fn put_unsigned_varint(frame: &mut Frame, mut value: usize) {
    while value >= 0x80 {
        frame.bytes.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    frame.bytes.put_u8(value as u8);
}
