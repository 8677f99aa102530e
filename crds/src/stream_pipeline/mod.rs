//! The kind `StreamPipeline`: a Kafka topic becomes a medallion lakehouse.
//!
//! | module | part of the resource |
//! |---|---|
//! | [`source`] | the topic, its encoding, its event time |
//! | [`storage`] | the lake, and when epochs close |
//! | [`silver`] | the tables bronze and silver |
//! | [`gold`] | the windowed tables |
//! | [`operations`] | scaling, maintenance, warehouse |
//! | [`status`] | what the operator says |

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

pub mod gold;
pub mod operations;
pub mod silver;
pub mod source;
pub mod status;
pub mod storage;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use gold::{Emit, GoldTable, Measure, Window};
pub use operations::{Autoscaling, Dbt, Maintenance, Postgres, TablePath, Warehouse};
pub use silver::{Bronze, Column, Deduplicate, Requirement, Silver};
pub use source::{
    CaSecretReference, EventTime, Format, Kafka, MutualTls, Sasl, SaslMechanism, SchemaRegistry, Security,
    Source, StartFrom, StrimziReference, Tls,
};
pub use status::{LakeStatus, QuarantineStatus, StreamPipelineStatus, TableStatus, WarehouseStatus};
pub use storage::{Commit, Storage, Volume};

use crate::pod_template::PodTemplate;
use crate::replay::TableReplay;

/// What a pipeline reads, what it computes and where it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "StreamPipeline",
    plural = "streampipelines",
    shortname = "stpl",
    category = "sluice",
    namespaced,
    cel,
    status = "StreamPipelineStatus",
    derive = "PartialEq",
    doc = "A StreamPipeline turns a Kafka topic into a lakehouse: exactly-once Delta tables bronze (every message), silver (clean rows), quarantine (what was refused, and why) and gold (windowed aggregates).",
    scale(
        spec_replicas_path = ".spec.shards",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the pipeline does its work"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "string",
        json_path = ".status.replicaSummary",
        description = "Ready and wanted workers"
    ),
    printcolumn(
        name = "Lag",
        type_ = "integer",
        json_path = ".status.lag",
        description = "Messages that are not committed yet"
    ),
    printcolumn(
        name = "Freshness",
        type_ = "string",
        json_path = ".status.freshness",
        description = "How far a reader of the tables is behind the topic"
    ),
    printcolumn(
        name = "Layers",
        type_ = "string",
        json_path = ".status.layers",
        description = "Which layers hold rows"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "LastCommit",
        type_ = "date",
        json_path = ".status.lastCommitTime",
        description = "Time since the last epoch",
        priority = 1
    ),
    printcolumn(
        name = "Sync",
        type_ = "date",
        json_path = ".status.warehouse.lastSyncTime",
        description = "Time since the last sync to the warehouse",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is wrong, and the fix",
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must have lower-case letters, digits and '-', start with a letter and end with a letter or digit"),
    validation = Rule::new("size(self.metadata.name) <= 40")
        .message("metadata.name must have at most 40 characters: the names of what is made for it are longer")
)]
#[x_kube(
    validation = Rule::new(
        "has(self.storage.uri) == has(oldSelf.storage.uri) && \
         (!has(self.storage.uri) || self.storage.uri == oldSelf.storage.uri) && \
         has(self.source.kafka.topic) == has(oldSelf.source.kafka.topic) && \
         (!has(self.source.kafka.topic) || self.source.kafka.topic == oldSelf.source.kafka.topic)"
    )
    .message("storage.uri and source.kafka.topic cannot be changed: make another StreamPipeline")
    .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!(has(self.shards) && has(self.autoscaling))")
        .message("give shards or autoscaling, not both")
        .reason(Reason::FieldValueForbidden)
        .field_path(".shards")
)]
pub struct StreamPipelineSpec {
    /// Where messages come from and how they are read.
    pub source: Source,
    /// Where the tables live.
    pub storage: Storage,
    /// Number of workers; each reads its share of the topic's partitions. More than there are partitions is
    /// waste. Either this or `autoscaling`. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub shards: Option<i32>,
    /// Lets the number of workers follow the lag. Either this or `shards`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// When an epoch closes and becomes visible to readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The table of all messages that decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bronze: Option<Bronze>,
    /// The table of clean, enriched rows.
    pub silver: Silver,
    /// The windowed tables. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub gold: Vec<GoldTable>,
    /// Upkeep of the tables. Default: once an hour, with 30 days of old versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Makes tables again from bronze, once for each name: after a change of expressions or rules. Removing it
    /// stops one that runs. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<TableReplay>,
    /// Tables copied to a relational warehouse. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<Warehouse>,
    /// What may be said about the pods of this pipeline: resources, tolerations, pull secrets, workload
    /// identity. All of them share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Stops all workers. Nothing is lost: they go on where they were. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

#[cfg(test)]
mod tests;
