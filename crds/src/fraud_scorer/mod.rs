//! The kind `FraudScorer`: a risk score and its reasons for each silver row, and alerts for the worst.
//!
//! | module | part of the resource |
//! |---|---|
//! | [`rules`] | what earns points: rules, velocity, levels |
//! | [`output`] | the table of scores, the alerts, the model's part |
//! | [`status`] | what the operator says |

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

pub mod output;
pub mod rules;
pub mod status;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use output::{Alerts, Label, ScoreTable, ScoringModel};
pub use rules::{Level, ScoringRule, Velocity};
pub use status::{FraudScorerStatus, LevelStatus, RuleStatus, ScoringModelStatus};

use crate::pod_template::{LocalReference, PodTemplate};
use crate::replay::ScoreReplay;
use crate::stream_pipeline::{Commit, StartFrom};
use crate::text;

/// Whose rows are scored, by which rules, and where scores and alerts go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "FraudScorer",
    plural = "fraudscorers",
    shortname = "fscr",
    category = "sluice",
    namespaced,
    cel,
    status = "FraudScorerStatus",
    derive = "PartialEq",
    doc = "A FraudScorer gives each silver row of a StreamPipeline a risk score with its reasons, in milliseconds: rules in SQL, velocity over event time, and a model if there is one. Scores go to a Delta table, alerts to a Kafka topic.",
    selectable = ".spec.pipelineRef.name",
    scale(
        spec_replicas_path = ".spec.shards",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the scorer does its work"
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
        name = "Model",
        type_ = "string",
        json_path = ".status.model.variants",
        description = "Versions of the model that score, with their weights"
    ),
    printcolumn(
        name = "P99",
        type_ = "string",
        json_path = ".status.latency",
        description = "Time from a message's arrival to its alert, 99th percentile"
    ),
    printcolumn(
        name = "Lag",
        type_ = "integer",
        json_path = ".status.lag",
        description = "Messages that are not scored yet"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "AlertRate",
        type_ = "string",
        json_path = ".status.alertRate",
        description = "Share of the rows that raised an alert",
        priority = 1
    ),
    printcolumn(
        name = "Rules",
        type_ = "string",
        json_path = ".status.ruleSet",
        description = "The rule set in force",
        priority = 1
    ),
    printcolumn(
        name = "Shadow",
        type_ = "string",
        json_path = ".status.model.shadow",
        description = "Versions of the model that score without effect",
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
        "has(self.pipelineRef.name) == has(oldSelf.pipelineRef.name) && \
         (!has(self.pipelineRef.name) || self.pipelineRef.name == oldSelf.pipelineRef.name) && \
         has(self.table.name) == has(oldSelf.table.name) && \
         (!has(self.table.name) || self.table.name == oldSelf.table.name)"
    )
    .message("pipelineRef and table.name cannot be changed: make another FraudScorer")
    .reason(Reason::FieldValueForbidden),
    validation = Rule::new("has(self.rules) || has(self.velocity) || has(self.model)")
        .message("give at least one of rules, velocity and model: without them every score is 0")
        .reason(Reason::FieldValueRequired)
        .field_path(".rules"),
    validation = Rule::new(
        "!(has(self.rules) && has(self.velocity)) || \
         self.velocity.all(velocity, !self.rules.exists(rule, rule.name == velocity.name))"
    )
    .message("a velocity rule needs a name that no rule has: the column reasons lists both")
    .field_path(".velocity"),
    validation = Rule::new("!has(self.alerts) || self.levels.exists(level, level.name == self.alerts.alertAt)")
        .message("alerts.alertAt must be the name of one of the levels")
        .field_path(".alerts.alertAt"),
    validation = Rule::new("!has(self.reviewAt) || self.levels.exists(level, level.name == self.reviewAt)")
        .message("reviewAt must be the name of one of the levels")
        .field_path(".reviewAt"),
    validation = Rule::new("!has(self.model) || !has(self.model.alertAbove) || has(self.alerts)")
        .message("model.alertAbove needs alerts: there is no topic to send them to")
        .reason(Reason::FieldValueRequired)
        .field_path(".alerts")
)]
pub struct FraudScorerSpec {
    /// The StreamPipeline in this namespace whose silver rows are scored. Its source, schema, silver rules
    /// and expressions are used as they are. It cannot be changed.
    pub pipeline_ref: LocalReference,
    /// The Delta table of scores, one row for each silver row.
    pub table: ScoreTable,
    /// Rules that add points to a row's score, in the order in which the column `reasons` lists them. They
    /// change without a restart, at an epoch boundary; a set with an error is refused and the one before it
    /// keeps working. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend(
        "x-kubernetes-list-type" = "atomic",
        "x-kubernetes-validations" = [{
            "rule": "self.all(rule, self.exists_one(other, other.name == rule.name))",
            "message": "two rules have the same name",
        }]
    ))]
    pub rules: Vec<ScoringRule>,
    /// Rules that add points when a key comes too often in a time. In `reasons` they follow the others.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "atomic",
        "x-kubernetes-validations" = [{
            "rule": "self.all(velocity, self.exists_one(other, other.name == velocity.name))",
            "message": "two velocity rules have the same name",
        }]
    ))]
    pub velocity: Vec<Velocity>,
    /// Names for ranges of the score, in any order: a row has the level with the largest `minScore` that its
    /// score reaches.
    #[schemars(length(min = 1, max = 16), extend(
        "x-kubernetes-list-type" = "atomic",
        "x-kubernetes-validations" = [
            {
                "rule": "self.exists_one(level, level.minScore == 0)",
                "message": "one level must have minScore 0, so that every score has a level",
            },
            {
                "rule": "self.all(level, self.exists_one(other, other.name == level.name || other.minScore == level.minScore))",
                "message": "two levels have the same name or the same minScore",
            },
        ]
    ))]
    pub levels: Vec<Level>,
    /// The level from which on the column `requires_review` is true, for example `HIGH`. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::level_name")]
    pub review_at: Option<String>,
    /// The column that holds the truth, where the data has one. Scores that leave out every rule that reads
    /// it stand beside the full ones, and no model ever sees either. Default: there is no such column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The Kafka topic to which rows of a high level go as they arrive. Default: no alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
    /// The model that adds a probability to each row. Default: rules only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ScoringModel>,
    /// Where scoring starts: `Earliest` (at the pipeline's first row) or `Latest` (only what comes after the
    /// scorer). Default: `Earliest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,
    /// Number of workers; each reads its share of the topic's partitions. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub shards: Option<i32>,
    /// When scores become visible in the table. Alerts never wait for it. Default: as the pipeline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Makes the table of scores again from bronze, once for each name: after a change of rules. Removing it stops
    /// one that runs. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ScoreReplay>,
    /// What may be said about the pods of this scorer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Stops all workers. Nothing is lost: they go on where they were. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

#[cfg(test)]
mod tests;
