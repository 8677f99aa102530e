//! The table's life on real files: creation, growth, commits, conflicts, crashes, repairs.

mod replacing;
mod rewriting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use bytes::Bytes;
use futures::StreamExt;
use sluice_contract::manifest::{AddedFile, ChainId, Manifest};
use tempfile::TempDir;
use uuid::Uuid;

use super::head::entry_path;
use super::*;
use crate::chain::{Appended, Beginning, Chain, names, read_manifest, seal};
use crate::fixtures::{
    chain_id, events, forgetful_store, local_lake, manifest, open, rows, stored, won, won_of, writer,
};
use crate::lake::Lake;
use crate::store::Created;

/// One process: a lake, its chain and the table.
struct Process {
    lake: Lake,
    chain: Chain,
    claim: Manifest,
    table: Table,
}

impl Process {
    async fn start(directory: &TempDir, shard: u32, id: &str) -> Self {
        let lake = open(directory.path()).await;
        let table = lake.open_table(&events()).await.unwrap();
        let (chain, claim) = won(lake.store(), shard, id).await;
        Self { lake, chain, claim, table }
    }

    /// Decides an epoch of `count` rows, without rolling it forward.
    async fn decide(&mut self, first_offset: i64, count: i64) -> Manifest {
        let next = manifest(&self.chain, stored(&self.lake, first_offset, count).await);
        assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
        next
    }

    async fn idle(&mut self) {
        let next = manifest(&self.chain, BTreeMap::new());
        assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
    }

    async fn commit(&mut self, first_offset: i64, count: i64) -> Manifest {
        let next = self.decide(first_offset, count).await;
        let outcome = self.table.roll_forward(&next).await.unwrap();
        assert!(matches!(outcome, RolledForward::Committed { .. }), "{outcome:?}");
        next
    }

    async fn recover(&mut self) -> Recovered {
        self.table.recover(self.chain.id(), &self.claim).await.unwrap()
    }

    async fn write_entry(&self, version: u64, content: &str) {
        let content = Bytes::copy_from_slice(content.as_bytes());
        self.lake.store().put(&entry_path("bronze", version), content).await.unwrap();
    }
}

