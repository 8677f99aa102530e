//! What the operator says about a scorer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::replay::ReplayStatus;

/// What the operator says about a scorer. Fast numbers are rounded and change at most twice a minute; the
/// exact ones are metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudScorerStatus {
    /// The generation of the spec that this status speaks of; -1: not yet seen by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions: `Ready`, `Reconciling`, `Stalled`, `Degraded`, `KafkaReachable`, `StorageReachable`,
    /// `RulesInForce`, `AlertsDelivered`, `ModelAvailable`, `LabelUsedInScoring` and others, each with the fix in its message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Number of shards that shall run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<i32>,
    /// Number of worker pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Number of worker pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Ready and wanted worker pods, for the eye: `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub replica_summary: Option<String>,
    /// Label selector of the worker pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,
    /// Revision of the configuration that all shards run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub configuration: Option<String>,
    /// Hash of the rule set that all shards score by. It differs from the spec's while a new one has not
    /// reached an epoch boundary yet, or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub rule_set: Option<String>,
    /// The model's part in the scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ScoringModelStatus>,
    /// Messages in the topic that are not scored yet, over all shards, rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// Time from a message's arrival in Kafka to its alert, 99th percentile, rounded, for the eye: `8ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub latency: Option<String>,
    /// Share of the newest rows that raised an alert, for the eye: `1.2%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub alert_rate: Option<String>,
    /// When a shard last committed an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_time: Option<Time>,
    /// Rows by level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub levels: Vec<LevelStatus>,
    /// How often each rule fired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 72),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rules: Vec<RuleStatus>,
    /// What became of the newest replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayStatus>,
}

/// The model's part in the scores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoringModelStatus {
    /// Versions that score, with their weights, for the eye: `v12=90,v13=10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub variants: Option<String>,
    /// Versions that score without effect, for the eye: `v14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub shadow: Option<String>,
    /// Revision of the routing that all shards have acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_revision: Option<i64>,
}

/// The rows of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelStatus {
    /// Name of the level.
    #[schemars(length(max = 32))]
    pub name: String,
    /// Number of rows, rounded.
    pub rows: i64,
}

/// What one rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// Name of the rule.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Number of rows for which it fired, rounded.
    pub rows: i64,
}
