//! [`Identity`]: whose lake this is, and of which topic. Guards against two pipelines in one place.

use uuid::Uuid;

/// Names a Kafka topic across deletion and re-creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicIdentity {
    /// Name of the topic.
    pub name: String,
    /// Kafka's id of the topic; `None` where the broker tells none (older than 2.8).
    pub id: Option<String>,
}

/// Who a lake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique id, given at the lake's creation; `storage.adopt` names it.
    pub lake_id: Uuid,
}