/// The offsets that a reader of the table sees, by way of the log and the files.
async fn offsets(directory: &TempDir) -> Vec<i64> {
    let lake = open(directory.path()).await;
    let log = lake.store().delta_log("bronze");
    let mut table = DeltaTable::new(log);
    table.load().await.unwrap();
    let mut found = Vec::new();
    let mut files = table.get_active_add_actions_by_predicate(None);
    while let Some(file) = files.next().await {
        let path = format!("bronze/{}", file.unwrap().path());
        let content = lake.read(&path).await.unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build();
        for batch in reader.unwrap() {
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
async fn a_table_is_created_once_however_many_open_it() {
    let (directory, lake) = local_lake().await;
    let tables = (0..6).map(|_| {
        let lake = lake.clone();
        tokio::spawn(async move { lake.open_table(&events()).await.unwrap() })
    });
    for table in futures::future::join_all(tables).await {
        let statistics = table.unwrap().statistics();
        assert_eq!(statistics, TableStatistics::default());
    }
    assert_eq!(offsets(&directory).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_manifest_is_committed_once_however_often_it_is_rolled_forward() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let epoch = process.decide(0, 10).await;
    assert_eq!(process.table.roll_forward(&epoch).await.unwrap(), RolledForward::Committed { version: 1 });
    for _ in 0..3 {
        let again = process.table.roll_forward(&epoch).await.unwrap();
        assert_eq!(again, RolledForward::AlreadyThere { version: Some(1) });
    }
    let mut fresh = process.lake.open_table(&events()).await.unwrap();
    let again = fresh.roll_forward(&epoch).await.unwrap();
    assert_eq!(again, RolledForward::AlreadyThere { version: Some(1) });
    let next = process.commit(10, 5).await;
    let again = fresh.roll_forward(&next).await.unwrap();
    assert_eq!(again, RolledForward::AlreadyThere { version: Some(2) }, "found by the conflict");
    assert_eq!(offsets(&directory).await, all(15));
    assert_eq!(process.table.roll_forward(&process.claim).await.unwrap(), RolledForward::Nothing);
}

#[tokio::test]
async fn statistics_follow_the_commits_and_equal_those_of_a_fresh_look() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 10).await;
    process.commit(10, 7).await;
    let followed = process.table.statistics();
    assert_eq!((followed.version, followed.rows, followed.files), (2, 17, 2));
    assert!(followed.bytes > 0);
    assert_eq!(process.lake.open_table(&events()).await.unwrap().statistics(), followed);
}

#[tokio::test]
async fn chains_that_append_in_turns_lose_and_double_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut left = Process::start(&directory, 0, "left").await;
    let mut right = Process::start(&directory, 1, "right").await;
    for round in 0..5 {
        left.commit(round * 20, 10).await;
        right.commit(round * 20 + 10, 10).await;
    }
    assert_eq!(offsets(&directory).await, all(100));
    assert_eq!(right.table.statistics().version, 10);
    assert_eq!(left.table.statistics().version, 9, "it has not looked since its last commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chains_that_append_at_once_lose_and_double_nothing() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let writers = (0..4).map(|shard| {
        let directory = Arc::clone(&directory);
        tokio::spawn(async move {
            let mut process = Process::start(&directory, shard, "w").await;
            for round in 0..10 {
                process.commit((round * 4 + i64::from(shard)) * 3, 3).await;
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(offsets(&directory).await, all(120));
    let lake = open(directory.path()).await;
    let statistics = lake.open_table(&events()).await.unwrap().statistics();
    assert_eq!((statistics.version, statistics.rows, statistics.files), (40, 120, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_chain_among_faster_ones_gets_its_turn() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let mut slow = Process::start(&directory, 0, "slow").await;
    let ended = Arc::new(AtomicBool::new(false));
    let fast = (1..4).map(|shard| {
        let (directory, ended) = (Arc::clone(&directory), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut process = Process::start(&directory, shard, "fast").await;
            let mut offset = i64::from(shard) * 1_000_000;
            while !ended.load(Ordering::Relaxed) {
                process.commit(offset, 1).await;
                offset += 1;
            }
        })
    });
    let fast: Vec<_> = fast.collect();
    for round in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let started = Instant::now();
        slow.commit(round, 1).await;
        assert!(started.elapsed() < Duration::from_secs(5), "it lost for {:?}", started.elapsed());
    }
    ended.store(true, Ordering::Relaxed);
    for writer in futures::future::join_all(fast).await {
        writer.unwrap();
    }
    let slow: Vec<i64> = offsets(&directory).await.into_iter().filter(|offset| *offset < 1_000_000).collect();
    assert_eq!(slow, all(20));
}

#[tokio::test]
async fn an_epoch_that_was_decided_but_not_committed_is_redone_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut crashed = Process::start(&directory, 0, "a").await;
    crashed.commit(0, 10).await;
    crashed.idle().await;
    let decided = crashed.decide(10, 10).await;
    drop(crashed);
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.recover().await, Recovered { redone: vec![decided.epoch], rebuilt: None });
    assert_eq!(next.recover().await, Recovered::default());
    next.commit(20, 1).await;
    assert_eq!(offsets(&directory).await, all(21));
}

#[tokio::test]
async fn several_undone_epochs_are_redone_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut crashed = Process::start(&directory, 0, "a").await;
    crashed.commit(0, 10).await;
    let mut undone = Vec::new();
    for round in 1..4 {
        undone.push(crashed.decide(round * 10, 10).await.epoch);
        crashed.idle().await;
    }
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.recover().await.redone, undone);
    assert_eq!(offsets(&directory).await, all(40));
}

#[tokio::test]
async fn a_predecessor_that_still_commits_its_last_epoch_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let mut zombie = Process::start(&directory, 0, "zombie").await;
    zombie.commit(0, 10).await;
    let decided = zombie.decide(10, 10).await;
    let mut next = Process::start(&directory, 0, "next").await;
    // Both roll the same manifest forward; whoever comes second finds it there.
    assert_eq!(next.recover().await.redone, vec![decided.epoch]);
    let late = zombie.table.roll_forward(&decided).await.unwrap();
    assert_eq!(late, RolledForward::AlreadyThere { version: Some(2) });
    next.commit(20, 10).await;
    let late = zombie.table.roll_forward(&decided).await.unwrap();
    assert_eq!(late, RolledForward::AlreadyThere { version: Some(2) });
    assert_eq!(offsets(&directory).await, all(30));
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_when_it_is_repeated() {
    let (forgetful, store) = forgetful_store();
    let lake = Lake::with(store.clone());
    let mut table = lake.open_table(&events()).await.unwrap();
    let (mut chain, _) = won(&store, 0, "a").await;
    let epoch = manifest(&chain, stored(&lake, 0, 10).await);
    chain.append(&epoch).await.unwrap();
    forgetful.forget_next();
    let error = table.roll_forward(&epoch).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let again = table.roll_forward(&epoch).await.unwrap();
    assert_eq!(again, RolledForward::AlreadyThere { version: Some(1) });
    assert_eq!(table.statistics().rows, 10);
}

#[tokio::test]
async fn an_optimize_between_manifest_and_commit_is_stepped_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    process.commit(5, 5).await;
    let epoch = process.decide(10, 5).await;
    let mut foreign = DeltaTable::new(process.lake.store().delta_log("bronze"));
    foreign.load().await.unwrap();
    let (_, metrics) = foreign.optimize().await.unwrap();
    assert_eq!(metrics.num_files_removed, 2);
    assert_eq!(process.table.roll_forward(&epoch).await.unwrap(), RolledForward::Committed { version: 4 });
    assert_eq!(offsets(&directory).await, all(15));
    assert_eq!(process.table.statistics(), process.lake.open_table(&events()).await.unwrap().statistics());
}

