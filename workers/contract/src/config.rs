//! [`WorkerConfig`]: everything a worker must know, validated and in base units.
//!
//! One document serves all shards of a pipeline. What differs per process (the shard's number, the
//! address to listen on, the writer's name, secrets) comes from flags and environment variables.

use serde::{Deserialize, Serialize};
use snafu::{Snafu, ensure};

/// The format of [`WorkerConfig`] that this build writes. It reads this one and the one before.
pub const CONFIG_FORMAT_VERSION: u32 = 1;

/// Why a configuration document cannot be used.
#[derive(Debug, Snafu)]
pub enum ConfigError {
    /// The text is not the JSON of a [`WorkerConfig`].
    #[snafu(display("failed to parse the worker configuration: {source}"))]
    Parse {
        /// What serde says, with line and column.
        source: serde_json::Error,
    },
    /// The document was written by another release than this worker can read.
    #[snafu(display(
        "the worker configuration has format version {found}, this worker reads 1 to {CONFIG_FORMAT_VERSION}: \
         run a worker of the operator's release"
    ))]
    FormatVersion {
        /// The version in the document.
        found: u32,
    },
}

/// Everything a worker must know about its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfig {
    /// See [`CONFIG_FORMAT_VERSION`].
    pub format_version: u32,
    /// The resource that this configuration was made from.
    pub owner: Owner,
    /// Identifies this configuration: a hash over everything that decides which rows come out.
    pub revision: String,
    /// Number of shards. Shard `n` reads the partitions `p` with `p % shards == n`.
    pub shards: u32,
    /// Where messages come from and how they are read.
    pub source: Source,
    /// Where the tables live.
    pub storage: Storage,
    /// When an epoch closes.
    pub commit: Commit,
    /// The table of decoded messages.
    pub bronze: Bronze,
    /// The table of clean rows.
    pub silver: Silver,
    /// The windowed tables.
    #[serde(default)]
    pub gold: Vec<GoldTable>,
}

impl WorkerConfig {
    /// Parses a document and checks its format version.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            format_version: u32,
        }
        let parse_error = |source| ConfigError::Parse { source };
        let Version { format_version } = serde_json::from_str(text).map_err(parse_error)?;
        ensure!(
            (1..=CONFIG_FORMAT_VERSION).contains(&format_version),
            FormatVersionSnafu { found: format_version }
        );
        serde_json::from_str(text).map_err(parse_error)
    }

    /// The document's text. The same configuration always gives the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a WorkerConfig has string keys only")
    }
}

/// The resource that owns a job and its lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owner {
    /// Uid of the cluster (of its `kube-system` namespace); `local` in local mode.
    pub cluster: String,
    /// Namespace of the resource; `default` in local mode unless the manifest says otherwise.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
}

/// Where messages come from and how they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The topic.
    pub kafka: Kafka,
    /// The encoding of message values.
    pub format: Format,
    /// Avro schema text of one row. `None`: the latest version of the registry's subject at the first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Where writer schemas are looked up by id; needed for [`Format::Avro`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_registry: Option<SchemaRegistry>,
    /// Which column is the event time, and what it may look like.
    pub event_time: EventTime,
}

/// A Kafka topic and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kafka {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// Name of the topic.
    pub topic: String,
    /// The column whose text is the message key; `None`: the key is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_column: Option<String>,
    /// Where a partition without a stored position starts.
    pub start_from: StartFrom,
    /// Encryption and authentication.
    #[serde(default)]
    pub security: Security,
}

/// Where a partition without a stored position starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFrom {
    /// At the first message that the broker still has.
    Earliest,
    /// At the end of the log.
    Latest,
}

/// Encryption and authentication of the Kafka connection. Material is read from mounted files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Security {
    /// TLS; `None`: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// SASL; `None`: no authentication, or by client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// TLS material, as paths of PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Certificates of the authorities to trust; `None`: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_path: Option<String>,
    /// The client's certificate chain (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_path: Option<String>,
    /// The client's private key (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_path: Option<String>,
}

/// SASL credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// Path of the file that holds the user name.
    pub username_path: String,
    /// Path of the file that holds the password.
    pub password_path: String,
}

