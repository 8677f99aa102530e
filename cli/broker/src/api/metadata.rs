//! Where things are: the broker, the topics, the coordinators of groups.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
        describe_cluster_response::DescribeClusterBroker,
        find_coordinator_response::Coordinator,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::StrBytes,
};

use super::{BROKER_ID, Caller, text};
use crate::{node::Node, refusal::Refusal, topics::Topic};

/// What the client asks to coordinate: a consumer group.
const GROUP_KEY: i8 = 0;

/// The broker and the topics asked for.
pub(super) fn metadata(
    node: &Node,
    caller: &Caller,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let asks_for_all = match &request.topics {
        None => true,
        // In the first version, no topic stood for all.
        Some(topics) => version == 0 && topics.is_empty(),
    };
    let topics = if asks_for_all {
        node.topics.all().iter().map(|topic| described(topic)).collect()
    } else {
        let may_create = request.allow_auto_topic_creation;
        request.topics.into_iter().flatten().map(|topic| find(node, topic, may_create)).collect()
    };
    let (host, port) = advertised(node, caller);
    let broker =
        MetadataResponseBroker::default().with_node_id(BrokerId(BROKER_ID)).with_host(host).with_port(port);
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&node.identity.cluster_id)))
        .with_controller_id(BrokerId(BROKER_ID))
        .with_topics(topics)
}

/// The cluster of one broker.
pub(super) fn describe_cluster(
    node: &Node,
    caller: &Caller,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (host, port) = advertised(node, caller);
    let broker =
        DescribeClusterBroker::default().with_broker_id(BrokerId(BROKER_ID)).with_host(host).with_port(port);
    DescribeClusterResponse::default()
        .with_endpoint_type(request.endpoint_type)
        .with_cluster_id(text(&node.identity.cluster_id))
        .with_controller_id(BrokerId(BROKER_ID))
        .with_brokers(vec![broker])
}

/// The coordinators of groups: this broker. There are none of transactions.
pub(super) fn find_coordinator(
    node: &Node,
    caller: &Caller,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let (host, port) = advertised(node, caller);
    let refusal = (request.key_type != GROUP_KEY).then(transactions_refused);
    let error_code = refusal.as_ref().map_or(0, |refusal| refusal.error.code());
    let error_message = refusal.map(|refusal| text(refusal.message));
    if version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(error_code)
            .with_error_message(error_message)
            .with_node_id(BrokerId(BROKER_ID))
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request
        .coordinator_keys
        .into_iter()
        .map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_error_code(error_code)
                .with_error_message(error_message.clone())
                .with_node_id(BrokerId(BROKER_ID))
                .with_host(host.clone())
                .with_port(port)
        })
        .collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

/// Why there are no transactions. Clients take this error as final, others they would retry.
pub(super) fn transactions_refused() -> Refusal {
    Refusal::new(
        ResponseError::TransactionalIdAuthorizationFailed,
        "transactions are not supported by the embedded broker; use an idempotent producer without transactional.id",
    )
}

fn advertised(node: &Node, caller: &Caller) -> (StrBytes, i32) {
    let host = node.config.advertised_host.clone().unwrap_or_else(|| caller.reached_at.ip().to_string());
    (text(host), i32::from(caller.reached_at.port()))
}

fn find(node: &Node, asked: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
    let failed = |asked: MetadataRequestTopic, error: ResponseError| {
        MetadataResponseTopic::default()
            .with_name(asked.name)
            .with_topic_id(asked.topic_id)
            .with_error_code(error.code())
    };
    let Some(name) = asked.name.clone() else {
        return match node.topics.with_id(asked.topic_id) {
            Some(topic) => described(&topic),
            None => failed(asked, ResponseError::UnknownTopicId),
        };
    };
    if let Some(topic) = node.topics.named(&name) {
        return described(&topic);
    }
    match node.config.auto_create_partitions {
        Some(partitions) if may_create => match created(node, &name, partitions) {
            Ok(topic) => described(&topic),
            Err(error) => failed(asked, error),
        },
        _ => failed(asked, ResponseError::UnknownTopicOrPartition),
    }
}

fn created(node: &Node, name: &str, partitions: u32) -> Result<Arc<Topic>, ResponseError> {
    match node.topics.create(name, partitions as i32, BTreeMap::new()) {
        Ok(topic) => Ok(topic),
        // Another client asked for it at the same time.
        Err(refusal) if refusal.error == ResponseError::TopicAlreadyExists => {
            node.topics.named(name).ok_or(ResponseError::UnknownTopicOrPartition)
        }
        Err(refusal) => Err(refusal.error),
    }
}

fn described(topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..topic.partition_count())
        .map(|number| {
            MetadataResponsePartition::default()
                .with_partition_index(number)
                .with_leader_id(BrokerId(BROKER_ID))
                .with_leader_epoch(0)
                .with_replica_nodes(vec![BrokerId(BROKER_ID)])
                .with_isr_nodes(vec![BrokerId(BROKER_ID)])
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(&topic.name))))
        .with_topic_id(topic.id)
        .with_partitions(partitions)
}
