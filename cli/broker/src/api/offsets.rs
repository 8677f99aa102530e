//! Committing and fetching the offsets of groups.

use std::{collections::BTreeMap, time::Instant};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
        offset_commit_request::OffsetCommitRequestPartition,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
};

use super::text;
use crate::{
    node::Node,
    offsets::{Committed, Place},
    refusal::sentence,
};

/// The longest note that a client may leave with an offset.
const METADATA_LIMIT: usize = 4_096;

/// Stores the offsets of a group.
pub(super) fn commit(node: &Node, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let generation = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    let permitted = node
        .coordinator
        .with(&request.group_id, |group| {
            group.check_commit(&request.member_id, instance_id, generation, Instant::now())
        })
        .unwrap_or(if generation < 0 { Ok(()) } else { Err(ResponseError::UnknownMemberId) });
    let mut commits = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = node.topics.named(&asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for part in asked.partitions {
            let number = part.partition_index;
            let exists = topic.as_ref().is_some_and(|topic| topic.partition(number).is_some());
            let outcome = permitted.and_then(|()| checked(&part, exists));
            if let Ok(committed) = &outcome {
                commits.push(((asked.name.to_string(), number), committed.clone()));
            }
            partitions.push((number, outcome.err()));
        }
        topics.push((asked.name, partitions));
    }
    let stored = if commits.is_empty() { Ok(()) } else { node.offsets.commit(&request.group_id, commits) };
    let not_stored = stored.err().map(|error| {
        tracing::error!(error = sentence(&error), "failed to store committed offsets");
        // Clients retry this one.
        ResponseError::CoordinatorNotAvailable
    });
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            let partitions = partitions
                .into_iter()
                .map(|(number, error)| {
                    let error = error.or(not_stored);
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(number)
                        .with_error_code(error.map_or(0, |error| error.code()))
                })
                .collect();
            OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions)
        })
        .collect();
    OffsetCommitResponse::default().with_topics(topics)
}

fn checked(part: &OffsetCommitRequestPartition, exists: bool) -> Result<Committed, ResponseError> {
    if !exists {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let metadata = part.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > METADATA_LIMIT {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(Committed {
        offset: part.committed_offset,
        leader_epoch: part.committed_leader_epoch,
        metadata: metadata.to_owned(),
    })
}

/// Tells what groups have committed.
pub(super) fn fetch(node: &Node, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    if version < 8 {
        let asked = request
            .topics
            .map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let topics = committed(node, &request.group_id, asked)
            .into_iter()
            .map(|(name, partitions)| {
                let partitions = partitions
                    .into_iter()
                    .map(|(number, committed)| {
                        OffsetFetchResponsePartition::default()
                            .with_partition_index(number)
                            .with_committed_offset(committed.offset)
                            .with_committed_leader_epoch(committed.leader_epoch)
                            .with_metadata(Some(text(committed.metadata)))
                    })
                    .collect();
                OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions)
            })
            .collect();
        return OffsetFetchResponse::default().with_topics(topics);
    }
    let groups = request
        .groups
        .into_iter()
        .map(|group| {
            let asked = group.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect()
            });
            let topics = committed(node, &group.group_id, asked)
                .into_iter()
                .map(|(name, partitions)| {
                    let partitions = partitions
                        .into_iter()
                        .map(|(number, committed)| {
                            OffsetFetchResponsePartitions::default()
                                .with_partition_index(number)
                                .with_committed_offset(committed.offset)
                                .with_committed_leader_epoch(committed.leader_epoch)
                                .with_metadata(Some(text(committed.metadata)))
                        })
                        .collect();
                    OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions)
                })
                .collect();
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics)
        })
        .collect();
    OffsetFetchResponse::default().with_groups(groups)
}

type CommittedTopics = Vec<(TopicName, Vec<(i32, Committed)>)>;

/// What a group has committed in these partitions, or in all.
fn committed(node: &Node, group_id: &str, asked: Option<Vec<(TopicName, Vec<i32>)>>) -> CommittedTopics {
    let mut known = node.offsets.of_group(group_id);
    if let Some(asked) = asked {
        return asked
            .into_iter()
            .map(|(name, numbers)| {
                let partitions = numbers
                    .into_iter()
                    .map(|number| (number, known.remove(&(name.to_string(), number)).unwrap_or_else(nothing)))
                    .collect();
                (name, partitions)
            })
            .collect();
    }
    let mut topics: BTreeMap<String, Vec<(i32, Committed)>> = BTreeMap::new();
    for (place, committed) in known {
        let (topic, number): Place = place;
        topics.entry(topic).or_default().push((number, committed));
    }
    topics.into_iter().map(|(name, partitions)| (TopicName(text(name)), partitions)).collect()
}

fn nothing() -> Committed {
    Committed { offset: -1, leader_epoch: -1, metadata: String::new() }
}
