//! What a vacuum deletes, and what it must not.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::maintenance::{Refusal, Vacuumed, compact, opened::Opened, vacuum};
use crate::table::head::entry_path;

const ORPHAN: &str = "bronze/day=2026-01-05/part-00000000-0000-0000-0000-000000000001.parquet";

async fn vacuumed(process: &Process, policy: &MaintenancePolicy) -> Vacuumed {
    let opened = Opened::open(process.store(), "bronze").await.unwrap().unwrap();
    vacuum::run(process.store(), &opened, policy).await.unwrap()
}

fn files(outcome: &Vacuumed) -> u64 {
    match outcome {
        Vacuumed::Done { files, .. } => *files,
        Vacuumed::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

/// Storage tells times in milliseconds: what comes after this is younger than what came before.
async fn tick() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test]
async fn replaced_files_go_after_the_retention_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(10).await;
    let opened = Opened::open(process.store(), "bronze").await.unwrap().unwrap();
    compact::run(process.store(), &opened, &after(DAY)).await.unwrap();
    assert_eq!(files(&vacuumed(&process, &after(29 * DAY)).await), 0);
    assert_eq!(process.files().await.len(), 11);
    assert_eq!(files(&vacuumed(&process, &after(31 * DAY)).await), 10);
    assert_eq!(process.files().await.len(), 1);
    assert_eq!(offsets(&process.lake).await, all(100));
    process.commit(1).await;
    assert_eq!(offsets(&process.lake).await, all(110));
}

#[tokio::test]
async fn a_file_that_nobody_names_goes_after_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.store().put(ORPHAN, Bytes::from_static(b"x")).await.unwrap();
    tick().await;
    process.commit(1).await;
    assert_eq!(files(&vacuumed(&process, &after(23 * HOUR)).await), 0);
    assert_eq!(vacuumed(&process, &after(25 * HOUR)).await, Vacuumed::Done { files: 1, bytes: 1 });
    assert_eq!(offsets(&process.lake).await, all(10));
}

#[tokio::test]
async fn the_files_of_an_epoch_that_waits_for_its_manifest_stay_however_long_it_waits() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    tick().await;
    let added = stored(&process.lake, 10, 10).await;
    assert_eq!(files(&vacuumed(&process, &after(365 * DAY)).await), 0);
    let next = manifest(&process.chain, added);
    assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
    process.table.roll_forward(&next).await.unwrap();
    assert_eq!(offsets(&process.lake).await, all(20));
}

#[tokio::test]
async fn a_live_file_of_another_writer_stays_however_its_path_is_escaped() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    let names =
        [("day=a%2520b/x.parquet", "day=a%20b/x.parquet"), ("day=%C3%BC%20b/x.parquet", "day=ü b/x.parquet")];
    for (version, (escaped, path)) in (2..).zip(names) {
        process.store().put(&format!("bronze/{path}"), Bytes::from_static(b"x")).await.unwrap();
        let add = json!({"add": {
            "path": escaped,
            "partitionValues": {"day": null},
            "size": 1,
            "modificationTime": 1,
            "dataChange": true,
        }});
        let entry = Bytes::from(add.to_string());
        process.store().put(&entry_path("bronze", version), entry).await.unwrap();
    }
    process.store().put("bronze/day=a b/x.parquet", Bytes::from_static(b"x")).await.unwrap();
    tick().await;
    process.idle(1).await;
    assert_eq!(files(&vacuumed(&process, &after(365 * DAY)).await), 1, "the one that is not live");
    for (_, path) in names {
        assert_eq!(process.lake.read(&format!("bronze/{path}")).await.unwrap(), "x", "{path}");
    }
}

