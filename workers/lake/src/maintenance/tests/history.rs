//! How far the log reaches back, and that nobody falls into what is gone.

use std::time::Instant;

use super::*;
use crate::table::head::entry_path;

#[tokio::test]
async fn old_entries_go_and_versions_within_the_retention_stay_readable() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(20).await;
    let policy = MaintenancePolicy { retention: 7 * DAY, ..after(DAY) };
    let done = process.lake.maintain_table("bronze", &policy).await.unwrap().unwrap();
    assert_eq!(done.log_entries_expired, 0);
    let old = MaintenancePolicy { retention: 7 * DAY, ..after(8 * DAY) };
    process.commit(1).await;
    let done = process.lake.maintain_table("bronze", &old).await.unwrap().unwrap();
    assert!(done.log_entries_expired >= 20, "{done:?}");
    assert_eq!(process.store().read_if_exists(&entry_path("bronze", 3)).await.unwrap(), None);
    assert_eq!(offsets(&process.lake).await, all(210));
    process.commit(1).await;
    assert_eq!(offsets(&process.lake).await, all(220));
    let mut fresh = process.lake.open_table(&events()).await.unwrap();
    assert_eq!(fresh.statistics(), process.table.statistics());
    let claim = won(process.store(), 0, "b").await.1;
    assert!(fresh.recover(process.chain.id(), &claim).await.unwrap().redone.is_empty());
}

#[tokio::test]
async fn the_table_says_how_long_its_old_versions_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(1).await;
    let policy = MaintenancePolicy { retention: 90 * DAY, ..after(DAY) };
    for _ in 0..2 {
        process.lake.maintain_table("bronze", &policy).await.unwrap();
        let table = loaded(&process.lake).await;
        assert_eq!(table.version(), Some(2), "said once");
        let metadata = serde_json::to_value(table.snapshot().unwrap().metadata()).unwrap();
        for property in ["delta.logRetentionDuration", "delta.deletedFileRetentionDuration"] {
            assert_eq!(metadata["configuration"][property], "interval 90 days");
        }
    }
    process.commit(2).await;
    assert_eq!(offsets(&process.lake).await, all(30));
}

#[tokio::test]
async fn a_writer_that_was_silent_does_not_commit_into_the_gap_that_expired_entries_leave() {
    let directory = tempfile::tempdir().unwrap();
    let mut quiet = Process::start(&directory, 0).await;
    quiet.commit(1).await;
    let mut busy = Process::start(&directory, 1).await;
    busy.rows = 10;
    busy.commit(20).await;
    let policy = MaintenancePolicy { retention: DAY, ..after(2 * DAY) };
    let done = busy.lake.maintain_table("bronze", &policy).await.unwrap().unwrap();
    assert!(done.log_entries_expired >= 20, "{done:?}");
    quiet.table.pretend_silence(Instant::now().checked_sub(Duration::from_mins(2)).unwrap());
    quiet.rows = 210;
    quiet.commit(1).await;
    assert_eq!(offsets(&quiet.lake).await, all(220));
}
