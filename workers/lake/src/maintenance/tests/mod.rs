//! Maintenance of real tables, beside processes that go on writing them. Time is an argument.

mod compaction;
mod history;
mod pruning;
mod vacuum;

use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use deltalake::DeltaTable;
use futures::StreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sluice_contract::manifest::Manifest;
use tempfile::TempDir;

use super::MaintenancePolicy;
use crate::chain::{Appended, Chain};
use crate::fixtures::{events, manifest, open, stored, won, won_of};
use crate::lake::Lake;
use crate::store::Store;
use crate::table::{RolledForward, Table};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// One process: a lake, its chain and the table.
struct Process {
    lake: Lake,
    chain: Chain,
    table: Table,
    rows: i64,
}

impl Process {
    async fn start(directory: &TempDir, shard: u32) -> Self {
        let lake = open(directory.path()).await;
        let table = lake.open_table(&events()).await.unwrap();
        let (chain, _) = won(lake.store(), shard, "a").await;
        Self { lake, chain, table, rows: 0 }
    }

    fn store(&self) -> &Store {
        self.lake.store()
    }

    /// Decides an epoch of ten rows, without rolling it forward.
    async fn decide(&mut self) -> Manifest {
        let added = stored(&self.lake, self.rows, 10).await;
        self.rows += 10;
        let next = Manifest { created_at_ms: crate::now_ms(), ..manifest(&self.chain, added) };
        assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
        next
    }

    /// Commits so many epochs of ten rows each.
    async fn commit(&mut self, epochs: usize) {
        for _ in 0..epochs {
            let next = self.decide().await;
            let outcome = self.table.roll_forward(&next).await.unwrap();
            assert!(matches!(outcome, RolledForward::Committed { .. }), "{outcome:?}");
        }
    }

    async fn idle(&mut self, epochs: usize) {
        for _ in 0..epochs {
            let next = manifest(&self.chain, std::collections::BTreeMap::new());
            assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
        }
    }

    async fn files(&self) -> Vec<String> {
        let found: Vec<_> = self.store().walk("bronze").unwrap().collect().await;
        let paths = found.into_iter().map(|file| file.unwrap().path);
        let mut paths: Vec<String> = paths.filter(|path| !path.contains("_delta_log")).collect();
        paths.sort();
        paths
    }
}

/// A run so long from now.
fn after(time: Duration) -> MaintenancePolicy {
    MaintenancePolicy {
        now_ms: crate::now_ms() + time.as_millis() as i64,
        retention: 30 * DAY,
        settled_after: Duration::from_mins(5),
        merged: false,
        spilled_kept: Duration::MAX,
    }
}

async fn loaded(lake: &Lake) -> DeltaTable {
    let mut table = DeltaTable::new(lake.store().delta_log("bronze"));
    table.load().await.unwrap();
    table
}

/// The offsets that a reader of the table sees, by way of the log and the files.
async fn offsets(lake: &Lake) -> Vec<i64> {
    let table = loaded(lake).await;
    let mut found = Vec::new();
    for file in table.snapshot().unwrap().log_data().iter() {
        let content = lake.read(&format!("bronze/{}", file.path())).await.unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build().unwrap() {
            found.extend(batch.unwrap().column(0).as_primitive::<Int64Type>().values().iter());
        }
    }
    found.sort_unstable();
    found
}

fn all(count: i64) -> Vec<i64> {
    (0..count).collect()
}

#[tokio::test]
async fn a_lake_without_tables_is_maintained_by_doing_nothing() {
    let (_directory, lake) = crate::fixtures::local_lake().await;
    assert_eq!(lake.maintain_table("bronze", &after(DAY)).await.unwrap(), None);
    assert_eq!(lake.prune(&after(DAY)).await.unwrap(), super::Pruned::default());
}

#[tokio::test]
async fn a_second_run_finds_nothing_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(12).await;
    let first = process.lake.maintain_table("bronze", &after(DAY)).await.unwrap().unwrap();
    assert_eq!((first.compacted.replaced, first.compacted.into), (12, 1));
    assert_eq!(first.checkpoint, Some(13));
    let second = process.lake.maintain_table("bronze", &after(DAY)).await.unwrap().unwrap();
    assert_eq!((second.compacted.into, second.checkpoint, second.log_entries_expired), (0, None, 0));
    assert_eq!(loaded(&process.lake).await.version(), Some(13));
}

#[tokio::test]
async fn another_owners_lake_is_left_alone() {
    let (_directory, lake) = crate::fixtures::local_lake().await;
    let owner = |name: &str| sluice_contract::config::Owner {
        cluster: "c".to_owned(),
        namespace: "n".to_owned(),
        name: name.to_owned(),
    };
    let topic = crate::TopicIdentity { name: "t".to_owned(), id: None };
    lake.check_owner(&owner("ours"), &topic, None).await.unwrap();
    lake.identify(&owner("ours"), &topic, None).await.unwrap();
    lake.check_owner(&owner("ours"), &topic, None).await.unwrap();
    let error = lake.check_owner(&owner("theirs"), &topic, None).await.unwrap_err();
    assert_eq!(error.reason(), "LakeOwned");
}