#[tokio::test]
async fn a_delete_between_manifest_and_commit_is_stepped_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    let epoch = process.decide(5, 5).await;
    let mut foreign = DeltaTable::new(process.lake.store().delta_log("bronze"));
    foreign.load().await.unwrap();
    foreign.delete().with_predicate("offset < 3").await.unwrap();
    assert_eq!(process.table.roll_forward(&epoch).await.unwrap(), RolledForward::Committed { version: 3 });
    assert_eq!(offsets(&directory).await, (3..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_manifest_under_our_epoch_stops_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    let epoch = process.decide(5, 5).await;
    let rival = Manifest { id: Uuid::new_v4(), ..epoch.clone() };
    let mut other = process.lake.open_table(&events()).await.unwrap();
    other.roll_forward(&rival).await.unwrap();
    // By the conflict, by the table's own record, and at a restart.
    let by_conflict = process.table.roll_forward(&epoch).await.unwrap_err();
    let mut fresh = process.lake.open_table(&events()).await.unwrap();
    let by_record = fresh.roll_forward(&epoch).await.unwrap_err();
    let mut next = Process::start(&directory, 0, "b").await;
    let by_restart = next.table.recover(next.chain.id(), &next.claim).await.unwrap_err();
    for error in [by_conflict, by_record, by_restart] {
        assert!(matches!(error, LakeError::ForeignWriter { version: 2, .. }), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_table_that_knows_more_than_the_chain_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    process.commit(5, 5).await;
    for epoch in 0..=2 {
        process.lake.store().delete(&names::manifest(&chain_id(0), epoch)).await.unwrap();
    }
    let mut next = Process::start(&directory, 0, "b").await;
    let error = next.table.recover(next.chain.id(), &next.claim).await.unwrap_err();
    assert!(matches!(error, LakeError::StateLost { found: 2, newest: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_recovery_reads_none_of_the_idle_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    for _ in 0..20 {
        process.idle().await;
    }
    let decided = process.decide(5, 5).await;
    // Were they read, these would be missed: the one before a pending epoch, and the last committed one, are.
    for epoch in 2..decided.epoch - 1 {
        process.lake.store().delete(&names::manifest(&chain_id(0), epoch)).await.unwrap();
    }
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.recover().await.redone, vec![decided.epoch]);
}

#[tokio::test]
async fn the_last_manifest_of_a_table_may_have_been_pruned() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    process.idle().await;
    process.lake.store().delete(&names::manifest(&chain_id(0), 1)).await.unwrap();
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.recover().await, Recovered::default());
}

#[tokio::test]
async fn a_torn_newest_entry_is_written_again_from_its_manifest() {
    for torn in ["", "{\"commitInfo\":{\"sluice", "\0\0\0\0"] {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Process::start(&directory, 0, "a").await;
        process.commit(0, 5).await;
        let lost = process.commit(5, 5).await;
        process.write_entry(2, torn).await;
        let mut next = Process::start(&directory, 0, "b").await;
        assert_eq!(next.table.statistics().version, 1);
        assert_eq!(next.recover().await, Recovered { redone: vec![], rebuilt: Some(2) }, "{torn:?}");
        assert_eq!(next.recover().await, Recovered::default());
        assert_eq!(next.table.statistics().version, 2);
        assert_eq!(
            next.table.roll_forward(&lost).await.unwrap(),
            RolledForward::AlreadyThere { version: Some(2) }
        );
        next.commit(10, 5).await;
        assert_eq!(offsets(&directory).await, all(15));
    }
}

#[tokio::test]
async fn a_torn_entry_of_a_chain_that_has_ended_is_written_again_before_what_is_pending() {
    for has_pending in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mut old = Process::start(&directory, 0, "old").await;
        old.commit(0, 5).await;
        old.commit(5, 5).await;
        seal(old.lake.store(), old.chain.id(), &writer("new"), "revision").await.unwrap();
        let id = ChainId { generation: 1, ..chain_id(0) };
        let (chain, claim) = won_of(old.lake.store(), id.clone(), "new", &Beginning::default()).await;
        let mut new = Process { lake: open(directory.path()).await, chain, claim, table: old.table };
        if has_pending {
            new.decide(10, 5).await;
        }
        new.write_entry(2, "").await;
        // The power was out: whoever starts now is of the new generation.
        let mut table = new.lake.open_table(&events()).await.unwrap();
        let (_, claim) = won_of(new.lake.store(), id, "newer", &Beginning::default()).await;
        new.lake.recover(&mut table, &[claim]).await.unwrap();
        assert_eq!(offsets(&directory).await, all(if has_pending { 15 } else { 10 }));
    }
}

#[tokio::test]
async fn an_entry_cut_between_two_lines_is_written_again_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    let whole = process.lake.read(&entry_path("bronze", 1)).await.unwrap();
    let text = std::str::from_utf8(&whole).unwrap();
    let second_line_end = text.match_indices('\n').nth(1).unwrap().0;
    process.write_entry(1, &text[..=second_line_end]).await;
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.recover().await.rebuilt, Some(1));
    assert_eq!(offsets(&directory).await, all(5));
}

