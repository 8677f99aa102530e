//! The text of Delta log entries: what we write, and what we need to know of what others wrote. Pure.
//!
//! An entry is one JSON object a line, each with one action.

use std::collections::BTreeMap;

use deltalake::kernel::StructType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_contract::manifest::{Manifest, TableProgress};
use uuid::Uuid;

use super::TableSpec;
use super::live_files::LiveFile;

/// Who writes, for the history of a table.
pub(crate) const ENGINE: &str = concat!("Sluice/", env!("CARGO_PKG_VERSION"));

/// The action that defines a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetadataAction {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) format: Value,
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) created_time: Option<i64>,
}

/// The action that says what a reader and a writer must know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProtocolAction {
    pub(super) min_reader_version: i32,
    pub(super) min_writer_version: i32,
    #[serde(default)]
    pub(super) reader_features: Option<Vec<String>>,
    #[serde(default)]
    pub(super) writer_features: Option<Vec<String>>,
}

impl ProtocolAction {
    /// Whether this build writes such tables as the protocol demands.
    ///
    /// Writer version 7 names its features; those two need nothing from an append without constraints.
    pub(super) fn is_supported(&self) -> bool {
        let harmless = |feature: &String| matches!(feature.as_str(), "appendOnly" | "invariants");
        let features = self.writer_features.as_deref().unwrap_or_default();
        let writer =
            self.min_writer_version <= 2 || (self.min_writer_version == 7 && features.iter().all(harmless));
        self.min_reader_version <= 1 && writer
    }

    /// The features that it names.
    pub(super) fn features(&self) -> String {
        let named = [&self.reader_features, &self.writer_features].into_iter().flatten().flatten();
        let unique: std::collections::BTreeSet<&str> = named.map(String::as_str).collect();
        if unique.is_empty() {
            "no features named".to_owned()
        } else {
            unique.into_iter().collect::<Vec<_>>().join(", ")
        }
    }
}

/// How an entry changes the size of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SizeChange {
    pub(super) rows: i64,
    pub(super) files: i64,
    pub(super) bytes: i64,
}

/// What we need to know of an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogEntry {
    /// Of the manifest that the entry was made from, if it is Sluice's.
    pub(super) manifest: Option<Uuid>,
    /// Application id and version of each transaction.
    pub(crate) transactions: BTreeMap<String, i64>,
    pub(super) metadata: Option<MetadataAction>,
    pub(super) protocol: Option<ProtocolAction>,
    /// Files added, by their path.
    pub(super) added: Vec<(String, LiveFile)>,
    /// Paths of the files removed.
    pub(super) removed: Vec<String>,
    pub(super) change: SizeChange,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    commit_info: Option<CommitInfo>,
    txn: Option<Transaction>,
    add: Option<FileAction>,
    remove: Option<FileAction>,
    meta_data: Option<MetadataAction>,
    protocol: Option<ProtocolAction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    #[serde(default)]
    sluice_manifest: Option<Uuid>,
    #[serde(default)]
    operation_metrics: Option<BTreeMap<String, Value>>,
}

