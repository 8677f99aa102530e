//! How to get from the weights in force to those of the spec, and what people decide on the way.
//!
//! A decision names the rollout that it is for: one that is left in Git says nothing about the next.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analysis::Analysis;
use crate::text;

/// How to get from the weights in force to those of `variants`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The steps, in order; a last one to 100 percent is implied. Default: none, the weights are applied at
    /// once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub steps: Vec<RolloutStep>,
    /// What each step is judged by. A version that fails goes back to the weights that passed last. Default:
    /// only errors and values that are no number count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// A person's approval of the steps up to one, for one rollout. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approve>,
    /// A person's end of one rollout: the weights go back at once. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
    /// Another try for a version that was rolled back. Default: none, it stays blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// One step: either a progress, or a pause for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.progress) != has(self.pause)")
        .message("a step has exactly one of progress and pause"),
    validation = Rule::new("!has(self.pause) || (!has(self.hold) && !has(self.minSamples))")
        .message("hold and minSamples go with progress: a pause ends when it is approved")
        .reason(Reason::FieldValueForbidden)
)]
pub struct RolloutStep {
    /// How far on the way from the old weights to the new, in percent, for example 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub progress: Option<i32>,
    /// How long the step lasts at least, for example `30m`. Default: as long as its judgement takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub hold: Option<String>,
    /// How many predictions of the new version the step waits for. Default: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_samples: Option<i64>,
    /// Waits until `approve` names this step. Write `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
}

/// A wait for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {}

/// A person's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approve {
    /// Id of the rollout, as `status.rollout.id` shows it. Another rollout ignores the approval.
    #[schemars(schema_with = "text::rollout_id")]
    pub rollout: String,
    /// Number of the last step that is approved, from 1.
    #[schemars(range(min = 1, max = 32))]
    pub through_step: i32,
}

/// A person's end of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// Id of the rollout, as `status.rollout.id` shows it. Another rollout ignores the abort.
    #[schemars(schema_with = "text::rollout_id")]
    pub rollout: String,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Option<String>,
}

/// Another try for a version that was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Digest of the version, as `status.blocked` shows it.
    #[schemars(schema_with = "text::digest")]
    pub digest: String,
    /// Any number; each new value is one more try.
    #[schemars(range(min = 0))]
    pub nonce: i64,
}
