//! The Sluice operator: custom resources in, running pipelines out.
//!
//! Every kind goes through one cycle, a file for each step:
//!
//! ```text
//! observe ──> validate ──> decide ──> build ──> apply ──> status ──> patch ──> requeue
//!   I/O         pure        pure       pure      I/O       pure       I/O       pure
//! ```
//!
//! * **validate** turns the spec into a `Validated*` type with every default filled in, or into the list of
//!   *all* its faults, each with its field and its fix. Nothing later sees the raw spec.
//! * **decide** joins it with what was seen of the world (Secrets, claims, listeners) and says what shall
//!   exist. An invalid resource, or a missing reference, is a decision like any other, not an error.
//! * **build** makes the Kubernetes objects, one file for each kind. It cannot fail.
//!
//! Addresses, ports, paths, images and secret material come from the [`site`] alone. Kubernetes is one site;
//! local mode (`sluice up`) is another, and runs the same objects as processes. Decisions need no client, no
//! clock and no runtime: this crate's tests are plain functions over the example manifests, whose children
//! are kept as snapshots.
//!
//! Read next: [`stream_pipeline`], then its snapshots.

mod digest;
pub mod labels;
pub mod network;
pub mod problem;
pub mod site;
pub mod stream_pipeline;