impl CommitInfo {
    /// How many files an entry of ours adds and removes. Others may count as they like.
    fn announced(&self) -> Option<(usize, usize)> {
        self.sluice_manifest?;
        let metrics = self.operation_metrics.as_ref()?;
        let count = |name| metrics.get(name)?.as_str()?.parse().ok();
        Some((count("numAddedFiles")?, count("numRemovedFiles")?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileAction {
    path: String,
    #[serde(default)]
    partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    data_change: Option<bool>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    stats: Option<String>,
}

impl FileAction {
    /// Rows in the file, as far as its statistics tell.
    fn rows(&self) -> i64 {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Stats {
            num_records: i64,
        }
        let stats = self.stats.as_deref().and_then(|text| serde_json::from_str::<Stats>(text).ok());
        stats.map_or(0, |stats| stats.num_records)
    }

    /// Rows that come or go with the file. A file that is merely rewritten changes none, and often
    /// carries no statistics when it is removed.
    fn changed_rows(&self) -> i64 {
        if self.data_change == Some(false) { 0 } else { self.rows() }
    }
}

/// Why an entry cannot be used.
#[derive(Debug)]
pub(crate) enum Defect {
    /// It is empty, cut off, or lacks files that it announces.
    Torn,
    /// It is JSON, but not of the Delta protocol.
    Strange(serde_json::Error),
}

impl LogEntry {
    /// Reads an entry.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, Defect> {
        let mut entry = Self::default();
        let mut announced = None;
        let mut lines =
            content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).peekable();
        if lines.peek().is_none() {
            return Err(Defect::Torn);
        }
        for line in lines {
            let line: Line = serde_json::from_slice(line)
                .map_err(|error| if error.is_data() { Defect::Strange(error) } else { Defect::Torn })?;
            announced = announced.or(line.commit_info.as_ref().and_then(CommitInfo::announced));
            entry.take(line);
        }
        let found = (entry.added.len(), entry.removed.len());
        if announced.is_some_and(|announced| announced != found) { Err(Defect::Torn) } else { Ok(entry) }
    }

    fn take(&mut self, line: Line) {
        if let Some(info) = line.commit_info {
            self.manifest = info.sluice_manifest;
        }
        if let Some(transaction) = line.txn {
            self.transactions.insert(transaction.app_id, transaction.version);
        }
        if let Some(add) = line.add {
            self.change.files += 1;
            self.change.rows += add.changed_rows();
            self.change.bytes += add.size.unwrap_or_default();
            let live = LiveFile {
                bytes: add.size.unwrap_or_default(),
                rows: add.rows(),
                partition_values: add.partition_values.unwrap_or_default(),
            };
            self.added.push((add.path, live));
        }
        if let Some(remove) = line.remove {
            self.change.files -= 1;
            self.change.rows -= remove.changed_rows();
            self.change.bytes -= remove.size.unwrap_or_default();
            self.removed.push(remove.path);
        }
        self.metadata = line.meta_data.or_else(|| self.metadata.take());
        self.protocol = line.protocol.or_else(|| self.protocol.take());
    }
}

/// A live file that a commit removes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removed<'a> {
    pub(super) path: &'a str,
    pub(super) file: &'a LiveFile,
}

/// The entry that commits what a manifest holds for a table. `removed` are the files that it removes.
///
/// Files come before those they replace: whoever saw half of the entry would see rows twice, not never.
pub(super) fn commit(
    spec: &TableSpec,
    manifest: &Manifest,
    progress: &TableProgress,
    removed: &[Removed<'_>],
    now_ms: i64,
) -> String {
    let rows: u64 = progress.adds.iter().map(|file| file.rows).sum();
    let bytes: u64 = progress.adds.iter().map(|file| file.size).sum();
    let application = manifest.chain.to_string();
    let mut actions = vec![
        json!({"commitInfo": {
            "timestamp": now_ms,
            "operation": "STREAMING UPDATE",
            "operationParameters": {
                "outputMode": if removed.is_empty() { "Append" } else { "Update" },
                "queryId": application,
                "epochId": manifest.epoch.to_string(),
                "partitionBy": json!(spec.partition_by).to_string(),
            },
            "operationMetrics": {
                "numAddedFiles": progress.adds.len().to_string(),
                "numRemovedFiles": removed.len().to_string(),
                "numOutputRows": rows.to_string(),
                "numOutputBytes": bytes.to_string(),
            },
            "isBlindAppend": removed.is_empty(),
            "engineInfo": ENGINE,
            "sluiceManifest": manifest.id,
            // Should the manifest be lost, this tells whether its epoch is in all tables.
            "sluiceTables": manifest.committed_tables(),
        }}),
        json!({"txn": {"appId": application, "version": manifest.epoch, "lastUpdated": now_ms}}),
    ];
    actions.extend(progress.adds.iter().map(|file| {
        json!({"add": {
            "path": file.path,
            "partitionValues": file.partition_values,
            "size": file.size,
            "modificationTime": file.modification_time_ms,
            "dataChange": true,
            "stats": file.stats,
        }})
    }));
    actions.extend(removed.iter().map(|Removed { path, file }| {
        json!({"remove": {
            "path": path,
            "deletionTimestamp": now_ms,
            "dataChange": true,
            "extendedFileMetadata": true,
            "partitionValues": file.partition_values,
            "size": file.bytes,
            "stats": json!({"numRecords": file.rows}).to_string(),
        }})
    }));
    lines(&actions)
}

/// The entry that creates a table: version 0.
///
/// Reader version 1 and writer version 2 are what every Delta implementation speaks.
pub(super) fn create(spec: &TableSpec, schema: &StructType, now_ms: i64) -> String {
    let retained = [
        // How long readers may travel back, and how long a foreign VACUUM must leave replaced files.
        ("delta.logRetentionDuration", "interval 30 days"),
        ("delta.deletedFileRetentionDuration", "interval 30 days"),
    ];
    let mut configuration: BTreeMap<String, Option<String>> =
        retained.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).into();
    configuration.extend(spec.properties.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
    let metadata = MetadataAction {
        id: Uuid::new_v4().to_string(),
        name: Some(spec.name.clone()),
        description: spec.description.clone(),
        format: json!({"provider": "parquet", "options": {}}),
        schema_string: schema_text(schema),
        partition_columns: spec.partition_by.clone(),
        configuration,
        created_time: Some(now_ms),
    };
    lines(&[
        json!({"commitInfo": {
            "timestamp": now_ms,
            "operation": "CREATE TABLE",
            "operationParameters": {"partitionBy": json!(spec.partition_by).to_string()},
            "isBlindAppend": true,
            "engineInfo": ENGINE,
        }}),
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": metadata}),
    ])
}

/// The entry that gives a table more columns.
pub(super) fn add_columns(
    metadata: &MetadataAction,
    schema: &StructType,
    added: &[String],
    now_ms: i64,
) -> String {
    let metadata = MetadataAction { schema_string: schema_text(schema), ..metadata.clone() };
    lines(&[
        json!({"commitInfo": {
            "timestamp": now_ms,
            "operation": "ADD COLUMNS",
            "operationParameters": {"columns": json!(added).to_string()},
            "isBlindAppend": true,
            "engineInfo": ENGINE,
        }}),
        json!({"metaData": metadata}),
    ])
}

fn schema_text(schema: &StructType) -> String {
    serde_json::to_string(schema).expect("a Delta schema has string keys only")
}

/// The text of an entry with these actions.
pub(crate) fn lines(actions: &[Value]) -> String {
    let mut text = String::new();
    for action in actions {
        text.push_str(&action.to_string());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
