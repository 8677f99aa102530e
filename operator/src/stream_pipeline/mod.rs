//! What a `StreamPipeline` becomes: one Deployment for each shard, and what they need.
//!
//! | step | file | in → out |
//! |---|---|---|
//! | validate | [`validate`] | `StreamPipeline` → [`ValidatedPipeline`] or all its faults |
//! | decide | [`decide`] | that and [`Observed`] → [`Decision`] |
//! | build | [`build`] | [`ResolvedPipeline`] → [`Children`] |
//!
//! ```text
//! let decision = decide(validate(&pipeline), &observed, &site);
//! match decision {
//!     Decision::Run(pipeline) => apply(build(&pipeline, &site)),
//!     Decision::Suspend(pipeline) => apply(build_suspended(&pipeline, &site)),
//!     Decision::Wait(missing) => report(missing),
//!     Decision::Refuse(faults) => report(faults),
//! }
//! ```

pub mod build;
pub mod decide;
pub mod names;
pub mod observed;
pub mod validate;
pub mod validated;
pub mod worker_config;

pub use build::{Children, build, build_suspended};
pub use decide::{Decision, ResolvedPipeline, decide};
pub use observed::{Claim, Observed, StrimziAuthentication, StrimziListener};
pub use validate::validate;
pub use validated::ValidatedPipeline;

#[cfg(test)]
mod tests;