#[tokio::test]
async fn two_chains_that_repair_the_same_entry_agree_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut left = Process::start(&directory, 0, "left").await;
    let mut right = Process::start(&directory, 1, "right").await;
    left.commit(0, 5).await;
    right.commit(5, 5).await;
    let pending = left.decide(10, 5).await;
    let torn = right.decide(15, 5).await;
    left.write_entry(3, "").await;
    let mut left = Process::start(&directory, 0, "left 2").await;
    let mut right = Process::start(&directory, 1, "right 2").await;
    // Whichever repairs first puts its own epoch there; the other one finds a version of its own.
    let (of_left, of_right) = tokio::join!(
        left.table.recover(left.chain.id(), &left.claim),
        right.table.recover(right.chain.id(), &right.claim),
    );
    let (of_left, of_right) = (of_left.unwrap(), of_right.unwrap());
    assert!(of_left.rebuilt.is_some() || of_right.rebuilt.is_some(), "{of_left:?} {of_right:?}");
    assert_eq!(offsets(&directory).await, all(20));
    for (process, manifest) in [(&mut left, pending), (&mut right, torn)] {
        let again = process.table.roll_forward(&manifest).await.unwrap();
        assert!(matches!(again, RolledForward::AlreadyThere { version: Some(3 | 4) }), "{again:?}");
    }
}

#[tokio::test]
async fn a_torn_entry_that_fits_no_manifest_is_an_error_until_somebody_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    process.write_entry(2, "{").await;
    let mut next = Process::start(&directory, 0, "b").await;
    let error = next.table.recover(next.chain.id(), &next.claim).await.unwrap_err();
    assert!(matches!(error, LakeError::LogEntryTorn { .. }), "{error}");
    assert!(error.to_string().contains("_delta_log/00000000000000000002.json"), "{error}");
    next.lake.store().delete(&entry_path("bronze", 2)).await.unwrap();
    assert_eq!(next.recover().await, Recovered::default());
    next.commit(5, 5).await;
    assert_eq!(offsets(&directory).await, all(10));
}

#[tokio::test]
async fn a_table_whose_creation_was_torn_is_created_again() {
    let (directory, lake) = local_lake().await;
    lake.store().put(&entry_path("bronze", 0), Bytes::from_static(b"{\"proto")).await.unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    assert_eq!(offsets(&directory).await, all(5));
}

fn grown() -> TableSpec {
    let mut fields: Vec<_> = events().schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("amount", DataType::Float64, true)));
    TableSpec { schema: Arc::new(Schema::new(fields)), ..events() }
}

