//! What a `StreamPipeline` becomes: a [`sharded_job`](crate::sharded_job), the ingest.
//!
//! | step | file | in → out |
//! |---|---|---|
//! | validate | [`validate`] | `StreamPipeline` → [`ValidatedPipeline`] or all its faults |
//! | observe | `observe` (I/O) | that → [`Observed`]: what it refers to |
//! | decide | [`decide`] | both → [`Decision`] |
//! | job | [`job`] | the decision → what the shards of all kinds have in common |
//! | build, plan, apply | [`crate::sharded_job`] | the job → what was written |
//! | status | [`status`] | all of it → conditions and numbers |
//!
//! `reconcile` (I/O) does the first four and the last; the pass of [`crate::sharded_job`] does the rest.

pub mod decide;
pub mod job;
pub(crate) mod observe;
pub mod observed;
mod reconcile;
pub mod status;
pub mod validate;
pub mod validated;
pub mod worker_config;

pub use decide::{Decision, ResolvedPipeline, decide, resolve};
pub use job::build;
pub use observed::{Claim, Observed, StrimziAuthentication, StrimziListener};
pub use validate::validate;
pub use validated::ValidatedPipeline;

#[cfg(test)]
pub(crate) mod tests;
