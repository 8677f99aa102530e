//! What a scoring worker must know: [`ScorerConfig`] at its start, and the [`RuleSet`] that it scores by.
//!
//! They are two documents because they change in two ways. A [`ScorerConfig`] is like a
//! [`WorkerConfig`]: immutable, and another one is another generation with other processes. A [`RuleSet`]
//! is read again and again while the worker runs: a new one takes effect at an epoch boundary, and one
//! with an error is refused while the one before it keeps working.
//!
//! What decides columns of the table or the memory of a partition is in the configuration; what decides
//! points, levels and alerts is in the rule set.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snafu::{Snafu, ensure};

use crate::config::{Commit, StartFrom, WorkerConfig};

/// The format of [`ScorerConfig`] that this build writes. It reads this one and the one before.
pub const SCORER_FORMAT_VERSION: u32 = 1;

/// The format of [`RuleSet`] that this build writes. It reads this one and the one before.
pub const RULE_SET_FORMAT_VERSION: u32 = 1;

/// Characters of [`RuleSet::hash`].
const HASH_CHARACTERS: usize = 16;

/// Why a document cannot be used.
#[derive(Debug, Snafu)]
pub enum ScorerError {
    /// The text is not the JSON of the document.
    #[snafu(display("failed to parse the {document}: {source}"))]
    Parse {
        /// Which document it should be.
        document: &'static str,
        /// What serde says, with line and column.
        source: serde_json::Error,
    },
    /// The document was written by another release than this worker can read.
    #[snafu(display(
        "the {document} has format version {found}, this worker reads 1 to {newest}: \
         run a worker of the operator's release"
    ))]
    FormatVersion {
        /// Which document it is.
        document: &'static str,
        /// The version in the document.
        found: u32,
        /// The newest that this build reads.
        newest: u32,
    },
}

/// Everything a scoring worker must know but for its rules.
///
/// One document serves all shards of a scorer. What differs per process comes from flags and environment
/// variables, as for ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScorerConfig {
    /// See [`SCORER_FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the resource. The job is `score-<name>`.
    pub name: String,
    /// Identifies this configuration: a hash over everything that decides which rows come out, rules aside.
    pub revision: String,
    /// Number of the scorer's shards. Shard `n` reads the partitions `p` with `p % shards == n`.
    pub shards: u32,
    /// Where a partition without a stored position starts.
    pub start_from: StartFrom,
    /// When an epoch closes.
    pub commit: Commit,
    /// The table of scores.
    pub table: ScoreTable,
    /// What is counted by key; each has a column `<name>_count`.
    #[serde(default)]
    pub velocity: Vec<VelocityCount>,
    /// The boolean silver column that holds the truth; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where alerts go; `None`: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
    /// The pipeline whose silver rows are scored. Its owner, source, storage and silver are used as they
    /// are; its shards, commit, bronze and gold are not.
    pub pipeline: WorkerConfig,
}

/// The table of scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoreTable {
    /// Name below `fraud/`.
    pub name: String,
    /// Silver columns that the table takes over, in order.
    pub columns: Vec<String>,
    /// Partition columns of the Delta table, in order: columns of the table, or of silver, which follow the
    /// others then.
    #[serde(default)]
    pub partition_by: Vec<String>,
}

/// What is counted by key, and how long it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VelocityCount {
    /// Name of the velocity rule. The column of the count is `<name>_count`.
    pub name: String,
    /// The silver column that is counted by.
    pub key: String,
    /// How far back rows are counted, in event time, both ends included.
    pub window_ms: u64,
    /// How far behind the watermark rows are remembered.
    pub keep_ms: u64,
}

/// Where alerts go. They use the connection of the pipeline's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alerts {
    /// Name of the topic.
    pub topic: String,
}

/// What earns a row points, what their sum is called, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSet {
    /// See [`RULE_SET_FORMAT_VERSION`].
    pub format_version: u32,
    /// Rules in the order in which the column `reasons` lists them.
    #[serde(default)]
    pub rules: Vec<ScoringRule>,
    /// Points for velocity, by the names of [`ScorerConfig::velocity`]; in `reasons` they follow the rules.
    /// A count without an entry is in the table and earns no points.
    #[serde(default)]
    pub velocity: Vec<VelocityRule>,
    /// Names for ranges of the score, in any order. One has `minScore` 0.
    pub levels: Vec<Level>,
    /// The level from which on `requires_review` is true; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_at: Option<String>,
    /// The level from which on a row raises an alert; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_at: Option<String>,
}

/// A rule that adds points to the score of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoringRule {
    /// Name of the rule.
    pub name: String,
    /// Boolean SQL expression over the silver columns; where it is null the rule does not fire.
    pub when: String,
    /// Points that are added where it is true.
    pub points: u32,
}

/// Points for a key that comes too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VelocityRule {
    /// Name of the count.
    pub name: String,
    /// It fires where the count, the row itself included, is more than this.
    pub more_than: u32,
    /// Points that are added where it fires.
    pub points: u32,
}

/// The name of a range of the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Level {
    /// Name of the level.
    pub name: String,
    /// The least score of the level.
    pub min_score: u32,
}

impl ScorerConfig {
    /// Parses a document and checks its format version, and that of the pipeline inside.
    pub fn from_json(text: &str) -> Result<Self, ScorerError> {
        let config: Self = parse(text, "scorer's configuration", SCORER_FORMAT_VERSION)?;
        let found = config.pipeline.format_version;
        let newest = crate::config::CONFIG_FORMAT_VERSION;
        let document = "pipeline's part of the scorer's configuration";
        ensure!((1..=newest).contains(&found), FormatVersionSnafu { document, found, newest });
        Ok(config)
    }

    /// The document's text. The same configuration always gives the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a ScorerConfig has string keys only")
    }

    /// The job of a scorer, as chains and reports name it.
    pub fn job(&self) -> String {
        format!("score-{}", self.name)
    }
}

impl RuleSet {
    /// Parses a document and checks its format version.
    pub fn from_json(text: &str) -> Result<Self, ScorerError> {
        parse(text, "rule set", RULE_SET_FORMAT_VERSION)
    }

    /// The document's text. The same rule set always gives the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a RuleSet has string keys only")
    }

    /// Identifies the rule set, as the column `rule_set`, manifests and reports show it: hexadecimal digits
    /// of the SHA-256 over its content. How the document is laid out does not count.
    pub fn hash(&self) -> String {
        let text = serde_json::to_string(self).expect("a RuleSet has string keys only");
        let digest = Sha256::digest(text.as_bytes());
        let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hexadecimal[..HASH_CHARACTERS].to_owned()
    }
}

/// Parses a document whose format version is looked at before its other fields.
fn parse<D: serde::de::DeserializeOwned>(
    text: &str,
    document: &'static str,
    newest: u32,
) -> Result<D, ScorerError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        format_version: u32,
    }
    let parse_error = |source| ScorerError::Parse { document, source };
    let Version { format_version: found } = serde_json::from_str(text).map_err(parse_error)?;
    ensure!((1..=newest).contains(&found), FormatVersionSnafu { document, found, newest });
    serde_json::from_str(text).map_err(parse_error)
}
