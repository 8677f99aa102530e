//! What the operator says about a model.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rollout_status::{BlockedDigest, RolloutStatus};
use super::serving::VariantMode;

/// What the operator says about a model. Fast numbers are rounded and change at most twice a minute; the
/// exact ones are metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelDeploymentStatus {
    /// The generation of the spec that this status speaks of; -1: not yet seen by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions: `Ready`, `Reconciling`, `Stalled`, `Degraded`, `Available`, `Progressing`,
    /// `TrainingHealthy`, `RolloutHealthy`, `SpecDiverged` and others, each with the fix in its message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Number of serving pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Number of serving pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Label selector of the serving pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,
    /// Address of predictions inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// The version with the largest weight that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub stable: Option<String>,
    /// The newest version that is being judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub canary: Option<String>,
    /// Percent of the traffic that the canary has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_weight: Option<i32>,
    /// The versions in use, with the weights in force: what both planes route by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"])
    )]
    pub variants: Vec<VariantStatus>,
    /// The weights in force, for the eye: `v12=90,v13=10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub variant_summary: Option<String>,
    /// Revision of the routing that all pods have acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_revision: Option<i64>,
    /// The rollout that runs, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// Versions that were rolled back, and are not tried again by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["digest"])
    )]
    pub blocked: Vec<BlockedDigest>,
    /// The trainings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingStatus>,
}

/// One version in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariantStatus {
    /// The version, as the registry numbers it.
    #[schemars(length(max = 64))]
    pub version: String,
    /// Digest of the artefact: what the version is, whatever it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    pub digest: Option<String>,
    /// Whole percent of the traffic that is in force.
    pub weight: i32,
    /// What the version is used for.
    pub mode: VariantMode,
    /// Share of the traffic that it really had, for the eye: `10.2%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub observed_share: Option<String>,
}

/// The trainings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingStatus {
    /// When a training last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_start_time: Option<Time>,
    /// When a training last ended well, whether its version passed the gate or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,
    /// The version that was last registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_version: Option<String>,
    /// What the gate said last, with the numbers: `failed: recall 0.64 < 0.70 on 412 positives`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_gate: Option<String>,
    /// The nonce of the spec that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<i64>,
}
