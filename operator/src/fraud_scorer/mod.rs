//! What a `FraudScorer` becomes: a [`sharded_job`](crate::sharded_job), the scoring of a pipeline's silver rows.
//!
//! | step | file | in → out |
//! |---|---|---|
//! | observe | `reconcile` (I/O) | the reference → [`Surroundings`]: the pipeline, and what it refers to |
//! | validate | [`validate`] | `FraudScorer` and its pipeline → [`ValidatedScorer`] or all its faults |
//! | decide | [`decide`] | both → [`Decision`] |
//! | job | [`job`], [`documents`] | the decision → what the shards of all kinds have in common |
//! | build, plan, apply | [`crate::sharded_job`] | the job → what was written |
//! | status | [`status`] | all of it → conditions and numbers |
//!
//! A scorer has no connection of its own: it reads the topic, and writes the lake, as its pipeline does. What
//! decides points, levels and alerts is not part of the pods: the workers read it again while they work.

pub mod decide;
pub mod documents;
pub mod job;
mod reconcile;
pub mod status;
pub mod validate;
pub mod validated;

pub use decide::{Decision, PipelineFound, ResolvedScorer, Surroundings, decide, judge};
pub use job::build;
pub use reconcile::followers;
pub use validate::validate;
pub use validated::ValidatedScorer;

#[cfg(test)]
mod tests;
