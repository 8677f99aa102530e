//! [`Manifest`]: one epoch of one chain. Its creation is the commit point of the epoch, and the fence.
//!
//! Chains live at `_sluice/<job>/<generation>/<shard>/<epoch>.json`; names are created with
//! create-if-absent, so of two writers exactly one gets an epoch. All paths inside are relative to the
//! lake's root.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The format of [`Manifest`] that this build writes. It reads this one and the one before.
pub const MANIFEST_FORMAT_VERSION: u32 = 2;

/// The job that reads a topic.
pub const INGEST: &str = "ingest";
/// The job that folds what ingest leaves, and publishes the tables of windows.
pub const MERGE: &str = "merge";

/// The job that changes rows of the past: replays, of refused messages and of ranges of offsets.
pub const REPLAY: &str = "replay";

/// Names one chain of epochs: `<job>/<generation>/<shard>`, which is also its Delta `txn` app id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainId {
    /// The job: `ingest`, `merge`, `score-<scorer>`, `replay`.
    pub job: String,
    /// The generation, from 0.
    pub generation: u64,
    /// The shard's number, from 0.
    pub shard: u32,
}

impl ChainId {
    /// The one chain of replays.
    pub fn of_replays() -> Self {
        Self { job: REPLAY.to_owned(), generation: 0, shard: 0 }
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.job, self.generation, self.shard)
    }
}

/// One epoch of one chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// See [`MANIFEST_FORMAT_VERSION`].
    pub format_version: u32,
    /// Unique; repeated in the `commitInfo` of each Delta commit made from this manifest.
    pub id: Uuid,
    /// The chain.
    pub chain: ChainId,
    /// Number of the epoch in its chain, from 0 without gaps.
    pub epoch: u64,
    /// What the manifest is for.
    pub kind: ManifestKind,
    /// Who wrote it.
    pub writer: Writer,
    /// Wall clock of the writer.
    pub created_at_ms: i64,
    /// Revision of the configuration in force.
    pub configuration: String,
    /// Rule set in force (scoring jobs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<String>,
    /// Where each partition stands after this epoch, with its cumulative counts.
    pub partitions: BTreeMap<i32, PartitionProgress>,
    /// What each table gains by this epoch.
    #[serde(default)]
    pub tables: BTreeMap<String, TableProgress>,
    /// The state of the job after this epoch.
    #[serde(default)]
    pub state: StateFiles,
    /// File with the changes of partial window states (input of the merge).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_aggregates: Option<String>,
    /// The last epoch folded of each chain that feeds this one (the merge's own manifests).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folded: BTreeMap<String, u64>,
    /// Windows that the merge is to compute again, where this epoch changes silver behind the back of ingest (replays).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recompute: Option<Recompute>,
}

/// Windows to be computed again from silver: those over event times from [`from_us`], included, to [`until_us`].
///
/// [`from_us`]: Self::from_us
/// [`until_us`]: Self::until_us
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recompute {
    /// Names of the tables (`gold/transactions`); all windowed tables if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// The first event time, in microseconds since the epoch.
    pub from_us: i64,
    /// The first event time behind them.
    pub until_us: i64,
}

impl Manifest {
    /// What the epoch commits to a table, if anything. The end of an abandoned chain is committed to every table,
    /// changes or none.
    pub fn commit_to(&self, table: &str) -> Option<&TableProgress> {
        self.tables.get(table).filter(|progress| self.epoch > 0 && progress.last_epoch == self.epoch)
    }

    /// Whether the epoch gives way where another writer, such as a compaction, has put other files in the place of
    /// those that it removes: a table then gets nothing of it. Only a replay can: it looks at the rows again.
    pub fn gives_way(&self) -> bool {
        self.chain.job == REPLAY && self.kind == ManifestKind::Data
    }

    /// The tables that the epoch is committed to, in the order of their names.
    pub fn committed_tables(&self) -> Vec<&str> {
        let tables = self.tables.keys().map(String::as_str);
        tables.filter(|table| self.commit_to(table).is_some()).collect()
    }
}

/// What a manifest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestKind {
    /// A process took the chain over: no data, same positions.
    Claim,
    /// An epoch with rows.
    Data,
    /// A sign of life of an idle chain.
    Idle,
    /// The end of the chain: its generation is over.
    Sealed,
    /// The end of the chain, written by a recovery: nothing goes on from it but what that recovery begins.
    Abandoned,
}

impl ManifestKind {
    /// Whether nothing comes after it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Sealed | Self::Abandoned)
    }
}