#[tokio::test]
async fn new_nullable_columns_are_added_by_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 5).await;
    let tables = (0..4).map(|_| {
        let lake = process.lake.clone();
        tokio::spawn(async move { lake.open_table(&grown()).await.unwrap().statistics().version })
    });
    for version in futures::future::join_all(tables).await {
        assert_eq!(version.unwrap(), 2);
    }
    // A shard that has not been restarted yet goes on with the columns that it knows.
    process.commit(5, 5).await;
    let again = process.lake.open_table(&events()).await.unwrap();
    assert_eq!(again.statistics().version, 3);
    let found = again.loaded.unwrap();
    let names: Vec<_> =
        found.snapshot().unwrap().schema().fields().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["offset", "name", "day", "amount"]);
    let metadata = serde_json::to_value(found.snapshot().unwrap().metadata()).unwrap();
    assert_eq!(metadata["description"], "events of the tests");
    assert_eq!(offsets(&directory).await, all(10));
}

#[tokio::test]
async fn an_existing_table_with_other_columns_is_refused() {
    let (_directory, lake) = local_lake().await;
    lake.open_table(&events()).await.unwrap();
    let mut fields: Vec<_> = events().schema.fields().iter().cloned().collect();
    fields[1] = Arc::new(Field::new("name", DataType::Int64, true));
    let other = TableSpec { schema: Arc::new(Schema::new(fields)), ..events() };
    let error = lake.open_table(&other).await.unwrap_err();
    assert!(matches!(error, LakeError::SchemaIncompatible { .. }), "{error}");
    let unpartitioned = TableSpec { partition_by: vec![], ..events() };
    let error = lake.open_table(&unpartitioned).await.unwrap_err();
    assert!(matches!(error, LakeError::PartitioningChanged { .. }), "{error}");
}

#[tokio::test]
async fn a_check_refuses_what_an_opening_would_and_changes_nothing() {
    let (_directory, lake) = local_lake().await;
    let check = async |spec: &TableSpec| Table::check(lake.store(), spec).await;
    check(&events()).await.unwrap();
    assert!(head::find(lake.store(), "bronze").await.unwrap().is_none(), "a check creates no table");
    lake.open_table(&events()).await.unwrap();
    check(&events()).await.unwrap();
    check(&grown()).await.unwrap();
    let head = head::find(lake.store(), "bronze").await.unwrap().unwrap();
    assert_eq!(head.version, 0, "a check adds no column");
    let error = check(&TableSpec { partition_by: vec![], ..events() }).await.unwrap_err();
    assert!(matches!(error, LakeError::PartitioningChanged { .. }), "{error}");
}

