//! [`Report`]: what a worker says of itself, served as JSON at `GET /report`.
//!
//! Reports are at most [`MAX_REPORT_BYTES`] long. Readers treat them as untrusted input.

use serde::{Deserialize, Serialize};

use crate::manifest::Counts;

/// The format of [`Report`] that this build writes.
pub const REPORT_FORMAT_VERSION: u32 = 1;

/// A longer report is not read.
pub const MAX_REPORT_BYTES: usize = 64 * 1024;

/// What a worker says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// See [`REPORT_FORMAT_VERSION`].
    pub format_version: u32,
    /// The job: `ingest`, `score-<scorer>`.
    pub job: String,
    /// The shard's number.
    pub shard: u32,
    /// Number of shards.
    pub shards: u32,
    /// Id of the process, as in the manifests.
    pub writer: String,
    /// Revision of the configuration that it runs.
    pub configuration: String,
    /// What it is doing.
    pub phase: Phase,
    /// What is wrong, each with its fix; empty when all is well.
    pub problems: Vec<Problem>,
    /// When the process started.
    pub started_at_ms: i64,
    /// The newest epoch that all tables have.
    pub epoch: Option<u64>,
    /// When that epoch was committed.
    pub committed_at_ms: Option<i64>,
    /// Messages in the topic that are not committed yet.
    pub lag: Option<u64>,
    /// Age, at its commit, of the oldest message of the newest epoch: how far behind a reader of the tables is.
    pub freshness_ms: Option<u64>,
    /// Messages a second, over the last ten seconds.
    pub messages_per_second: f64,
    /// What has become of all messages so far.
    pub counts: Counts,
    /// Each partition of the shard.
    pub partitions: Vec<PartitionReport>,
    /// Each table.
    pub tables: Vec<TableReport>,
    /// How scoring goes (scoring jobs). Rows by level and by rule, and alerts, are in `counts.scoring`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scoring: Option<ScoringReport>,
    /// The tables of windows, from the worker that publishes them: shard 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<GoldReport>,
}

/// How scoring goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoringReport {
    /// Hash of the rule set in force; `None` before the first.
    pub rule_set: Option<String>,
    /// Names of its rules that read the label, directly or through a column that is computed from it.
    pub reading_label: Vec<String>,
    /// Time from a message's arrival in Kafka to the broker's acknowledgement of its alert: 99th percentile of
    /// the newest alerts; `None` without any in the last minute.
    pub alert_latency_ms: Option<u64>,
    /// Share of the rows of the newest epoch with rows that raised an alert, from 0 to 1.
    pub alert_share: Option<f64>,
    /// The last few alerts that the broker has acknowledged to this process, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub newest_alerts: Vec<AlertReport>,
}

/// An alert that the broker has acknowledged. Long texts are cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertReport {
    /// `<topic>/<partition>/<offset>` of the message that raised it.
    pub alert_id: String,
    /// The key under which it was sent; `None` where it has none.
    pub key: Option<String>,
    /// When its row was; `None` where it has no event time.
    pub event_time_us: Option<i64>,
    /// Its points.
    pub score: i64,
    /// Its level.
    pub level: String,
    /// Names of the rules that fired.
    pub reasons: Vec<String>,
    /// When the broker acknowledged it.
    pub acknowledged_at_ms: i64,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Connecting, and restoring its state.
    Starting,
    /// Reading and committing.
    Running,
    /// Another process owns the chain; this one waits to take over.
    Standby,
    /// Held up by something that `problems` names; it goes on by itself when that is mended.
    Blocked,
    /// Done: everything up to the requested end is committed.
    Finished,
}

/// Something that keeps a worker from its work, or degrades it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// CamelCase code: `KafkaUnreachable`, `TopicMissing`, `StorageUnwritable`, ...
    pub reason: String,
    /// What is wrong where, and the fix.
    pub message: String,
}

/// One partition of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionReport {
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first message that is not committed yet.
    pub next_offset: i64,
    /// Offset that the next message of the topic will get, as last seen.
    pub end_offset: Option<i64>,
    /// The watermark; `None` before the first silver row.
    pub watermark_us: Option<i64>,
    /// Whether it counts as idle.
    pub idle: bool,
}

/// What the merge says of the tables of windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoldReport {
    /// The newest epoch of the merge, which all tables have.
    pub epoch: u64,
    /// When a table was last published; `None` if this process has not published yet.
    pub published_at_ms: Option<i64>,
    /// Windows in main memory, over all tables: those that are not final, and those that have just become it.
    pub open_windows: u64,
    /// Rows of windows in main memory, over all tables.
    pub groups: u64,
    /// Bytes that they take.
    pub memory_bytes: u64,
    /// Files of final windows that have left main memory, over all tables.
    #[serde(default)]
    pub spilled_files: u64,
    /// Partitions that windows do not wait for, because their watermarks trail by more than
    /// `eventTime.stalledAfter`; of all shards, the first of them if they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stalled_partitions: Vec<i32>,
    /// Each table.
    pub tables: Vec<GoldTableReport>,
}

/// One table of windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoldTableReport {
    /// Path below the lake's root: `gold/<name>`.
    pub name: String,
    /// How often it is published.
    pub interval_ms: u64,
    /// Whether that is less often than `emit.every` says, since publishing costs too much.
    pub is_stretched: bool,
    /// Rows in the parts of the table that this process has written anew.
    pub published_rows: u64,
    /// Rows that changed though they were final, since the process started.
    pub corrections: u64,
}

/// One Delta table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Path below the lake's root: `bronze`, `silver`, `quarantine`, `gold/<name>`, `fraud/<name>`.
    pub name: String,
    /// Newest version that this worker knows.
    pub version: u64,
    /// Rows, as far as the log's statistics tell.
    pub rows: u64,
    /// Live files.
    pub files: u64,
    /// Bytes of the live files.
    pub bytes: u64,
}
