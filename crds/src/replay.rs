//! Replays: tables that are made again from bronze, once for each name; what a pipeline and a scorer say of them.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use kube::core::{Reason, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// What a replay calls the table of a scorer, whatever that is called in the lake.
pub const SCORES: &str = "fraud";

/// One of a name runs once, as it was first written.
fn unchanged_under_its_name() -> Rule {
    Rule::new("self.name != oldSelf.name || self == oldSelf")
        .message("give another replay a name of its own: one of a name runs once, and cannot be changed")
        .reason(Reason::FieldValueForbidden)
        .field_path(".name")
}

/// Tables of a pipeline that are made again from bronze, by a Job, with the present configuration. Rows that come
/// out the same stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = unchanged_under_its_name())]
pub struct TableReplay {
    /// Name of the replay. It runs once: another name starts another one, and the same name does nothing.
    #[schemars(schema_with = "text::dns_label")]
    pub name: String,
    /// The tables to make again: `silver`, `gold` (all windowed tables) or `gold/<name>`.
    #[schemars(length(min = 1, max = 33), extend("x-kubernetes-list-type" = "atomic"))]
    pub tables: Vec<ReplayedTable>,
    /// The first messages: a time of Kafka like `2026-01-05T20:00:00Z`, or offsets as `PARTITION:OFFSET`,
    /// separated by commas. Default: from the first row of bronze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::replay_bound")]
    pub from: Option<String>,
    /// Where it ends, likewise. Default: where the pipeline stands when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::replay_bound")]
    pub until: Option<String>,
    /// How many pods go through bronze, each with some of the partitions; windowed tables alone need one. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<i32>,
}

/// A scorer's table that is made again from bronze, by a Job, with the present configuration and rules. Rows that
/// come out the same stay as they are, and nobody is alerted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = unchanged_under_its_name())]
pub struct ScoreReplay {
    /// Name of the replay. It runs once: another name starts another one, and the same name does nothing.
    #[schemars(schema_with = "text::dns_label")]
    pub name: String,
    /// The first messages: a time of Kafka like `2026-01-05T20:00:00Z`, or offsets as `PARTITION:OFFSET`,
    /// separated by commas. Default: from the first row of bronze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::replay_bound")]
    pub from: Option<String>,
    /// Where it ends, likewise. Default: where the scorer stands when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::replay_bound")]
    pub until: Option<String>,
    /// How many pods go through bronze, each with some of the partitions. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<i32>,
}

/// A table that can be made again from bronze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ReplayedTable(#[schemars(schema_with = "text::replayed_table")] pub String);

/// What became of the newest replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayStatus {
    /// Name of the replay.
    #[schemars(length(max = 63))]
    pub name: String,
    /// How far it has come.
    pub phase: ReplayPhase,
    /// What it waits for, what it did, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

impl ReplayStatus {
    /// A replay that has yet to begin, and what it waits for.
    pub fn pending(name: &str, waits_for: &str) -> Self {
        Self {
            name: name.to_owned(),
            phase: ReplayPhase::Pending,
            message: Some(waits_for.to_owned()),
            started_at: None,
            finished_at: None,
        }
    }
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReplayPhase {
    /// It waits until all workers run the present configuration.
    Pending,
    /// It runs.
    Running,
    /// The tables have what it made.
    Succeeded,
    /// It has ended without success; the tables are whole.
    Failed,
}

impl ReplayPhase {
    /// Whether nothing more comes of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}
