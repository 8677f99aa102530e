//! The core of a stream, without I/O: Kafka messages in, rows of bronze, silver and quarantine out.
//!
//! ```text
//!  MessageBatch ──► decode ──► bronze ──► rules ──► columns ──► copies ──► silver
//!                     │                     │          │          │
//!                     │ refused             │ refused  │ failed   │ counted
//!                     └────────► quarantine ◄──────────┘          ▼
//! ```
//!
//! There is no Kafka, no Delta and no clock in here. The caller passes the time in, writes the rows
//! out, and decides when an epoch ends; so every outcome can be had in a plain test, and the same
//! messages give the same rows however they are cut into batches and epochs.
//!
//! # The chapters, in reading order
//!
//! | module | its job |
//! |---|---|
//! | `cores` | [`Core`]: what the two cores have in common |
//! | `ingest` | [`Ingest`]: one shard's core; `process` is the table of contents of a batch |
//! | `plan` | from a configuration to a compiled plan, or to everything that is wrong with it |
//! | `expression` | SQL text to physical expressions, and their evaluation where single rows may fail |
//! | `bronze`, `quarantine` | the two tables of whole messages |
//! | `silver` | rules, the future check and the columns: which rows are clean, and what they look like |
//! | `watermark`, `deduplication` | event-time progress of a partition, and its memory of rows |
//! | [`gold`] | windowed tables: partial aggregates of an epoch, and the merge that publishes them |
//! | `velocity` | when the rows of a key were |
//! | `partition` | all that belongs to one partition |
//! | `scoring` | [`Scoring`]: points, levels, reasons and alerts for silver rows, by rules that change |
//! | [`state`] | the files that carry the memory over a restart |
//! | `epoch` | when an epoch closes, and what it leaves |
//! | [`tables`] | the schemas of the tables |
//!
//! # The laws
//!
//! - **Conservation.** For each partition: messages = bronze + refused at `decode`;
//!   bronze = silver + duplicates + refused at `silver`.
//! - **Determinism.** All tables but for `processing_time` and `processing_date` depend on the messages
//!   and their order within each partition alone: not on batches, on how partitions interleave, on
//!   epochs or on restarts.
//! - **State belongs to a partition**, so that partitions can move between shards.

mod bronze;
mod cores;
mod deduplication;
mod epoch;
mod expression;
#[cfg(test)]
mod fixture;
pub mod gold;
mod ingest;
#[cfg(test)]
mod laws;
mod partition;
mod plan;
mod quarantine;
mod scoring;
mod silver;
pub mod state;
pub mod tables;
mod velocity;
pub mod watermark;

pub use cores::Core;
pub use epoch::{ClosedEpoch, EpochPolicy, EpochSize};
pub use ingest::{Ingest, Processed, Replayed, Stage};
pub use partition::MemorySize;
pub use plan::PlanError;
pub use scoring::{Alert, RuleCompiler, Rules, Scored, Scoring};
pub use state::StateError;
pub use tables::{TableSchema, TableSchemas};
