//! What a rollout is judged by: guards in every phase, distributions, and labels once they have matured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// What each step of a rollout is judged by. Values that are no number and failures to load always count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Guard: predictions that fail. Judged all the time, pauses included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<ErrorRate>,
    /// Guard: time that a prediction takes. Judged all the time, pauses included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// How far the scores are from the stable version's on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How well the version predicts, compared with the stable one on rows whose labels have matured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Share of good versions that all guards together may stop by chance, in quotes. Default: `"0.01"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub false_alarms: Option<String>,
    /// What follows while there is too little data to judge: `Hold` (wait, at most `maxHold`) or `Rollback`.
    /// A version is never promoted without data. Default: `Hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_no_data: Option<NoData>,
    /// How long a step may wait for a judgement before the version goes back. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub max_hold: Option<String>,
}

/// Guard: predictions that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorRate {
    /// The largest share of failing predictions that is accepted, in quotes, for example `"0.01"`.
    #[schemars(schema_with = "text::ratio")]
    pub max: String,
}

/// Guard: time that a prediction takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The 99th percentile that is accepted, for example `20ms`.
    #[schemars(schema_with = "text::duration")]
    pub p99: String,
}

/// How far the scores are from the stable version's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The largest population stability index that is accepted, in quotes. Default: `"0.2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub max_psi: Option<String>,
    /// The largest distance of the two distributions (Kolmogorov-Smirnov) that is accepted, in quotes.
    /// Default: `"0.1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub max_distance: Option<String>,
    /// How many scores of each version it takes to judge. Default: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100))]
    pub min_samples: Option<i64>,
}

/// How well the version predicts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// How much less precision than the stable version's is accepted, in quotes. Default: `"0.05"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub max_precision_loss: Option<String>,
    /// How much less recall than the stable version's is accepted, in quotes. Default: `"0.05"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub max_recall_loss: Option<String>,
    /// How many positive rows with matured labels it takes to judge. Default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_positives: Option<i64>,
}

/// What follows while there is too little data to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoData {
    /// Wait, at most `maxHold`.
    #[default]
    Hold,
    /// Go back to the weights that passed last.
    Rollback,
}
