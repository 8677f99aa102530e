//! How a version comes to be, and what it must reach to be registered.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::text;

/// How new versions come to be: a CronJob trains on the pipeline's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.schedule) || (has(self.runOnCreate) && self.runOnCreate) || has(self.nonce)")
        .message("give at least one of schedule, runOnCreate: true and nonce: nothing would ever train")
        .reason(Reason::FieldValueRequired)
        .field_path(".schedule")
)]
pub struct Training {
    /// The StreamPipeline in this namespace whose tables are learned from.
    pub pipeline_ref: LocalReference,
    /// What is to be predicted.
    pub label: DelayedLabel,
    /// When it runs, as five cron fields in `timeZone`, for example `0 3 * * 0`. Default: never by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::cron_schedule")]
    pub schedule: Option<String>,
    /// Zone of the schedule, by its name in the time zone database. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time_zone")]
    pub time_zone: Option<String>,
    /// Trains once when the resource is made and the model has no version yet. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_on_create: Option<bool>,
    /// Any number; each new value starts one training at once. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub nonce: Option<i64>,
    /// How far back rows are learned from, for example `90d`. Default: all that the lake has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub history: Option<String>,
    /// What is tried, each with its own search; the best by `selectBy` goes to the gate.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub algorithms: Vec<Algorithm>,
    /// What a version must reach to be registered. Default: it is registered whatever it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The measure by which the best is chosen. Default: `AveragePrecision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_by: Option<Metric>,
}

/// What is to be predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelayedLabel {
    /// A boolean silver column, for example `is_fraud`. Neither it nor anything made of it is ever a feature.
    #[schemars(schema_with = "text::column_name")]
    pub column: String,
    /// How long after a row its label is known, for example `7d`. Training and judgement leave younger rows
    /// out.
    #[schemars(schema_with = "text::duration")]
    pub delay: String,
}

/// A way to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// A linear model of the log odds.
    LogisticRegression,
    /// An average of many trees.
    RandomForest,
    /// Trees that each correct those before.
    GradientBoosting,
}

/// A measure of quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Metric {
    /// The area below the curve of precision over recall.
    #[default]
    AveragePrecision,
    /// The harmonic mean of precision and recall at the threshold.
    F1,
    /// Share of the flagged rows that are positive.
    Precision,
    /// Share of the positive rows that are flagged.
    Recall,
}

/// What a version must reach on held-out time to be registered. A value that cannot be computed fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Least precision, in quotes, for example `"0.80"`. Default: not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub precision: Option<String>,
    /// Least recall, in quotes, for example `"0.70"`. Default: not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub recall: Option<String>,
    /// Least F1, in quotes, for example `"0.75"`. Default: not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub f1: Option<String>,
    /// Least number of positive rows in the held-out time; with fewer nothing passes. Default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_positives: Option<i64>,
    /// Asks that the lower bounds of the 95 % intervals reach the values, not the values themselves.
    /// Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}
