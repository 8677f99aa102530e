//! [`Topic`]: the partitions of a topic and the offsets that its broker has.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_contract::config::Kafka;
use snafu::ResultExt;

use super::credentials::Credentials;
use super::settings::client_settings;
use super::trouble::{SettingsSnafu, TopicError};

/// The offsets that a broker has of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Offset of the first message.
    pub low: i64,
    /// Offset that the next message will get.
    pub high: i64,
}

/// Passes what librdkafka says on to the log, quietly: a lasting trouble is a problem in the
/// report, said once, and not a line for each attempt to connect.
#[derive(Debug, Default)]
pub struct Quiet {
    last_words: Mutex<Option<String>>,
}

impl Quiet {
    /// What librdkafka said last about a connection that failed.
    pub fn last_words(&self) -> Option<String> {
        self.last_words.lock().expect("no holder of the lock panics").clone()
    }
}

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            // "[thrd:...]: <address>/<broker>: <what>"
            let words = message.split("]: ").last().unwrap_or(message).to_owned();
            *self.last_words.lock().expect("no holder of the lock panics") = Some(words);
        }
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka reported an error");
    }
}

impl ConsumerContext for Quiet {}

/// A topic, asked through a connection of its own so that answers do not wait behind fetches.
pub struct Topic {
    client: BaseConsumer<Quiet>,
    name: String,
    bootstrap: String,
}

impl Topic {
    /// Makes the client, with what the files of its security hold now. It connects when it is first asked.
    pub fn new(kafka: &Kafka) -> Result<Self, TopicError> {
        Self::with(kafka, &Credentials::read(&kafka.security).context(SettingsSnafu)?)
    }

    /// Makes the client with these credentials. It connects when it is first asked.
    pub fn with(kafka: &Kafka, credentials: &Credentials) -> Result<Self, TopicError> {
        let client = client_settings(kafka, credentials)
            .create_with_context(Quiet::default())
            .map_err(|error| TopicError::Client { detail: error.to_string() })?;
        Ok(Self { client, name: kafka.topic.clone(), bootstrap: kafka.bootstrap_servers.clone() })
    }

    /// Numbers of the topic's partitions, ascending. Blocks up to `timeout`.
    pub fn partitions(&self, timeout: Duration) -> Result<Vec<i32>, TopicError> {
        self.serve_log();
        let metadata =
            self.client.fetch_metadata(Some(&self.name), timeout).map_err(|error| self.classify(&error))?;
        let missing =
            || TopicError::TopicMissing { topic: self.name.clone(), bootstrap: self.bootstrap.clone() };
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.name).ok_or_else(missing)?;
        if let Some(code) = topic.error() {
            return Err(self.classify(&KafkaError::MetadataFetch(RDKafkaErrorCode::from(code))));
        }
        let mut partitions: Vec<i32> = topic.partitions().iter().map(|partition| partition.id()).collect();
        if partitions.is_empty() {
            return Err(missing());
        }
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// What the broker has of a partition. Blocks up to `timeout`.
    pub fn watermarks(&self, partition: i32, timeout: Duration) -> Result<Watermarks, TopicError> {
        self.serve_log();
        let (low, high) = self
            .client
            .fetch_watermarks(&self.name, partition, timeout)
            .map_err(|error| self.classify(&error))?;
        Ok(Watermarks { low, high })
    }

    fn classify(&self, error: &KafkaError) -> TopicError {
        self.serve_log();
        TopicError::classify(error, &self.name, &self.bootstrap, self.client.context().last_words())
    }

    /// librdkafka queues its log lines until somebody polls.
    fn serve_log(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }
}
