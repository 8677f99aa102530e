//! Showing and changing what topics are set to.

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs_response,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_request::AlterableConfig,
        incremental_alter_configs_response,
    },
    protocol::StrBytes,
};

use super::{BROKER_ID, text};
use crate::{node::Node, refusal::Refusal, settings};

const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;

/// The protocol's number for where a value comes from.
pub(super) fn source_code(is_set: bool) -> i8 {
    const DYNAMIC_TOPIC: i8 = 1;
    const DEFAULT: i8 = 5;
    if is_set { DYNAMIC_TOPIC } else { DEFAULT }
}

/// Shows the configuration of topics and of the broker.
pub(super) fn describe(node: &Node, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request
        .resources
        .into_iter()
        .map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match described(node, &resource) {
                Ok(configs) => result.with_configs(configs),
                Err(refusal) => result
                    .with_error_code(refusal.error.code())
                    .with_error_message(Some(text(refusal.message))),
            }
        })
        .collect();
    DescribeConfigsResponse::default().with_results(results)
}

fn described(
    node: &Node,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let name = &resource.resource_name;
    let is_wanted = |key: &str| match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|wanted| &**wanted == key),
        _ => true,
    };
    let shown = |key: &str, value: String, source: i8| {
        DescribeConfigsResourceResult::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
            .with_config_source(source)
    };
    match resource.resource_type {
        TOPIC_RESOURCE => {
            let topic = node.topics.named(name).ok_or_else(|| Refusal::unknown_topic(name))?;
            let set = topic.set();
            Ok(settings::describe(&set, node.topics.default_retention())
                .filter(|setting| is_wanted(setting.name))
                .map(|setting| shown(setting.name, setting.value, source_code(setting.is_set)))
                .collect())
        }
        BROKER_RESOURCE => Ok(broker_settings(node)
            .into_iter()
            .filter(|(key, _)| is_wanted(key))
            .map(|(key, value)| shown(key, value, source_code(false)).with_read_only(true))
            .collect()),
        other => Err(unsupported_resource(other)),
    }
}

/// What a client may want to know about the broker, in Kafka's words.
fn broker_settings(node: &Node) -> BTreeMap<&'static str, String> {
    let retention = node.topics.default_retention();
    BTreeMap::from([
        ("auto.create.topics.enable", node.config.auto_create_partitions.is_some().to_string()),
        ("broker.id", BROKER_ID.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("log.retention.ms", retention.map_or_else(|| "-1".to_owned(), |time| time.as_millis().to_string())),
        ("num.partitions", node.config.auto_create_partitions.unwrap_or(1).to_string()),
        ("socket.request.max.bytes", node.config.limits.request_bytes.to_string()),
    ])
}

/// Changes single keys of topics.
pub(super) fn alter_incrementally(
    node: &Node,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request
        .resources
        .into_iter()
        .map(|resource| {
            let altered = configure(
                node,
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |set| resource.configs.iter().try_for_each(|config| apply(config, set)),
            );
            let (code, message) = outcome(altered);
            incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        })
        .collect();
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

/// Replaces all keys of topics.
pub(super) fn alter(node: &Node, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request
        .resources
        .into_iter()
        .map(|resource| {
            let altered = configure(
                node,
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |set| {
                    *set = resource
                        .configs
                        .iter()
                        .filter_map(|config| {
                            Some((config.name.to_string(), config.value.as_ref()?.to_string()))
                        })
                        .collect();
                    Ok(())
                },
            );
            let (code, message) = outcome(altered);
            alter_configs_response::AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        })
        .collect();
    AlterConfigsResponse::default().with_responses(responses)
}

/// Code and message that both kinds of answer have, whose types differ.
fn outcome(altered: Result<(), Refusal>) -> (i16, Option<StrBytes>) {
    altered.map_or_else(|refusal| (refusal.error.code(), Some(text(refusal.message))), |()| (0, None))
}

fn configure(
    node: &Node,
    resource_type: i8,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    match resource_type {
        TOPIC_RESOURCE => node.topics.configure(name, validate_only, change),
        other => Err(unsupported_resource(other)),
    }
}

fn apply(config: &AlterableConfig, set: &mut BTreeMap<String, String>) -> Result<(), Refusal> {
    match (config.config_operation, &config.value) {
        (SET, Some(value)) => {
            set.insert(config.name.to_string(), value.to_string());
            Ok(())
        }
        (SET, None) | (DELETE, _) => {
            set.remove(&*config.name);
            Ok(())
        }
        _ => {
            let message =
                format!("{} is no list: it can be set or deleted, but not appended to", &*config.name);
            Err(Refusal::new(ResponseError::InvalidConfig, message))
        }
    }
}

fn unsupported_resource(resource_type: i8) -> Refusal {
    let message =
        format!("the embedded broker configures topics only, not resources of type {resource_type}");
    Refusal::new(ResponseError::InvalidRequest, message)
}
