//! What a `StreamPipeline` becomes: one Deployment for each shard, and what they need.
//!
//! | step | file | in → out |
//! |---|---|---|
//! | validate | [`validate`] | `StreamPipeline` → [`ValidatedPipeline`] or all its faults |
//! | observe | `observe` (I/O) | that → [`Seen`](seen::Seen): references, children, pods, reports |
//! | decide | [`decide`] | both → [`Decision`] |
//! | build | [`build`] | [`ResolvedPipeline`] → [`Children`] |
//! | plan | [`plan`] | the decision and what stands ([`standing`], [`rollout`], [`preflight`]) → what is written now |
//! | apply | [`crate::apply`] (I/O) | the plan → what was written |
//! | status | [`status`] | all of it, and the [`workers`] → conditions and numbers |
//! | requeue | [`pace`] | the plan → when to look again |
//!
//! [`reconcile`] puts them in a row.

pub mod build;
pub mod controller;
pub mod decide;
pub mod names;
mod observe;
pub mod observed;
pub mod pace;
pub mod plan;
pub mod preflight;
pub mod reconcile;
pub mod rollout;
pub mod seen;
pub mod standing;
pub mod status;
pub mod validate;
pub mod validated;
pub mod worker_config;
pub mod workers;

pub use build::{Children, build, build_over, build_suspended};
pub use decide::{Decision, ResolvedPipeline, decide};
pub use observed::{Claim, Observed, StrimziAuthentication, StrimziListener};
pub use validate::validate;
pub use validated::ValidatedPipeline;

#[cfg(test)]
mod tests;
