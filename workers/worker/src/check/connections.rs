//! The checks that need a network, each within its own time.

use std::time::Duration;

use sluice_contract::config::{Format, WorkerConfig};
use sluice_contract::report::Problem;
use sluice_lake::Lake;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::finding::Finding;
use crate::kafka::{Topic, TopicError};
use crate::registry_client::{Answer, RegistryClient};
use crate::stream::committer::storage_problem;

/// How long Kafka may take to answer.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long storage may take: it is written to, and asked again if it stumbles.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the brokers answer, know the topic, and have enough partitions for the shards.
pub(super) async fn check_kafka(config: &WorkerConfig, shards: u32) -> Vec<Finding> {
    let kafka = config.source.kafka.clone();
    let ask = move || Topic::new(&kafka)?.partitions(KAFKA_TIMEOUT);
    let Ok(answer) = spawn_blocking(ask).await else { return Vec::new() };
    let field = match &answer {
        Ok(_) => "shards",
        Err(TopicError::TopicMissing { .. }) => "source.kafka.topic",
        Err(TopicError::Unreachable { .. }) => "source.kafka.bootstrapServers",
        Err(TopicError::Refused { .. } | TopicError::Settings { .. } | TopicError::Client { .. }) => {
            "source.kafka.security"
        }
    };
    match answer {
        Ok(partitions) if partitions.len() < shards as usize => vec![Finding::new(
            field,
            format!("{} shards share {} partitions, so some have nothing to do", shards, partitions.len()),
            "lower shards, or give the topic more partitions",
        )],
        Ok(_) => Vec::new(),
        Err(error) => vec![from_problem(field, &error.problem())],
    }
}

/// Whether the registry answers; also the latest schema, where the configuration leaves it to the registry.
pub(super) async fn check_registry(config: &WorkerConfig) -> (Vec<Finding>, Option<String>) {
    let (Format::Avro, Some(registry)) = (config.source.format, &config.source.schema_registry) else {
        return (Vec::new(), None);
    };
    let found = |error: &crate::registry_client::RegistryError| {
        (vec![from_problem("source.schemaRegistry", &error.problem())], None)
    };
    let client = match RegistryClient::new(registry) {
        Ok(client) => client,
        Err(error) => return found(&error),
    };
    if config.source.schema.is_some() {
        return client.probe().await.map_or_else(|error| found(&error), |()| (Vec::new(), None));
    }
    let subject = registry.subject.clone().unwrap_or_else(|| format!("{}-value", config.source.kafka.topic));
    match client.latest(&subject).await {
        Ok(Answer::Found(text)) => (Vec::new(), Some(text)),
        Ok(Answer::NotFound) => {
            let message = format!("the registry at \"{}\" has no subject \"{subject}\"", registry.url);
            let fix = "register a schema, or set source.schema or source.schemaRegistry.subject";
            (vec![Finding::new("source.schemaRegistry.subject", message, fix)], None)
        }
        Err(error) => found(&error),
    }
}

/// The lake, if the storage can be opened and lets a name be created only once.
pub(super) async fn open_lake(config: &WorkerConfig) -> Result<Lake, Finding> {
    let uri = &config.storage.uri;
    match timeout(STORAGE_TIMEOUT, Lake::open(&config.storage)).await {
        Ok(Ok(lake)) => Ok(lake),
        Ok(Err(error)) => Err(from_problem("storage.uri", &storage_problem(&error))),
        Err(_) => Err(Finding::new(
            "storage.uri",
            format!("\"{uri}\" did not answer within {} s", STORAGE_TIMEOUT.as_secs()),
            "correct storage.uri, or the credentials in storage.secretRef",
        )),
    }
}

/// Problems are "what is wrong; what to do".
pub(super) fn from_problem(field: &str, problem: &Problem) -> Finding {
    let (message, fix) = problem.message.split_once("; ").unwrap_or((&problem.message, "see the message"));
    Finding::new(field, message, fix)
}
