//! The Sluice operator: custom resources in, running pipelines out.
//!
//! Every kind goes through one cycle, a file for each step:
//!
//! ```text
//! validate ─> observe ─> decide ─> build ─> plan ─> apply ─> status ─> patch ─> requeue
//!   pure        I/O       pure      pure     pure     I/O      pure      I/O      pure
//! ```
//!
//! * **validate** turns the spec into a `Validated*` type with every default filled in, or into the list of
//!   *all* its faults, each with its field and its fix. Nothing later sees the raw spec.
//! * **observe** reads everything else that a pass depends on; nothing later reads.
//! * **decide** joins both and says what shall exist. An invalid resource, or a missing reference, is a
//!   decision like any other, not an error.
//! * **build** makes the Kubernetes objects, one file for each kind. It cannot fail.
//! * **plan** says what of it is written now: checks come before workers, and workers roll one by one.
//! * **apply** writes, and only what differs; **status** says what came of it, and writes only what is new.
//!
//! | folder or file | shared by all kinds |
//! |---|---|
//! | [`sharded_job`] | what every kind whose work is done by shards becomes: build, plan, status |
//! | `validation` | what the specs of all kinds are checked by |
//! | [`controller`] | watches, a queue, and a pass for whatever is in it |
//! | [`apply`] | children: create, server-side apply, deletion, whose they are |
//! | [`conditions`], [`transitions`], [`patch_status`], [`rounding`] | status and events |
//! | [`watched`], [`mirror`], [`references`], [`strimzi`], [`reports`] | what is read |
//! | [`pod_trouble`] | why pods do not run |
//! | [`restarts`], [`requeue`], [`context`] | slots, times, memory |
//! | [`unattended`] | kinds that this release does not act on yet |
//! | [`run`], [`leadership`], [`http`], [`settings`], [`telemetry`], [`metrics`] | the process |
//!
//! Addresses, ports, paths, images and secret material come from the [`site`] alone. Kubernetes is one site;
//! local mode (`sluice up`) is another, and runs the same objects as processes. Decisions need no client, no
//! clock and no runtime: their tests are plain functions over the example manifests, whose children
//! are kept as snapshots.
//!
//! Read next: [`stream_pipeline`], its `reconcile`, then its snapshots, then [`sharded_job`].

pub mod apply;
pub mod conditions;
pub mod context;
pub mod controller;
mod digest;
pub mod fraud_scorer;
pub mod http;
pub mod labels;
pub mod leadership;
pub mod metrics;
pub mod mirror;
pub mod network;
pub mod patch_status;
pub mod pod_trouble;
pub mod problem;
pub mod references;
pub mod reports;
pub mod requeue;
pub mod restarts;
pub mod rounding;
pub mod run;
pub mod settings;
pub mod sharded_job;
pub mod site;
pub mod stream_pipeline;
pub mod strimzi;
pub mod telemetry;
pub mod transitions;
pub mod unattended;
mod validation;
pub mod watched;
