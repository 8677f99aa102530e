//! The rows of an epoch that may be in some of its tables only: found in the logs, and taken out.

use std::collections::{BTreeMap, HashSet};

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_contract::manifest::ChainId;

use super::survey::Survey;
use crate::error::{ContendedSnafu, DataFileDamagedSnafu, LakeError};
use crate::failpoint;
use crate::store::{Created, Store};
use crate::table::head::{self, entry_path};
use crate::table::log_entry::{ENGINE, lines};
use crate::table::open;

/// Versions that others may take from us.
const ATTEMPTS: u32 = 20;

/// What the log of a table says of one epoch.
#[derive(Debug, Default)]
struct Commit {
    /// The tables that the epoch has rows for; `None`: written by a release that did not say.
    tables: Option<Vec<String>>,
    files: Vec<CommittedFile>,
}

/// A file that the epoch added.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommittedFile {
    path: String,
    size: u64,
    partition_values: BTreeMap<String, Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    commit_info: Option<Information>,
    txn: Option<Transaction>,
    add: Option<CommittedFile>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Information {
    sluice_tables: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    app_id: String,
    version: i64,
}

impl Commit {
    /// Reads an entry; `None` if it is not that of the epoch.
    fn parse(content: &[u8], application: &str, epoch: u64) -> Option<Self> {
        let mut commit = Self::default();
        let mut is_wanted = false;
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let line: Line = serde_json::from_slice(line).ok()?;
            commit.tables =
                line.commit_info.and_then(|information| information.sluice_tables).or(commit.tables);
            is_wanted |= line.txn.is_some_and(|transaction| {
                transaction.app_id == application && transaction.version.unsigned_abs() == epoch
            });
            commit.files.extend(line.add);
        }
        is_wanted.then_some(commit)
    }
}

/// Finds the entry of an epoch; `None` if it has expired.
async fn find(store: &Store, table: &str, chain: &ChainId, epoch: u64) -> Result<Option<Commit>, LakeError> {
    let Some(head) = head::find(store, table).await? else { return Ok(None) };
    let application = chain.to_string();
    for version in (0..=head.version).rev() {
        let Some(content) = store.read_if_exists(&entry_path(table, version)).await? else { return Ok(None) };
        if let Some(commit) = Commit::parse(&content, &application, epoch) {
            return Ok(Some(commit));
        }
    }
    Ok(None)
}

/// The tables that an epoch has rows for, as the entries say that made it part of a table.
///
/// Where the entries have expired the epoch is as old as that: it has long been whole.
pub(super) async fn announced(
    store: &Store,
    chain: &ChainId,
    epoch: u64,
    known: &BTreeMap<String, u64>,
) -> Result<Option<Vec<String>>, LakeError> {
    let Some(table) = known.iter().find(|(_, known)| **known == epoch).map(|(table, _)| table) else {
        return Ok(None);
    };
    let commit = find(store, table, chain, epoch).await?;
    Ok(commit.map_or(Some(Vec::new()), |commit| commit.tables))
}

/// The files of an epoch that are live in a table. None are if they were compacted, or taken out before.
async fn live(
    store: &Store,
    table: &str,
    chain: &ChainId,
    epoch: u64,
) -> Result<(u64, Vec<CommittedFile>), LakeError> {
    let head = head::find(store, table).await?.map_or(0, |head| head.version - u64::from(head.torn));
    let Some(commit) = find(store, table, chain, epoch).await? else { return Ok((head, Vec::new())) };
    let loaded = open::load(&store.delta_log(table), table, head).await?;
    let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
    let live: HashSet<String> = state.log_data().into_iter().map(|file| file.path().into_owned()).collect();
    let files = commit.files.into_iter().filter(|file| live.contains(&file.path)).collect();
    Ok((head, files))
}

/// The smallest offset of each partition in the rows that are taken out.
pub(super) async fn offsets(store: &Store, survey: &Survey) -> Result<BTreeMap<i32, i64>, LakeError> {
    let mut smallest = BTreeMap::new();
    for (chain, epoch, tables) in survey.doubtful() {
        for table in tables.iter().filter(|table| ["bronze", "quarantine"].contains(&table.as_str())) {
            for file in live(store, table, &chain.id, epoch).await?.1 {
                let path = format!("{table}/{}", file.path);
                let content = store.read(&path).await?;
                include(&mut smallest, content).map_err(|reason| {
                    DataFileDamagedSnafu { table, path: store.name(&path), reason }.build()
                })?;
            }
        }
    }
    Ok(smallest)
}

fn include(smallest: &mut BTreeMap<i32, i64>, content: bytes::Bytes) -> Result<(), String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content).map_err(|error| error.to_string())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["partition", "offset"]);
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let partitions =
            batch.column_by_name("partition").and_then(|column| column.as_primitive_opt::<Int32Type>());
        let offsets =
            batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(partitions), Some(offsets)) = (partitions, offsets) else {
            return Err("it has no columns partition and offset".to_owned());
        };
        for (partition, offset) in partitions.iter().flatten().zip(offsets.iter().flatten()) {
            let least = smallest.entry(partition).or_insert(offset);
            *least = (*least).min(offset);
        }
    }
    Ok(())
}

/// Takes the rows of an epoch out of a table; how many files. Safe to repeat.
pub(super) async fn take_out(
    store: &Store,
    table: &str,
    chain: &ChainId,
    epoch: u64,
) -> Result<usize, LakeError> {
    for _ in 0..ATTEMPTS {
        let (version, files) = live(store, table, chain, epoch).await?;
        if files.is_empty() {
            return Ok(0);
        }
        failpoint::hit("before_doubtful_rows_go");
        let entry = removal(chain, epoch, &files, crate::now_ms());
        if store.create(&entry_path(table, version + 1), entry.into()).await? == Created::Created {
            tracing::info!(table, %chain, epoch, files = files.len(), "took the rows of an epoch out, which are read again");
            failpoint::hit("after_doubtful_rows_go");
            return Ok(files.len());
        }
    }
    ContendedSnafu { action: "commit to", path: store.name(table), attempts: ATTEMPTS }.fail()
}

fn removal(chain: &ChainId, epoch: u64, files: &[CommittedFile], now_ms: i64) -> String {
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let mut actions: Vec<Value> = vec![json!({"commitInfo": {
        "timestamp": now_ms,
        "operation": "DELETE",
        "operationParameters": {"predicate": json!([format!("epoch {epoch} of {chain}")]).to_string()},
        "operationMetrics": {
            "numAddedFiles": "0",
            "numRemovedFiles": files.len().to_string(),
            "numRemovedBytes": bytes.to_string(),
        },
        "isBlindAppend": false,
        "engineInfo": ENGINE,
    }})];
    actions.extend(files.iter().map(|file| {
        json!({"remove": {
            "path": file.path,
            "deletionTimestamp": now_ms,
            "dataChange": true,
            "extendedFileMetadata": true,
            "partitionValues": file.partition_values,
            "size": file.size,
        }})
    }));
    lines(&actions)
}
