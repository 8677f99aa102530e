//! Compaction beside writers, of ours and of others.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::maintenance::compact;
use crate::maintenance::opened::Opened;
use crate::table::head::entry_path;

async fn opened(process: &Process) -> Opened {
    Opened::open(process.store(), "bronze").await.unwrap().unwrap()
}

async fn write_entry(process: &Process, version: u64, actions: &[serde_json::Value]) {
    let text: Vec<String> = actions.iter().map(ToString::to_string).collect();
    process.store().put(&entry_path("bronze", version), Bytes::from(text.join("\n"))).await.unwrap();
}

#[tokio::test]
async fn many_files_become_one_and_the_writer_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(40).await;
    let done = compact::run(process.store(), &opened(&process).await, &after(DAY)).await.unwrap();
    assert_eq!((done.replaced, done.into, done.rows), (40, 1, 400));
    assert_eq!(offsets(&process.lake).await, all(400));
    assert_eq!(loaded(&process.lake).await.version(), Some(41));

    // The writer believes that version 41 is free: it finds it taken by nothing that concerns it.
    process.commit(1).await;
    assert_eq!(offsets(&process.lake).await, all(410));
    let statistics = process.table.statistics();
    assert_eq!((statistics.version, statistics.rows, statistics.files), (42, 410, 2));
    let fresh = process.lake.open_table(&events()).await.unwrap().statistics();
    assert_eq!(statistics, fresh, "what was followed is what is there");
}

#[tokio::test]
async fn files_that_are_still_being_written_beside_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(10).await;
    let now = after(Duration::ZERO);
    let done = compact::run(process.store(), &opened(&process).await, &now).await.unwrap();
    assert_eq!(done, compact::Compacted::default());
}

#[tokio::test]
async fn rows_appended_meanwhile_do_not_hinder() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(8).await;
    let before = opened(&process).await;
    process.commit(30).await;
    let done = compact::run(process.store(), &before, &after(DAY)).await.unwrap();
    assert_eq!((done.replaced, done.into), (8, 1), "as it was opened");
    assert_eq!(offsets(&process.lake).await, all(380));
    process.commit(1).await;
    assert_eq!(offsets(&process.lake).await, all(390));
}

#[tokio::test]
async fn rows_that_another_writer_deleted_meanwhile_do_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(8).await;
    let before = opened(&process).await;
    let table = loaded(&process.lake).await;
    let first =
        table.snapshot().unwrap().log_data().iter().map(|file| file.path().into_owned()).next().unwrap();
    let delete = json!({"remove": {"path": first, "deletionTimestamp": 1, "dataChange": true}});
    write_entry(&process, 9, &[json!({"commitInfo": {"operation": "DELETE"}}), delete]).await;
    let (rows, files) = (offsets(&process.lake).await, process.files().await);
    assert_eq!(rows.len(), 70);
    let done = compact::run(process.store(), &before, &after(DAY)).await.unwrap();
    assert_eq!(done, compact::Compacted::default());
    assert_eq!(offsets(&process.lake).await, rows);
    assert_eq!(process.files().await, files, "the file that was made for nothing is gone");
    assert_eq!(loaded(&process.lake).await.version(), Some(9));
}

#[tokio::test]
async fn a_file_with_other_rows_than_the_log_says_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(8).await;
    let files = process.files().await;
    let other = process.lake.read(&files[1]).await.unwrap();
    let mut writer = crate::data_file::TableWriter::new(&events());
    writer.write(&crate::fixtures::rows(0, 3)).unwrap();
    let damaged = writer.finish().unwrap().remove(0).bytes;
    assert_ne!(other, damaged);
    process.store().put(&files[1], damaged).await.unwrap();
    let error = compact::run(process.store(), &opened(&process).await, &after(DAY)).await.unwrap_err();
    assert!(error.to_string().contains("it has 3 rows, the log says 10"), "{error}");
    assert_eq!(loaded(&process.lake).await.version(), Some(8));
}

#[tokio::test]
async fn a_torn_entry_is_left_to_the_worker() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(8).await;
    process.store().put(&entry_path("bronze", 9), Bytes::from_static(b"{\"add\"")).await.unwrap();
    let error = process.lake.maintain_table("bronze", &after(DAY)).await.unwrap_err();
    assert!(matches!(error, crate::LakeError::LogEntryTorn { .. }), "{error}");
}
