//! The one worker of Sluice: thin I/O shells around the engine and the lake, one folder for each job.
//!
//! | module | the job |
//! |---|---|
//! | [`ingest`] | reads Kafka and writes bronze, silver and quarantine, exactly once |
//! | [`score`] | reads Kafka too, scores silver rows, sends alerts and writes the table of scores |
//! | [`check`] | says what is wrong with a configuration, before anything runs on it |
//! | [`maintain`] | compacts the tables, and deletes what nobody needs |
//! | [`quarantine`] | shows refused messages, and takes them up again after a fix, exactly once |
//! | [`recover`] | rebuilds what the lake remembers from its tables, after some of it was lost |
//! | [`replay`] | makes silver, tables of windows or scores again from bronze, after a change |
//! | [`generate`] | produces realistic traffic for demos, tests and benchmarks |
//!
//! What follows the topic shares [`stream`]. Beside `ingest`, in the process of shard 0, runs `merge`, which publishes
//! the tables of windows.
//!
//! What all share: [`kafka`] and [`registry_client`] (connections), [`report`] (what `/report` and
//! `/metrics` show), [`stop`], [`backoff`] and [`clock`].

pub mod backoff;
pub mod check;
pub mod clock;
pub mod finding;
pub mod generate;
pub mod ingest;
pub mod kafka;
pub mod maintain;
mod merge;
pub mod quarantine;
pub mod recover;
pub mod registry_client;
pub mod replay;
pub mod report;
pub mod score;
pub mod stop;
pub mod stream;

#[cfg(test)]
mod test_support;
