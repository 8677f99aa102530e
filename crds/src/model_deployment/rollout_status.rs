//! What the operator says about a rollout.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rollout that runs, or the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Id of the rollout, for `approve` and `abort`: a hash of where it started, where it goes, and the
    /// digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub id: Option<String>,
    /// What it does, for the eye: `Progressing`, `Holding`, `Paused`, `Completed`, `RolledBack`, `Aborted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub phase: Option<String>,
    /// The weights that it started from: where an abort goes back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["digest"])
    )]
    pub from: Vec<WeightStatus>,
    /// The weights that it goes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["digest"])
    )]
    pub to: Vec<WeightStatus>,
    /// Number of the step, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i32>,
    /// The step of all, for the eye: `2/5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub step_summary: Option<String>,
    /// When the step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_start_time: Option<Time>,
    /// Predictions of the new version since then, rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<i64>,
    /// What the analysis says of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What it waits for, for the eye: `hold until 14:05`, `approve step 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub next: Option<String>,
    /// The newest measurements that the verdict rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub measurements: Vec<Measurement>,
}

/// What an analysis says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The new version is as good as asked.
    Pass,
    /// It is not: the weights go back.
    Fail,
    /// Too little data to say: the step holds.
    Inconclusive,
}

/// The weight of one artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeightStatus {
    /// Digest of the artefact.
    #[schemars(length(max = 80))]
    pub digest: String,
    /// The version, as the registry numbers it.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Whole percent of the traffic.
    pub weight: i32,
}

/// A version that was rolled back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedDigest {
    /// Digest of the artefact, for `rollout.retry`.
    #[schemars(length(max = 80))]
    pub digest: String,
    /// The version, as the registry numbers it.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Why it was rolled back, with the numbers.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// When it was rolled back.
    pub time: Time,
}

/// One measurement that a verdict rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// What was measured, for example `errorRate`.
    #[schemars(length(max = 64))]
    pub metric: String,
    /// Its value, as text: `0.013`.
    #[schemars(length(max = 32))]
    pub value: String,
    /// What it was compared with, as text.
    #[schemars(length(max = 32))]
    pub threshold: String,
    /// How many predictions it rests on.
    pub samples: i64,
    /// What follows from it.
    pub verdict: Verdict,
    /// When it was taken.
    pub time: Time,
}
