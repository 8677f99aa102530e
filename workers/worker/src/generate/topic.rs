//! Makes sure that the topic exists, and learns its number of partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use snafu::ResultExt;

use super::GenerateError;
use super::arguments::GenerateArguments;
use super::error::{
    CreateClientSnafu, CreateTopicSnafu, ReachKafkaSnafu, SendingThreadSnafu, TopicNotReadySnafu,
};

/// How long a broker may take to start, and a topic to get its leaders.
const PATIENCE: Duration = Duration::from_secs(30);
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

type Admin = AdminClient<DefaultClientContext>;

/// What the brokers know about the topic.
enum TopicState {
    Absent,
    /// Some partition has no leader yet.
    Electing,
    Ready {
        partitions: u32,
    },
}

/// The number of partitions of the topic, which is created if it is absent.
pub(super) async fn ensure_topic(arguments: &GenerateArguments) -> Result<u32, GenerateError> {
    let servers = arguments.bootstrap_servers.as_str();
    let topic = arguments.topic.as_str();
    let admin: Admin = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .context(CreateClientSnafu { servers })?;
    let admin = Arc::new(admin);
    let deadline = Instant::now() + PATIENCE;
    let mut created = false;
    loop {
        match read_state(Arc::clone(&admin), topic.to_owned()).await? {
            Ok(TopicState::Ready { partitions }) => return Ok(partitions),
            Ok(TopicState::Absent) if !created => {
                create(&admin, arguments).await?;
                created = true;
            }
            Ok(TopicState::Absent | TopicState::Electing) if Instant::now() > deadline => {
                return TopicNotReadySnafu { topic, servers, seconds: PATIENCE.as_secs() }.fail();
            }
            Ok(TopicState::Absent | TopicState::Electing) => {}
            Err(source) if Instant::now() > deadline => {
                return Err(source).context(ReachKafkaSnafu { servers, seconds: PATIENCE.as_secs() });
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks for all topics: asking for one by name would create it where brokers do that by themselves.
async fn read_state(
    admin: Arc<Admin>,
    topic: String,
) -> Result<Result<TopicState, KafkaError>, GenerateError> {
    let read = move || {
        let metadata = admin.inner().fetch_metadata(None, METADATA_TIMEOUT)?;
        let Some(found) = metadata.topics().iter().find(|candidate| candidate.name() == topic) else {
            return Ok(TopicState::Absent);
        };
        let led = found.partitions().iter().all(|partition| partition.leader() >= 0);
        if found.partitions().is_empty() || !led {
            return Ok(TopicState::Electing);
        }
        Ok(TopicState::Ready { partitions: found.partitions().len() as u32 })
    };
    tokio::task::spawn_blocking(read).await.context(SendingThreadSnafu)
}

async fn create(admin: &Admin, arguments: &GenerateArguments) -> Result<(), GenerateError> {
    let servers = arguments.bootstrap_servers.as_str();
    let topic = arguments.topic.as_str();
    // Times may lie in the past, where the broker's default retention would delete them at once.
    let new_topic = NewTopic::new(topic, arguments.partitions as i32, TopicReplication::Fixed(-1))
        .set("retention.ms", "-1");
    let results = admin.create_topics([&new_topic], &AdminOptions::new()).await;
    let outcome = match results {
        Ok(outcomes) => outcomes.into_iter().next().unwrap_or_else(|| Ok(topic.to_owned())),
        Err(error) => return CreateTopicSnafu { topic, servers, reason: error.to_string() }.fail(),
    };
    match outcome {
        Ok(_) => {
            tracing::info!(topic, partitions = arguments.partitions, "created the topic");
            Ok(())
        }
        // Somebody else was faster.
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
        Err((_, code)) => CreateTopicSnafu { topic, servers, reason: code.to_string() }.fail(),
    }
}
