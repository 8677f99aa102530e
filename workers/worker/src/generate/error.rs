//! [`GenerateError`]: why the generator gave up.

use rdkafka::error::KafkaError;
use snafu::Snafu;

/// Why the generator gave up.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum GenerateError {
    /// A flag's value makes no sense.
    #[snafu(display("failed to understand {flag}: {problem}; {fix}"))]
    InvalidArgument {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: &'static str,
    },
    /// librdkafka refuses its configuration.
    #[snafu(display("failed to set up a Kafka client for {servers}: {source}; check --bootstrap-servers"))]
    CreateClient {
        /// The brokers.
        servers: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// No broker answers.
    #[snafu(display(
        "failed to reach Kafka at {servers} within {seconds} s: {source}; check --bootstrap-servers and that the broker runs"
    ))]
    ReachKafka {
        /// The brokers.
        servers: String,
        /// For how long it was tried.
        seconds: u64,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// The broker would not create the topic.
    #[snafu(display(
        "failed to create topic \"{topic}\" at {servers}: {reason}; create it yourself, or allow it"
    ))]
    CreateTopic {
        /// The topic.
        topic: String,
        /// The brokers.
        servers: String,
        /// What the broker says.
        reason: String,
    },
    /// The topic does not get ready.
    #[snafu(display(
        "failed to find a leader for each partition of topic \"{topic}\" at {servers} within {seconds} s"
    ))]
    TopicNotReady {
        /// The topic.
        topic: String,
        /// The brokers.
        servers: String,
        /// For how long it was tried.
        seconds: u64,
    },
    /// The registry does not answer.
    #[snafu(display("failed to reach the schema registry at {url}: {source}; check --schema-registry"))]
    RegistryRequest {
        /// The address.
        url: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// The registry refuses the schema.
    #[snafu(display("failed to register a schema at {url}: the registry answered {status}: {text}"))]
    RegistryAnswer {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The body.
        text: String,
    },
    /// The registry's answer is not what the protocol says.
    #[snafu(display(
        "failed to read the answer of the schema registry at {url}: {source}; is it a Confluent-compatible registry?"
    ))]
    RegistryRead {
        /// The address.
        url: String,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// A message could not be queued.
    #[snafu(display("failed to send to topic \"{topic}\": {source}"))]
    Send {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// Messages were not acknowledged.
    #[snafu(display(
        "failed to deliver {failed} messages to topic \"{topic}\" at {servers}, the first one because: {reason}"
    ))]
    Deliver {
        /// The topic.
        topic: String,
        /// The brokers.
        servers: String,
        /// How many.
        failed: u64,
        /// What librdkafka says of the first.
        reason: String,
    },
    /// The signal handlers could not be set up.
    #[snafu(display("failed to listen for signals: {source}"))]
    ListenForSignals {
        /// What the system says.
        source: std::io::Error,
    },
    /// The sending thread died.
    #[snafu(display("failed to finish sending: {source}"))]
    SendingThread {
        /// What tokio says.
        source: tokio::task::JoinError,
    },
}