#[tokio::test]
async fn a_definition_that_changed_under_an_open_table_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let metadata = |schema: &str| {
        format!(
            r#"{{"metaData":{{"id":"x","format":{{"provider":"parquet","options":{{}}}},"schemaString":{},"partitionColumns":["day"],"configuration":{{}}}}}}"#,
            serde_json::to_string(schema).unwrap()
        )
    };
    let column = |name: &str, kind: &str, nullable: bool| {
        format!(r#"{{"name":"{name}","type":"{kind}","nullable":{nullable},"metadata":{{}}}}"#)
    };
    let schema = |offset: &str| {
        let columns =
            [column("offset", offset, false), column("name", "string", true), column("day", "date", true)];
        format!(r#"{{"type":"struct","fields":[{}]}}"#, columns.join(","))
    };
    let same = process.decide(0, 5).await;
    process.write_entry(1, &metadata(&schema("long"))).await;
    assert_eq!(process.table.roll_forward(&same).await.unwrap(), RolledForward::Committed { version: 2 });
    let other = process.decide(5, 5).await;
    process.write_entry(3, &metadata(&schema("string"))).await;
    let error = process.table.roll_forward(&other).await.unwrap_err();
    assert!(matches!(error, LakeError::SchemaIncompatible { .. }), "{error}");
    process.write_entry(3, r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#).await;
    let error = process.table.roll_forward(&other).await.unwrap_err();
    assert!(matches!(error, LakeError::ProtocolUnsupported { .. }), "{error}");
    assert!(error.to_string().contains("deletionVectors"), "{error}");
}

#[tokio::test]
async fn a_table_that_fell_far_behind_catches_up_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut idle = Process::start(&directory, 0, "idle").await;
    let mut busy = Process::start(&directory, 1, "busy").await;
    for round in 0..60 {
        busy.commit(round, 1).await;
    }
    idle.commit(60, 1).await;
    assert_eq!(
        idle.table.statistics(),
        TableStatistics { version: 61, ..idle.lake.open_table(&events()).await.unwrap().statistics() }
    );
    assert_eq!(offsets(&directory).await, all(61));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_due_after_two_hundred_versions_and_keeps_the_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let mut last = None;
    for version in 1..=200 {
        last = Some(process.commit(version - 1, 1).await);
        let due = process.table.checkpoint_due();
        assert_eq!(due.is_some(), version == 200, "version {version}");
        if let Some(checkpoint) = due {
            assert_eq!((checkpoint.table(), checkpoint.version()), ("bronze", 200));
            checkpoint.write().await.unwrap();
        }
    }
    assert!(process.table.checkpoint_due().is_none());
    let store = process.lake.store();
    let checkpoint = "bronze/_delta_log/00000000000000000200.checkpoint.parquet";
    assert!(store.read_if_exists(checkpoint).await.unwrap().is_some());
    // With the entries before it gone, the checkpoint alone must tell the epochs.
    for version in 0..200 {
        store.delete(&entry_path("bronze", version)).await.unwrap();
    }
    let last = last.unwrap();
    let mut next = Process::start(&directory, 0, "b").await;
    assert_eq!(next.table.statistics(), process.table.statistics());
    assert_eq!(next.recover().await, Recovered::default());
    let again = next.table.roll_forward(&last).await.unwrap();
    assert_eq!(again, RolledForward::AlreadyThere { version: Some(200) });
    next.commit(200, 1).await;
    assert_eq!(offsets(&directory).await, all(201));
    store.delete(&entry_path("bronze", 201)).await.unwrap();
    store.delete(&entry_path("bronze", 200)).await.unwrap();
    let mut fresh = open(directory.path()).await.open_table(&events()).await.unwrap();
    assert_eq!(fresh.roll_forward(&last).await.unwrap(), RolledForward::AlreadyThere { version: None });
}

#[tokio::test]
async fn a_checkpoint_that_the_other_process_failed_to_write_is_made_up_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    process.commit(0, 1).await;
    process.table.version = 399;
    assert!(process.table.checkpoint_due().is_none());
    process.table.version = 400;
    process.table.committed_last = false;
    assert!(process.table.checkpoint_due().is_some());
    assert!(process.table.checkpoint_due().is_none());
}

#[tokio::test]
async fn the_manifest_names_the_files_that_the_table_gets() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let epoch = process.commit(0, 3).await;
    let read = read_manifest(process.lake.store(), &chain_id(0), 1).await.unwrap();
    assert_eq!(read, epoch);
    let files: &Vec<AddedFile> = &read.tables["bronze"].adds;
    assert_eq!((files.len(), files[0].rows), (1, 3));
    let content = process.lake.read(&format!("bronze/{}", files[0].path)).await.unwrap();
    assert_eq!(content.len() as u64, files[0].size);
    let created = process.lake.store().create(&format!("bronze/{}", files[0].path), content).await.unwrap();
    assert_eq!(created, Created::AlreadyExists);
    assert_eq!(rows(0, 3).num_rows(), 3);
}

#[tokio::test]
async fn state_files_never_share_a_name() {
    let (_directory, lake) = local_lake().await;
    let one = lake.put_state(&chain_id(1), 7, b"one".to_vec()).await.unwrap();
    let two = lake.put_state(&chain_id(1), 7, b"two".to_vec()).await.unwrap();
    assert!(one.path.starts_with("_sluice/ingest/state/0/1/00000000000000000007-"), "{}", one.path);
    assert_ne!(one.path, two.path);
    assert_eq!((one.bytes, one.epoch), (3, 7));
    assert_eq!(lake.read(&one.path).await.unwrap(), "one");
    assert_eq!(lake.read(&two.path).await.unwrap(), "two");
}

#[tokio::test]
async fn forgotten_state_is_gone_and_may_be_forgotten_again() {
    let (_directory, lake) = local_lake().await;
    let old = lake.put_state(&chain_id(0), 1, b"old".to_vec()).await.unwrap();
    let new = lake.put_state(&chain_id(0), 2, b"new".to_vec()).await.unwrap();
    for _ in 0..2 {
        lake.forget_state(std::slice::from_ref(&old)).await.unwrap();
    }
    assert!(matches!(lake.read(&old.path).await, Err(LakeError::FileMissing { .. })));
    assert_eq!(lake.read(&new.path).await.unwrap(), "new");
}
