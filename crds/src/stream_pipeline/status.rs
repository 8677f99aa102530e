//! What the operator says about a pipeline.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::replay::ReplayStatus;

/// What the operator says about a pipeline. Fast numbers are rounded and change at most twice a minute; the
/// exact ones are metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamPipelineStatus {
    /// The generation of the spec that this status speaks of; -1: not yet seen by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions: `Ready`, `Reconciling`, `Stalled`, `Degraded` and those of the parts, each with the
    /// fix in its message.
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
    /// Messages in the topic that are not committed yet, over all shards, rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// How far a reader of the tables is behind the topic, rounded, for the eye: `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub freshness: Option<String>,
    /// When a shard last committed an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit_time: Option<Time>,
    /// Which layers hold rows, for the eye: `b✓ s✓ g✓`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub layers: Option<String>,
    /// The tables of the lake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub tables: Vec<TableStatus>,
    /// Messages in quarantine, by stage and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["stage", "reason"])
    )]
    pub quarantine: Vec<QuarantineStatus>,
    /// The lake that the tables are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake: Option<LakeStatus>,
    /// What became of the newest replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayStatus>,
    /// The copy in the warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<WarehouseStatus>,
}

/// One table of the lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    /// Path below the lake's root: `silver`, `gold/transactions`.
    #[schemars(length(max = 80))]
    pub name: String,
    /// Newest version of the Delta table.
    pub version: i64,
    /// Number of rows, rounded.
    pub rows: i64,
    /// Number of live files.
    pub files: i64,
    /// Bytes of its live files, rounded.
    pub bytes: i64,
}

/// Messages refused at one stage for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineStatus {
    /// Where they were refused: `decode`, `silver` or `late`.
    #[schemars(length(max = 16))]
    pub stage: String,
    /// The code of the reason.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How many, rounded.
    pub messages: i64,
}

/// The lake that the pipeline writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LakeStatus {
    /// Id of the lake, for `storage.adopt` of a pipeline that takes it over.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Id that Kafka gave the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub topic_id: Option<String>,
}

/// The copy in the warehouse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarehouseStatus {
    /// When a sync last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync_time: Option<Time>,
    /// When dbt last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_build_time: Option<Time>,
}
