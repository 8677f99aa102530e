//! [`Rows`]: those of an epoch that may be in some of its tables only, by the logs. Reads only.

use std::collections::{BTreeMap, HashSet};

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use sluice_contract::manifest::ChainId;

use super::survey::SurveyedChain;
use super::verdict::Verdict;
use crate::error::{DataFileDamagedSnafu, LakeError};
use crate::store::Store;
use crate::table::head::{self, entry_path};
use crate::table::open;

/// The tables that tell which messages were delivered.
const OF_DELIVERY: [&str; 2] = ["bronze", "quarantine"];

/// What the log of a table says of one epoch.
#[derive(Debug, Default)]
struct Commit {
    /// The tables that the epoch has rows for; `None`: written by a release that did not say.
    tables: Option<Vec<String>>,
    files: Vec<String>,
    /// Whether they came in the place of others.
    replaces: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    commit_info: Option<Information>,
    txn: Option<Transaction>,
    add: Option<Add>,
    remove: Option<Removed>,
}

/// That a file was removed is all that matters.
#[derive(Deserialize)]
struct Removed {}

#[derive(Deserialize)]
struct Add {
    path: String,
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
            commit.files.extend(line.add.map(|add| add.path));
            commit.replaces |= line.remove.is_some();
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

/// The rows of an epoch in doubt.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Their files, by table.
    pub(super) files: BTreeMap<String, Vec<String>>,
    /// Their smallest offset in each partition.
    pub(super) offsets: BTreeMap<i32, i64>,
}

/// Finds the rows that a chain has in some tables, and perhaps not in all; none for a chain without doubt.
pub(super) async fn rows(store: &Store, chain: &SurveyedChain) -> Result<Rows, LakeError> {
    let mut rows = Rows::default();
    let Verdict::Doubtful { epoch, tables } = &chain.verdict else { return Ok(rows) };
    for table in tables {
        let files = live(store, table, &chain.id, *epoch).await?;
        if OF_DELIVERY.contains(&table.as_str()) {
            for file in &files {
                let path = format!("{table}/{file}");
                let content = store.read(&path).await?;
                include(&mut rows.offsets, content).map_err(|reason| {
                    DataFileDamagedSnafu { table, path: store.name(&path), reason }.build()
                })?;
            }
        }
        rows.files.insert(table.clone(), files);
    }
    Ok(rows)
}

/// The files of an epoch that are live in a table. None are if they were compacted: then it has long been whole.
///
/// None either where they came in the place of others: what a replay puts into one table stands by itself, and the
/// rows that it replaced cannot be read from the topic again.
async fn live(store: &Store, table: &str, chain: &ChainId, epoch: u64) -> Result<Vec<String>, LakeError> {
    let found = find(store, table, chain, epoch).await?;
    let Some(commit) = found.filter(|commit| !commit.replaces) else { return Ok(Vec::new()) };
    let head = head::find(store, table).await?.map_or(0, |head| head.version - u64::from(head.torn));
    let loaded = open::load(&store.delta_log(table), table, head).await?;
    let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
    let live: HashSet<String> = state.log_data().into_iter().map(|file| file.path().into_owned()).collect();
    Ok(commit.files.into_iter().filter(|file| live.contains(file)).collect())
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
