//! The lake: durable storage, chains of epochs, Delta tables. The only crate that names deltalake.
//!
//! A lake is one directory or bucket prefix. Tables are its sub-directories (`bronze`, `silver`, ...);
//! everything that Sluice itself remembers is below `_sluice/`:
//!
//! ```text
//! _sluice/lake.json                                   whose lake it is, and of which topic
//! _sluice/<job>/<generation>/generation.json          how the job is cut into shards
//! _sluice/<job>/<generation>/<shard>/<epoch>.json     the chain: one manifest for each epoch
//! _sluice/<job>/<generation>/<shard>/_newest          a hint where the chain ends; may be stale
//! _sluice/<job>/<generation>/<shard>/_starting        another text each 10 s of a long start
//! _sluice/<job>/state/<generation>/<shard>/...        state files that manifests point to
//! _sluice/<job>/rules/<hash>.json                     rule sets that manifests of a scoring job name
//! _sluice/ingest/partial-aggregates/...               what each epoch adds to the windows: the merge folds it
//! _sluice/merge/<generation>/0/<epoch>.json           the chain of the merge, which publishes the tables below gold/
//! _sluice/merge/spilled/<generation>/0/gold/...       windows that are final, which the merge took out of memory
//! _sluice/replay/0/0/<epoch>.json                     the chain of replays: messages taken up again
//! _sluice/aside/...                                   files that a recovery could not read
//! ```
//!
//! # How an epoch reaches the tables, exactly once
//! 1. [`TableWriter`] encodes rows to Parquet; [`Lake::persist`] and [`Lake::put_state`] make files
//!    durable. Nobody sees them yet.
//! 2. [`Chain::append`] creates the epoch's manifest under a name that can be created once. That is the
//!    commit point, and the fence: of two writers one gets [`Appended::Lost`] and must stop.
//! 3. [`Table::roll_forward`] turns the manifest into one Delta commit for each table. It may be called
//!    any number of times, by any process that read the manifest.
//! 4. A process that starts takes the chain over with [`Lake::claim`], and redoes with
//!    [`Lake::recover`] what its predecessor left undone.
//!
//! An epoch may be appended only when all tables have the one before.
//!
//! # Reading order
//! `store` (what "durable" means), `chain` (names, claims, appends), `table` (the Delta log),
//! `data_file` (Parquet), `maintenance` (what keeps all of that small), `recovery` (when some of it is lost), then [`failpoint`] (where tests kill
//! the process).

mod chain;
mod coverage;
mod data_file;
mod document;
mod error;
pub mod failpoint;
#[cfg(test)]
mod fixtures;
mod generation;
mod identity;
mod lake;
mod maintenance;
#[cfg(test)]
mod older_lakes;
mod positions;
mod recovery;
mod store;
mod succession;
mod table;

use std::time::{SystemTime, UNIX_EPOCH};

pub use chain::{Appended, Beginning, Chain, Claim, SignOfLife};
pub use data_file::{Bucket, FinishedFile, TableWriter};
pub use error::LakeError;
pub use generation::{Generation, Numbered};
pub use identity::{Identity, TopicIdentity};
pub use lake::{Expected, Lake, SpilledWindows};
pub use maintenance::{Compacted, MaintenancePolicy, Pruned, Refusal, TableMaintained, Vacuumed};
pub use positions::Positions;
pub use recovery::{Damage, Pulse, Successor, Survey, SurveyedChain, Verdict};
pub use succession::{Bequest, Inheritance};
pub use table::{
    Checkpoint, Dropped, Reader, Recovered, Rewritten, RolledForward, Table, TableSpec, TableStatistics,
};

/// The wall clock, for timestamps in files. Nothing is decided by it.
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
