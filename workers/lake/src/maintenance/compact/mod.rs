//! Compaction: many small files of a partition become few large ones, with the same rows in the same order.
//!
//! Epochs of a second leave 86,400 files a day, and readers pay for each. delta-rs's own OPTIMIZE is not
//! used: its files carry bounds for some columns only where one has NaN, by which readers lose rows (see
//! `data_file::statistics`), and it commits once for a whole table.

pub(super) mod plan;

use std::collections::BTreeMap;

use futures::StreamExt;
use snafu::ensure;

use super::MaintenancePolicy;
use super::change::{Change, Rewrite};
use super::commit::commit;
use super::opened::Opened;
use crate::data_file::{FinishedFile, MergedFile};
use crate::error::{DataFileDamagedSnafu, LakeError};
use crate::failpoint;
use crate::store::Store;
use plan::LiveFile;

/// After so many bytes the work is committed: a run that dies, or meets a conflict, loses no more.
const COMMITTED_BYTES: u64 = 1024 * 1024 * 1024;

/// A run does not go on for ever on a lake that was never maintained; the next one goes on.
const BYTES_OF_A_RUN: u64 = 16 * COMMITTED_BYTES;

/// Files read ahead. A group has less than 256 MiB.
const READ_AHEAD: usize = 8;

/// What compaction did to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that are no longer live.
    pub replaced: u64,
    /// Files in their place.
    pub into: u64,
    /// Bytes of the files in their place.
    pub bytes: u64,
    /// Rows in them.
    pub rows: u64,
}

impl Compacted {
    fn add(&mut self, rewrites: &[Rewrite]) {
        for rewrite in rewrites {
            self.replaced += rewrite.replaced.len() as u64;
            self.into += 1;
            self.bytes += rewrite.file.size;
            self.rows += rewrite.file.rows;
        }
    }
}

/// Compacts what is worth it.
pub(super) async fn run(
    store: &Store,
    opened: &Opened,
    policy: &MaintenancePolicy,
) -> Result<Compacted, LakeError> {
    let mut compacted = Compacted::default();
    let groups = plan::groups(live_files(opened)?, policy.before_ms(policy.settled_after));
    let (mut rewrites, mut uncommitted, mut total) = (Vec::new(), 0, 0);
    for group in groups {
        uncommitted += group.iter().map(|file| file.bytes).sum::<u64>();
        rewrites.extend(rewrite(store, opened, group).await?);
        if uncommitted >= COMMITTED_BYTES {
            compacted.add(&replace(store, opened, std::mem::take(&mut rewrites)).await?);
            total += std::mem::take(&mut uncommitted);
        }
        if total >= BYTES_OF_A_RUN {
            tracing::info!(table = opened.name, "more files to compact are left to the next run");
            break;
        }
    }
    compacted.add(&replace(store, opened, rewrites).await?);
    Ok(compacted)
}

/// Commits rewritten files, and returns those that became live.
async fn replace(store: &Store, opened: &Opened, rewrites: Vec<Rewrite>) -> Result<Vec<Rewrite>, LakeError> {
    if rewrites.is_empty() {
        return Ok(rewrites);
    }
    let wanted = rewrites.len();
    failpoint::hit("before_compaction");
    let mut change = Change::Compaction(rewrites);
    let version = commit(store, opened, &mut change).await?;
    failpoint::hit("after_compaction");
    let Change::Compaction(rewrites) = change else { return Ok(Vec::new()) };
    if rewrites.len() < wanted {
        tracing::info!(
            table = opened.name,
            given_up = wanted - rewrites.len(),
            "another writer changed files that were being compacted"
        );
    }
    tracing::debug!(table = opened.name, version, files = rewrites.len(), "compacted");
    Ok(rewrites)
}

/// Writes the rows of a group into one durable file, which nobody sees yet.
async fn rewrite(store: &Store, opened: &Opened, group: Vec<LiveFile>) -> Result<Option<Rewrite>, LakeError> {
    let table = &opened.name;
    let values = group.first().map(|file| file.partition.clone()).unwrap_or_default();
    let mut merged = MergedFile::new(table, &opened.schema, &opened.metadata.partition_columns, values);
    let paths: Vec<String> = group.iter().map(|file| format!("{table}/{}", file.path)).collect();
    let contents = futures::stream::iter(&paths).map(|path| store.read(path)).buffered(READ_AHEAD);
    let mut contents = std::pin::pin!(contents.enumerate());
    while let Some((index, content)) = contents.next().await {
        // Nothing else runs in this process, so this thread may be kept busy.
        let (path, rows) = (&paths[index], merged.append(&paths[index], content?)?);
        let expected = group[index].rows.unwrap_or(rows);
        ensure!(
            rows == expected,
            DataFileDamagedSnafu {
                table,
                path,
                reason: format!("it has {rows} rows, the log says {expected}"),
            }
        );
    }
    let Some(FinishedFile { bytes, file }) = merged.finish()? else { return Ok(None) };
    store.put(&format!("{table}/{}", file.path), bytes).await?;
    Ok(Some(Rewrite { replaced: group, file }))
}

fn live_files(opened: &Opened) -> Result<Vec<LiveFile>, LakeError> {
    let state = opened.state()?;
    let columns = &opened.metadata.partition_columns;
    let files = state.log_data().into_iter().map(|file| {
        let mut values: BTreeMap<String, Option<String>> = file.partition_values_map().into_iter().collect();
        LiveFile {
            path: file.path().into_owned(),
            bytes: u64::try_from(file.size()).unwrap_or_default(),
            rows: file.num_records().map(|rows| rows as u64),
            modified_ms: file.modification_time(),
            partition: columns.iter().map(|column| values.remove(column).flatten()).collect(),
        }
    });
    Ok(files.collect())
}
