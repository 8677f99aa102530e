//! The kind `ModelDeployment`: a model is trained, gated, served and rolled out by weight.
//!
//! | module | part of the resource |
//! |---|---|
//! | [`registry`] | where versions are kept |
//! | [`training`] | how a version comes to be, and what it must reach |
//! | [`serving`] | pods, routes, the weight of each version |
//! | [`rollout`] | how to get from the weights in force to those of the spec |
//! | [`analysis`] | what a rollout is judged by |
//! | [`status`], [`rollout_status`] | what the operator says |

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

pub mod analysis;
pub mod registry;
pub mod rollout;
pub mod rollout_status;
pub mod serving;
pub mod status;
pub mod training;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use analysis::{Analysis, Drift, ErrorRate, Latency, NoData, Quality};
pub use registry::{DirectoryRegistry, DirectoryStorage, MlflowRegistry, Registry};
pub use rollout::{Abort, Approve, Pause, Retry, Rollout, RolloutStep};
pub use rollout_status::{BlockedDigest, Measurement, RolloutStatus, Verdict, WeightStatus};
pub use serving::{Isolation, ParentReference, Route, Routing, RoutingMode, Serving, Variant, VariantMode};
pub use status::{ModelDeploymentStatus, TrainingStatus, VariantStatus};
pub use training::{Algorithm, DelayedLabel, Gate, Metric, Training};

use crate::pod_template::PodTemplate;
use crate::text;

/// Which model it is, how its versions come to be, and which share of the traffic each gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "ModelDeployment",
    plural = "modeldeployments",
    shortname = "mdpl",
    category = "sluice",
    namespaced,
    cel,
    status = "ModelDeploymentStatus",
    derive = "PartialEq",
    doc = "A ModelDeployment trains a model on a pipeline's tables, lets a version pass only if it is good enough, serves it over HTTP and in scorers, and moves traffic to a new version step by step, back by itself if it does worse.",
    selectable = ".spec.model",
    scale(
        spec_replicas_path = ".spec.serving.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the model does its work"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.rollout.phase",
        description = "What the rollout does; for the eye, machines read conditions"
    ),
    printcolumn(
        name = "Stable",
        type_ = "string",
        json_path = ".status.stable",
        description = "The version with the largest weight that has passed"
    ),
    printcolumn(
        name = "Canary",
        type_ = "string",
        json_path = ".status.canary",
        description = "The newest version that is being judged"
    ),
    printcolumn(
        name = "Weight",
        type_ = "integer",
        json_path = ".status.canaryWeight",
        description = "Percent of the traffic that the canary has"
    ),
    printcolumn(
        name = "Step",
        type_ = "string",
        json_path = ".status.rollout.stepSummary",
        description = "Step of the rollout"
    ),
    printcolumn(
        name = "Verdict",
        type_ = "string",
        json_path = ".status.rollout.verdict",
        description = "What the analysis says of the step"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not",
        priority = 1
    ),
    printcolumn(
        name = "Samples",
        type_ = "integer",
        json_path = ".status.rollout.samples",
        description = "Predictions of the canary in this step",
        priority = 1
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.rollout.next",
        description = "What the rollout waits for",
        priority = 1
    ),
    printcolumn(
        name = "Trained",
        type_ = "date",
        json_path = ".status.training.lastSuccessTime",
        description = "Time since the last training that succeeded",
        priority = 1
    ),
    printcolumn(
        name = "Variants",
        type_ = "string",
        json_path = ".status.variantSummary",
        description = "The weights in force",
        priority = 1
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether it is stopped on purpose",
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
        "has(self.model) == has(oldSelf.model) && (!has(self.model) || self.model == oldSelf.model) && \
         has(self.registry.mlflow) == has(oldSelf.registry.mlflow) && \
         has(self.registry.directory) == has(oldSelf.registry.directory)"
    )
    .message("model and the kind of registry cannot be changed: make another ModelDeployment")
    .reason(Reason::FieldValueForbidden),
    validation = Rule::new(
        "!has(self.registry.directory) || has(self.registry.directory.storage) || has(self.training)"
    )
    .message("registry.directory needs a storage where there is no training, in whose pipeline's lake it would lie")
    .reason(Reason::FieldValueRequired)
    .field_path(".registry.directory"),
    validation = Rule::new(
        "!has(self.variants) || self.variants.filter(variant, has(variant.weight)).map(variant, variant.weight).sum() == 100"
    )
    .message("the weights of the Live variants must add up to 100")
    .field_path(".variants"),
    validation = Rule::new(
        "!has(self.rollout) || !has(self.rollout.analysis) || !has(self.rollout.analysis.quality) || has(self.training)"
    )
    .message("rollout.analysis.quality needs training.label: it judges by labels that have matured")
    .reason(Reason::FieldValueRequired)
    .field_path(".training"),
    validation = Rule::new(
        "!has(self.routing) || !has(self.routing.mode) || self.routing.mode != 'GatewayWeights' || \
         (has(self.serving) && has(self.serving.route) && has(self.serving.isolation) && self.serving.isolation == 'PerVariant')"
    )
    .message("routing.mode GatewayWeights needs serving.route and serving.isolation PerVariant: the gateway splits between Services")
    .field_path(".routing.mode"),
    validation = Rule::new(
        "!has(self.routing) || !has(self.routing.mode) || self.routing.mode != 'GatewayWeights' || \
         !has(self.rollout) || !has(self.rollout.analysis) || !has(self.rollout.analysis.quality)"
    )
    .message("rollout.analysis.quality needs routing.mode Buckets: a gateway does not keep a key on one version")
    .reason(Reason::FieldValueForbidden)
    .field_path(".rollout.analysis.quality")
)]
pub struct ModelDeploymentSpec {
    /// Name of the model in the registry, for example `fraud-detection`. It cannot be changed.
    #[schemars(schema_with = "text::model_name")]
    pub model: String,
    /// Where the model's versions are kept.
    pub registry: Registry,
    /// How new versions come to be. Default: they come from elsewhere, and are only served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// The pods that answer predictions over HTTP. Default: two, shared by all versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// How a request finds its version. Default: at random, which sticks to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// The versions that shall be in use, with the share of the traffic that each shall get in the end; how
    /// to get there is `rollout`. Default: `[{version: "@champion", weight: 100}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"])
    )]
    pub variants: Vec<Variant>,
    /// How to get from the weights in force to those of `variants`. Default: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// When the resource is Ready: `Serving` (a version answers) or `RolledOut` (the weights in force are
    /// those of `variants`, which is what a pipeline that waits for a deployment wants). Default: `Serving`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_when: Option<ReadyWhen>,
    /// What may be said about the pods of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Stops serving, training and the rollout where they are. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// When the resource is Ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ReadyWhen {
    /// A version answers, or none was ever trained.
    #[default]
    Serving,
    /// The weights in force are those of the spec.
    RolledOut,
}

#[cfg(test)]
mod tests;