#[tokio::test]
async fn a_chain_that_has_ended_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    tick().await;
    process.store().put(ORPHAN, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(files(&vacuumed(&process, &after(2 * DAY)).await), 0, "it may be of the next epoch");
    let writer = crate::fixtures::writer("heir");
    crate::chain::seal(process.store(), process.chain.id(), &writer, "revision").await.unwrap();
    tick().await;
    process.store().put(ORPHAN, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(files(&vacuumed(&process, &after(2 * DAY)).await), 1);
    assert_eq!(offsets(&process.lake).await, all(10));
}

#[tokio::test]
async fn the_files_of_a_manifest_that_is_not_in_the_table_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    let added = stored(&process.lake, 10, 10).await;
    let policy = after(40 * DAY);
    tick().await;
    let next = Manifest { created_at_ms: policy.now_ms - 1_000, ..manifest(&process.chain, added) };
    assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
    // The files are older than the chain's end and than a day: only the manifest protects them.
    assert_eq!(files(&vacuumed(&process, &policy).await), 0);
    process.table.roll_forward(&next).await.unwrap();
    assert_eq!(offsets(&process.lake).await, all(20));
}

#[tokio::test]
async fn where_a_chain_lags_nothing_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.store().put(ORPHAN, Bytes::from_static(b"x")).await.unwrap();
    tick().await;
    process.commit(1).await;
    let pending = process.decide().await;
    let refused = vacuumed(&process, &after(DAY * 2)).await;
    let refusal = Refusal::ChainLags { chain: "ingest/0/0".to_owned(), epoch: pending.epoch };
    assert_eq!(refused, Vacuumed::Refused(refusal));
    process.table.roll_forward(&pending).await.unwrap();
    assert_eq!(files(&vacuumed(&process, &after(DAY * 2)).await), 1);
    assert_eq!(offsets(&process.lake).await, all(20));
}

#[tokio::test]
async fn where_manifests_are_lost_nothing_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    let pending = process.decide().await;
    let path = crate::chain::names::manifest(process.chain.id(), pending.epoch);
    let text = process.lake.read(&path).await.unwrap();
    process.idle(1).await;
    process.store().delete(&path).await.unwrap();
    let chain = "ingest/0/0".to_owned();
    let missing = Refusal::ManifestMissing { chain: chain.clone(), epoch: pending.epoch };
    assert_eq!(vacuumed(&process, &after(DAY)).await, Vacuumed::Refused(missing));

    process.store().put(&path, text).await.unwrap();
    process.table.roll_forward(&pending).await.unwrap();
    for epoch in pending.epoch..pending.epoch + 2 {
        process.store().delete(&crate::chain::names::manifest(process.chain.id(), epoch)).await.unwrap();
    }
    let lost = Refusal::ManifestsLost { chain, found: pending.epoch as i64, newest: pending.epoch - 1 };
    assert_eq!(vacuumed(&process, &after(DAY)).await, Vacuumed::Refused(lost));
}

#[tokio::test]
async fn a_published_table_keeps_what_was_replaced_for_six_hours_and_is_not_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(9).await;
    let replaced = process.decide().await;
    process.table.roll_forward(&replaced).await.unwrap();
    let added = stored(&process.lake, 1_000, 1).await.remove("bronze").unwrap();
    let removes = replaced.tables["bronze"].adds.iter().map(|file| file.path.clone()).collect();
    let next = Manifest {
        tables: process.chain.changes([("bronze".to_owned(), (added, removes))]),
        ..manifest(&process.chain, std::collections::BTreeMap::new())
    };
    assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
    process.table.roll_forward(&next).await.unwrap();
    for (age, deleted) in [(5 * HOUR, 0), (7 * HOUR, 1)] {
        let done = process.lake.maintain_published_table("bronze", &after(age)).await.unwrap().unwrap();
        assert_eq!((done.compacted.into, files(&done.vacuumed)), (0, deleted), "{age:?}");
    }
    let metadata = Opened::open(process.store(), "bronze").await.unwrap().unwrap().metadata;
    for property in ["delta.logRetentionDuration", "delta.deletedFileRetentionDuration"] {
        assert_eq!(metadata.configuration[property].as_deref(), Some("interval 6 hours"));
    }
    assert_eq!(process.files().await.len(), 10);
    assert_eq!(offsets(&process.lake).await, (0..90).chain([1_000]).collect::<Vec<_>>());
}
