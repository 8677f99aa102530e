//! [`TopicError`]: what went wrong with a topic, and the fix.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_contract::report::Problem;
use snafu::Snafu;

use super::credentials::SettingsError;

/// What went wrong with a topic.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum TopicError {
    /// A file of the connection's settings cannot be read.
    #[snafu(display("{source}"))]
    Settings {
        /// Which file, and why.
        source: SettingsError,
    },
    /// librdkafka refuses the settings.
    #[snafu(display("failed to make a Kafka client: {detail}"))]
    Client {
        /// What librdkafka says.
        detail: String,
    },
    /// No broker answers.
    #[snafu(display("failed to reach Kafka at \"{bootstrap}\": {detail}"))]
    Unreachable {
        /// The configured addresses.
        bootstrap: String,
        /// What librdkafka says.
        detail: String,
    },
    /// The brokers answer, and do not let this client in.
    #[snafu(display("failed to use Kafka at \"{bootstrap}\": {detail}"))]
    Refused {
        /// The configured addresses.
        bootstrap: String,
        /// What librdkafka says.
        detail: String,
    },
    /// The brokers do not know the topic.
    #[snafu(display("failed to find the topic \"{topic}\" at \"{bootstrap}\""))]
    TopicMissing {
        /// Name of the topic.
        topic: String,
        /// The configured addresses.
        bootstrap: String,
    },
}

impl TopicError {
    /// Sorts what librdkafka reports by who can mend it.
    pub fn classify(error: &KafkaError, topic: &str, bootstrap: &str, last_words: Option<String>) -> Self {
        use RDKafkaErrorCode as Code;
        let detail = last_words.map_or_else(|| error.to_string(), |words| format!("{error} ({words})"));
        let bootstrap = bootstrap.to_owned();
        match error.rdkafka_error_code() {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                Self::TopicMissing { topic: topic.to_owned(), bootstrap }
            }
            Some(
                Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed,
            ) => Self::Refused { bootstrap, detail },
            _ => Self::Unreachable { bootstrap, detail },
        }
    }

    /// What the report says, with the fix.
    pub fn problem(&self) -> Problem {
        let (reason, fix) = match self {
            Self::Settings { .. } => {
                ("KafkaSettingsUnusable", "mount the file that source.kafka.security names")
            }
            Self::Client { .. } => {
                ("KafkaSettingsUnusable", "correct source.kafka.bootstrapServers and source.kafka.security")
            }
            Self::Unreachable { .. } => {
                ("KafkaUnreachable", "start the broker, or correct source.kafka.bootstrapServers")
            }
            Self::Refused { .. } => (
                "KafkaRefused",
                "correct source.kafka.security, or grant its user Read and Describe on the topic",
            ),
            Self::TopicMissing { .. } => ("TopicMissing", "create the topic, or correct source.kafka.topic"),
        };
        Problem { reason: reason.to_owned(), message: format!("{self}; {fix}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(code: RDKafkaErrorCode) -> String {
        let error = KafkaError::MetadataFetch(code);
        TopicError::classify(&error, "readings", "broker:9092", None).problem().reason
    }

    #[test]
    fn errors_are_sorted_by_who_can_mend_them() {
        assert_eq!(reason_of(RDKafkaErrorCode::UnknownTopicOrPartition), "TopicMissing");
        assert_eq!(reason_of(RDKafkaErrorCode::UnknownPartition), "TopicMissing");
        assert_eq!(reason_of(RDKafkaErrorCode::SaslAuthenticationFailed), "KafkaRefused");
        assert_eq!(reason_of(RDKafkaErrorCode::TopicAuthorizationFailed), "KafkaRefused");
        assert_eq!(reason_of(RDKafkaErrorCode::BrokerTransportFailure), "KafkaUnreachable");
        assert_eq!(reason_of(RDKafkaErrorCode::OperationTimedOut), "KafkaUnreachable");
    }

    #[test]
    fn a_missing_topic_is_named_with_the_address_and_the_fix() {
        let error = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
        let problem = TopicError::classify(&error, "readings", "broker:9092", None).problem();
        assert_eq!(
            problem.message,
            "failed to find the topic \"readings\" at \"broker:9092\"; create the topic, or correct source.kafka.topic"
        );
    }
}
