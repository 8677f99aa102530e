//! A request's refusal: the protocol's error and a sentence that says what to do.

use std::error::Error;

use kafka_protocol::error::ResponseError;

/// Why the broker does not do what a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the client's program decides by.
    pub(crate) error: ResponseError,
    /// What its user reads.
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal with this sentence.
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }

    /// The topic is not there.
    pub(crate) fn unknown_topic(name: &str) -> Self {
        Self::new(ResponseError::UnknownTopicOrPartition, format!("there is no topic \"{name}\""))
    }

    /// The disk is full or broken.
    pub(crate) fn storage(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "failed to store");
        Self::new(ResponseError::KafkaStorageError, sentence(error))
    }
}

/// An error with all its causes in one line.
pub(crate) fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}
