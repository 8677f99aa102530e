//! Pods that answer predictions, the way to them, and the share of each version.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// The pods that answer predictions over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// Number of pods; of each version's pods with `isolation: PerVariant`. 0: only scorers use the model.
    /// Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Whether versions share pods: `Shared` (each pod holds every version) or `PerVariant` (a Deployment
    /// and a Service for each version, behind a router). Default: `Shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// An HTTPRoute of the Gateway API, made and owned by the operator. Default: none, the Service alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// Whether versions share pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Isolation {
    /// Each pod holds every version.
    #[default]
    Shared,
    /// Each version has pods of its own.
    PerVariant,
}

/// An HTTPRoute of the Gateway API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Gateways that the route is attached to.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub parent_refs: Vec<ParentReference>,
    /// Host names that the route answers to, for example `[fraud.example.com]`. Default: those of the
    /// Gateway's listeners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub hostnames: Vec<String>,
}

/// A Gateway, or one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Name of the Gateway.
    #[schemars(schema_with = "text::object_name")]
    pub name: String,
    /// Namespace of the Gateway, whose listener must admit routes from here. Default: this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::object_name")]
    pub namespace: Option<String>,
    /// Name of one listener. Default: all that admit the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::object_name")]
    pub section_name: Option<String>,
}

/// How a request finds its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.key) || !has(self.mode) || self.mode != 'GatewayWeights'")
        .message("a key goes with mode Buckets: a gateway splits by weight alone")
        .reason(Reason::FieldValueForbidden)
        .field_path(".key")
)]
pub struct Routing {
    /// The column whose value sticks to a version, in HTTP requests and in the stream alike, for example
    /// `user_id`. Default: none, each request for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::column_name")]
    pub key: Option<String>,
    /// Who splits the traffic: `Buckets` (10,000 buckets of keys, in our own pods: exact and sticky) or
    /// `GatewayWeights` (the weights of the HTTPRoute: not sticky, and not judged by labels). Default:
    /// `Buckets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RoutingMode>,
}

/// Who splits the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RoutingMode {
    /// Our own pods, by 10,000 buckets of keys.
    #[default]
    Buckets,
    /// The gateway, by the weights of the HTTPRoute.
    GatewayWeights,
}

/// One version in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.weight) != (has(self.mode) && self.mode == 'Shadow')")
        .message("a Live variant needs a weight; a Shadow variant takes no traffic, so none")
        .field_path(".weight")
)]
pub struct Variant {
    /// A version of the model in the registry, in quotes, for example `"12"`, or an alias, for example
    /// `"@champion"`.
    #[schemars(schema_with = "text::model_version")]
    pub version: String,
    /// Whole percent of the traffic. Needed for `Live`, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub weight: Option<i32>,
    /// `Live` (answers its share of the traffic) or `Shadow` (scores everything, without effect). Default:
    /// `Live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<VariantMode>,
}

/// What a version is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VariantMode {
    /// It answers its share of the traffic.
    #[default]
    Live,
    /// It scores everything, without effect.
    Shadow,
}
