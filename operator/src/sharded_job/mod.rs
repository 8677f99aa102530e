//! A sharded job: what every kind whose work is done by shards becomes, one Deployment for each of them.
//!
//! A kind validates its resource and decides; from there on its job is a [`ShardedJob`] like any other:
//!
//! | step | file | in → out |
//! |---|---|---|
//! | observe | `observe` (I/O) | the owner → [`Seen`](seen::Seen): children, pods, reports |
//! | build | [`build`] | [`ShardedJob`] → [`Children`] |
//! | plan | [`plan`] | an [`Intent`](plan::Intent) and what stands ([`standing`], [`rollout`], [`preflight`], [`replay`]) → what is written now |
//! | apply | [`crate::apply`] (I/O) | the plan → what was written |
//! | status | [`status`] | all of it, and the [`workers`] → the conditions that all kinds have |
//! | requeue | [`pace`] | the plan → when to look again |
//!
//! `pass` (I/O) puts them in a row, for all kinds. What tells one kind's job from another's is its [`JobKind`].

pub mod build;
pub mod ending;
pub mod job;
pub mod kind;
pub mod names;
pub(crate) mod observe;
pub mod pace;
pub(crate) mod pass;
pub mod plan;
pub mod preflight;
pub mod replay;
pub mod rollout;
pub mod seen;
pub mod standing;
pub mod status;
pub mod workers;

pub use build::{Children, REPLAY, ReplayChildren, build, build_idle, build_over};
pub use job::{HotDocument, JobBase, Maintenance, Pods, Replay, ShardedJob, Storage, Volume};
pub use kind::JobKind;

#[cfg(test)]
pub(crate) mod tests;