/// The encoding of message values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object per message.
    Json,
    /// Avro in Confluent framing: a zero byte, the schema id in 4 bytes big-endian, the datum.
    Avro,
}

/// A Confluent-compatible schema registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaRegistry {
    /// Base URL.
    pub url: String,
    /// The subject that the reader schema comes from; default `<topic>-value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Path of the file that holds the user name of HTTP basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_path: Option<String>,
    /// Path of the file that holds the password of HTTP basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_path: Option<String>,
}

/// Which column is the event time, and what it may look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventTime {
    /// A top-level column of the schema: text in the accepted forms, or an Avro date or timestamp.
    pub column: String,
    /// IANA name of the zone in which text without an offset is read.
    pub time_zone: String,
    /// How far the watermark trails the largest event time.
    pub max_out_of_orderness_ms: u64,
    /// How long a partition that is read to its end may bring no silver row before it counts as idle.
    pub idle_after_ms: u64,
    /// How far the watermark of a partition that is read to its end may trail the median of all that are not idle
    /// before windows do not wait for it. Not written where it is [`DEFAULT_STALLED_AFTER_MS`], which documents mean
    /// that do not tell.
    #[serde(default = "default_stalled_after_ms", skip_serializing_if = "is_default_stalled_after_ms")]
    pub stalled_after_ms: u64,
    /// Rows whose event time lies further than this beyond their Kafka timestamp are refused; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_future_beyond_ms: Option<u64>,
}

/// See [`EventTime::stalled_after_ms`]: one hour.
pub const DEFAULT_STALLED_AFTER_MS: u64 = 3_600_000;

fn default_stalled_after_ms() -> u64 {
    DEFAULT_STALLED_AFTER_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_default_stalled_after_ms(stalled_after_ms: &u64) -> bool {
    *stalled_after_ms == DEFAULT_STALLED_AFTER_MS
}

/// Where the tables live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// `file:///`, `s3://`, `gs://` or `az://` URI of the lake's root. Credentials come from the
    /// environment, under the names that the object stores' own tools use (`AWS_ACCESS_KEY_ID`, ...).
    pub uri: String,
    /// Id of a lake of another owner that this pipeline takes over on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<String>,
}

/// When an epoch closes: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commit {
    /// Age of an epoch that has rows.
    pub every_ms: u64,
    /// Bytes of message values read.
    pub max_bytes: u64,
}

/// The table of decoded messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bronze {
    /// Adds the column `value`: the message's original bytes.
    pub keep_value: bool,
}

/// The table of clean rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Silver {
    /// Rules in order; the first that is not TRUE refuses the row.
    #[serde(default)]
    pub require: Vec<Requirement>,
    /// How copies of a row are recognised; `None`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<Deduplicate>,
    /// The full list of columns, in order.
    pub columns: Vec<Column>,
    /// Partition columns of the Delta table, in order.
    #[serde(default)]
    pub partition_by: Vec<String>,
}

/// One rule that a silver row must meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Stable code that the quarantine table shows.
    pub reason: String,
    /// Boolean SQL expression over the decoded and the built-in columns.
    pub expr: String,
}

/// How copies of a row are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deduplicate {
    /// Columns that together identify a row.
    pub by: Vec<String>,
    /// How long an identity is remembered, in event time.
    pub within_ms: u64,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    /// Name of the column.
    pub name: String,
    /// SQL expression; `None`: the column of that name is passed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
}

/// One windowed table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GoldTable {
    /// Name below `gold/`.
    pub name: String,
    /// Length of a window.
    pub size_ms: u64,
    /// Distance of window starts; equal to `size_ms` for tumbling windows.
    pub slide_ms: u64,
    /// Silver columns that a row of the table stands for.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Aggregates, then expressions over earlier measures.
    pub measures: Vec<Column>,
    /// How often an open window is published.
    pub emit_every_ms: u64,
    /// How late, by its own partition's watermark, a row may come.
    pub allowed_lateness_ms: u64,
    /// How long the state of a final window is kept for corrections.
    pub correct_for_ms: u64,
}
