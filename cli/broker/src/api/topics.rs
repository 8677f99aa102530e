//! Creating, enlarging and deleting topics.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
        DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
        create_partitions_response::CreatePartitionsTopicResult,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
};
use uuid::Uuid;

use super::{configs::source_code, text};
use crate::{
    node::Node,
    refusal::{Refusal, sentence},
    settings,
    topics::Topic,
};

/// Creates topics.
pub(super) fn create(node: &Node, request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let validate_only = request.validate_only;
    let topics = request.topics.iter().map(|topic| create_one(node, topic, validate_only)).collect();
    CreateTopicsResponse::default().with_topics(topics)
}

fn create_one(node: &Node, asked: &CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(asked.name.clone());
    let created = planned(node, asked).and_then(|(partitions, set)| {
        let id = if validate_only {
            node.topics.check_new(&asked.name, partitions, &set)?;
            Uuid::nil()
        } else {
            node.topics.create(&asked.name, partitions, set.clone())?.id
        };
        Ok((id, partitions, set))
    });
    match created {
        Ok((id, partitions, set)) => {
            let configs = settings::describe(&set, node.topics.default_retention())
                .map(|setting| {
                    CreatableTopicConfigs::default()
                        .with_name(text(setting.name))
                        .with_value(Some(text(setting.value)))
                        .with_config_source(source_code(setting.is_set))
                })
                .collect();
            result
                .with_topic_id(id)
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(configs))
        }
        Err(refusal) => {
            result.with_error_code(refusal.error.code()).with_error_message(Some(text(refusal.message)))
        }
    }
}

/// How many partitions a new topic is to have, and what it is to be set to.
fn planned(node: &Node, asked: &CreatableTopic) -> Result<(i32, BTreeMap<String, String>), Refusal> {
    if !asked.assignments.is_empty() {
        let message = "there is one broker: replicas cannot be assigned";
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    }
    if !matches!(asked.replication_factor, -1 | 1) {
        let message = format!(
            "there is one broker: the replication factor must be 1, not {}",
            asked.replication_factor
        );
        return Err(Refusal::new(ResponseError::InvalidReplicationFactor, message));
    }
    let partitions = match asked.num_partitions {
        -1 => node.config.auto_create_partitions.unwrap_or(1) as i32,
        count => count,
    };
    let set = asked
        .configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
        .collect();
    Ok((partitions, set))
}

/// Deletes topics, by name or by id.
pub(super) fn delete(node: &Node, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
    let asked: Vec<DeleteTopicState> = if version >= 6 {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState::default().with_name(Some(name));
        request.topic_names.into_iter().map(by_name).collect()
    };
    let responses = asked
        .into_iter()
        .map(|asked| {
            let result =
                DeletableTopicResult::default().with_name(asked.name.clone()).with_topic_id(asked.topic_id);
            match find(node, &asked).and_then(|topic| delete_one(node, &topic).map(|()| topic)) {
                Ok(topic) => result.with_name(Some(TopicName(text(&topic.name)))).with_topic_id(topic.id),
                Err(refusal) => result
                    .with_error_code(refusal.error.code())
                    .with_error_message(Some(text(refusal.message))),
            }
        })
        .collect();
    DeleteTopicsResponse::default().with_responses(responses)
}

fn find(node: &Node, asked: &DeleteTopicState) -> Result<Arc<Topic>, Refusal> {
    match &asked.name {
        Some(name) => node.topics.named(name).ok_or_else(|| Refusal::unknown_topic(name)),
        None => node
            .topics
            .with_id(asked.topic_id)
            .ok_or_else(|| Refusal::new(ResponseError::UnknownTopicId, "there is no topic of this id")),
    }
}

fn delete_one(node: &Node, topic: &Topic) -> Result<(), Refusal> {
    node.topics.delete(topic)?;
    // The topic is gone whether or not this can be stored; what remains would only be offsets
    // beyond the end of a new topic of this name, which readers reset.
    if let Err(error) = node.offsets.delete_topic(&topic.name) {
        tracing::warn!(
            topic = topic.name,
            error = sentence(&error),
            "failed to forget a topic's committed offsets"
        );
    }
    Ok(())
}

/// Gives topics more partitions.
pub(super) fn create_partitions(node: &Node, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let validate_only = request.validate_only;
    let results = request
        .topics
        .into_iter()
        .map(|asked| {
            let result = CreatePartitionsTopicResult::default().with_name(asked.name.clone());
            match node.topics.add_partitions(&asked.name, asked.count, validate_only) {
                Ok(()) => result,
                Err(refusal) => result
                    .with_error_code(refusal.error.code())
                    .with_error_message(Some(text(refusal.message))),
            }
        })
        .collect();
    CreatePartitionsResponse::default().with_results(results)
}
