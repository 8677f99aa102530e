//! The custom resources of Sluice, group `sluice.dev`.
//!
//! One module per kind holds its spec, its status and its CEL rules; the doc comments on the fields are the
//! user documentation that `kubectl explain` prints. The generated YAML lies beside this crate's manifest:
//! `cargo run -p sluice-crds --bin crdgen` writes it, `--check` fails when it is stale.
//!
//! | module | job |
//! |---|---|
//! | [`stream_pipeline`] | the kind `StreamPipeline` |
//! | [`fraud_scorer`] | the kind `FraudScorer` |
//! | [`model_deployment`] | the kind `ModelDeployment` |
//! | [`pod_template`] | what every kind lets a user say about its pods |
//! | [`replay`] | what pipelines and scorers say of tables that are made again |
//! | [`conditions`] | the types and reasons of conditions |
//! | [`definition`] | the CustomResourceDefinitions, as they are installed |
//! | [`admission`] | the API server's checks, for where there is no API server |
//! | [`text`] | the schemas of names, expressions, durations and sizes |
//! | [`duration`], [`byte_size`] | their values |
//!
//! Checks live in three places, each where it is cheapest: shape and rules that CEL can state, in the schema;
//! arithmetic and everything that needs two fields' meaning, in the operator's `validate`; everything that
//! needs SQL, in `sluice-worker check`.

pub mod admission;
pub mod byte_size;
pub mod conditions;
pub mod definition;
pub mod duration;
#[cfg(test)]
mod fixture;
pub mod fraud_scorer;
pub mod model_deployment;
pub mod pod_template;
pub mod replay;
pub mod stream_pipeline;
pub mod text;

pub use admission::{Violation, admit, admit_as};
pub use fraud_scorer::{FraudScorer, FraudScorerSpec, FraudScorerStatus};
pub use model_deployment::{ModelDeployment, ModelDeploymentSpec, ModelDeploymentStatus};
pub use stream_pipeline::{StreamPipeline, StreamPipelineSpec, StreamPipelineStatus};

/// The API group of all kinds.
pub const GROUP: &str = "sluice.dev";
/// The version of the API that this build serves.
pub const VERSION: &str = "v1alpha1";