/// Who writes a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Writer {
    /// One process: its host or pod name and a random part.
    pub id: String,
    /// Revision of the Deployment (or local process table) that started it; a newer one may take over.
    pub deployment_revision: u64,
}

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartitionProgress {
    /// Offset of the next message to read.
    pub next_offset: i64,
    /// The largest min(event time, Kafka timestamp) of its silver rows so far; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_event_time_us: Option<i64>,
    /// Whether it was idle.
    #[serde(default)]
    pub idle: bool,
    /// Whether it was read to its end when that was last looked at. Format 1 does not tell, and means no.
    #[serde(default)]
    pub caught_up: bool,
    /// What has become of its messages since the first.
    #[serde(default)]
    pub counts: Counts,
}

impl PartitionProgress {
    /// Where a partition stands of which nothing was read, and that is read from this offset.
    pub fn starting_at(next_offset: i64) -> Self {
        Self {
            next_offset,
            max_event_time_us: None,
            idle: false,
            caught_up: false,
            counts: Counts::default(),
        }
    }
}

/// What has become of messages, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Messages read.
    pub messages: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Bronze rows.
    pub bronze: u64,
    /// Silver rows.
    pub silver: u64,
    /// Bronze rows that were copies of an earlier silver row.
    pub duplicates: u64,
    /// Bronze rows whose key column is not the text of the message key.
    pub key_mismatches: u64,
    /// Refused messages by stage, then reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, BTreeMap<String, u64>>,
    /// What scoring made of silver rows (scoring jobs).
    #[serde(default, skip_serializing_if = "ScoringCounts::is_empty")]
    pub scoring: ScoringCounts,
}

/// What scoring made of silver rows, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoringCounts {
    /// Rows that raised an alert.
    pub alerts: u64,
    /// Rows by risk level.
    pub levels: BTreeMap<String, u64>,
    /// Rows for which a rule fired, by its name; velocity rules among them.
    pub rules: BTreeMap<String, u64>,
    /// Rows on which a rule failed, and so did not fire, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
}

impl ScoringCounts {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        self.alerts += other.alerts;
        let maps = [
            (&mut self.levels, &other.levels),
            (&mut self.rules, &other.rules),
            (&mut self.failed, &other.failed),
        ];
        for (mine, theirs) in maps {
            for (name, count) in theirs {
                add_to(mine, name, *count);
            }
        }
    }
}

/// Adds to the count of a name.
pub fn add_to(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    match counts.get_mut(name) {
        Some(total) => *total += count,
        None => {
            counts.insert(name.to_owned(), count);
        }
    }
}

impl Counts {
    /// Counts `count` more refusals.
    pub fn add_refused(&mut self, stage: &str, reason: &str, count: u64) {
        if !self.refused.contains_key(stage) {
            self.refused.insert(stage.to_owned(), BTreeMap::new());
        }
        add_to(self.refused.get_mut(stage).expect("inserted above"), reason, count);
    }

    /// Adds another partition's counts to these.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.bronze += other.bronze;
        self.silver += other.silver;
        self.duplicates += other.duplicates;
        self.key_mismatches += other.key_mismatches;
        for (stage, reasons) in &other.refused {
            for (reason, count) in reasons {
                self.add_refused(stage, reason, *count);
            }
        }
        self.scoring.add(&other.scoring);
    }

    /// Refusals of one stage, over all reasons.
    pub fn refused_at(&self, stage: &str) -> u64 {
        self.refused.get(stage).map_or(0, |reasons| reasons.values().sum())
    }
}

/// What a table gains by an epoch, and where its last gain stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableProgress {
    /// The newest epoch of this chain, this one included, with actions for the table.
    pub last_epoch: u64,
    /// Files added by this epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adds: Vec<AddedFile>,
    /// Files removed by this epoch: paths relative to the table's root (tables below `gold/`, and replays).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
}

impl TableProgress {
    /// Whether this epoch changes the table.
    pub fn has_actions(&self) -> bool {
        !self.adds.is_empty() || !self.removes.is_empty()
    }
}

/// A finished data file: what a Delta `add` action needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddedFile {
    /// Path relative to the table's root, URL-encoded as the Delta protocol wants it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Values of the table's partition columns, serialised as the Delta protocol says; `None` is null.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Wall clock when the file was finished.
    pub modification_time_ms: i64,
    /// Delta statistics, as JSON text.
    pub stats: String,
}

/// The files that hold a job's state: read `base`, then apply `deltas` in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateFiles {
    /// Snapshot that the deltas build on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<StateFile>,
    /// Changes since the base, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<StateFile>,
}

/// One state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateFile {
    /// Path relative to the lake's root.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// The newest epoch whose changes it holds.
    pub epoch: u64,
    /// Wall clock when it was written.
    pub written_at_ms: i64,
}
