use sluice_contract::report::MAX_REPORT_BYTES;

use super::*;

fn status() -> Status {
    Status::new(Subject {
        job: "ingest".to_owned(),
        shard: 0,
        shards: 2,
        writer: "worker-0-1a2b3c4d".to_owned(),
        configuration: "r1".to_owned(),
        max_out_of_orderness_us: 30_000_000,
    })
}

fn problem(reason: &str) -> Problem {
    Problem { reason: reason.to_owned(), message: "what is wrong; what to do".to_owned() }
}

fn at(next_offset: i64) -> PartitionProgress {
    PartitionProgress::starting_at(next_offset)
}

#[test]
fn a_running_worker_is_blocked_for_as_long_as_storage_is_away() {
    let status = status();
    status.enter(Phase::Running);
    status.raise(Scope::Storage, problem("StorageFull"));
    assert_eq!(status.report().phase, Phase::Blocked);
    assert_eq!(status.report().problems[0].reason, "StorageFull");
    status.clear(Scope::Storage);
    assert_eq!(status.report().phase, Phase::Running);
    assert!(status.report().problems.is_empty());
}

#[test]
fn one_stopped_partition_does_not_block_the_others() {
    let status = status();
    status.enter(Phase::Running);
    status.restore(3, BTreeMap::from([(0, at(10)), (2, at(20))]), Vec::new());
    status.raise(Scope::Partition(0), problem("OffsetsExpired"));
    assert_eq!(status.phase(), Phase::Running);
    status.raise(Scope::Partition(2), problem("OffsetsExpired"));
    assert_eq!(status.phase(), Phase::Blocked);
}

#[test]
fn a_standby_stays_standby_whatever_is_wrong_elsewhere() {
    let status = status();
    status.enter(Phase::Standby);
    status.raise(Scope::Kafka, problem("KafkaUnreachable"));
    assert_eq!(status.phase(), Phase::Standby);
}

#[test]
fn lag_is_unknown_until_the_end_of_every_partition_is_known() {
    let status = status();
    assert_eq!(status.report().lag, None);
    status.restore(3, BTreeMap::from([(0, at(10)), (2, at(20))]), Vec::new());
    status.set_ends(&BTreeMap::from([(0, 15)]));
    assert_eq!(status.report().lag, None);
    status.set_ends(&BTreeMap::from([(2, 27)]));
    assert_eq!(status.report().lag, Some(12));
}

#[test]
fn the_watermark_trails_the_largest_event_time() {
    let status = status();
    let progress = PartitionProgress { max_event_time_us: Some(90_000_000), ..at(1) };
    status.restore(0, BTreeMap::from([(0, progress)]), Vec::new());
    assert_eq!(status.report().partitions[0].watermark_us, Some(60_000_000));
}

#[test]
fn freshness_is_the_age_of_the_oldest_message_at_the_commit() {
    let status = status();
    let commit = |oldest_message_ms| Commit {
        epoch: 7,
        oldest_message_ms,
        partitions: BTreeMap::new(),
        tables: Vec::new(),
        open_for: Duration::from_secs(2),
        commit_took: Duration::from_millis(20),
    };
    status.commit(commit(Some(now_ms() - 1_500)));
    let freshness = status.report().freshness_ms.expect("a message was committed");
    assert!((1_500..2_500).contains(&freshness), "{freshness}");
    status.commit(commit(None));
    assert_eq!(status.report().freshness_ms, Some(freshness), "an idle epoch tells nothing new");
}

#[test]
fn a_report_stays_below_its_bound_with_thousands_of_partitions_and_endless_messages() {
    let status = status().scoring();
    status.restore(1, (0..5_000).map(|partition| (partition, at(i64::MAX))).collect(), Vec::new());
    for partition in 0..5_000 {
        let message = "ü".repeat(10_000);
        status.raise(Scope::Partition(partition), Problem { reason: "OffsetsExpired".to_owned(), message });
    }
    let long = "ü".repeat(10_000);
    let body = format!("{{\"alert_id\":\"t/0/0\",\"risk_level\":\"{long}\",\"reasons\":[\"{long}\"]}}");
    for _ in 0..100 {
        let (key, body) = (Some(long.clone()), body.clone().into_bytes());
        status.note_alert(AcknowledgedAlert { key, body, ..AcknowledgedAlert::default() });
    }
    assert_eq!(status.report().scoring.expect("it scores").newest_alerts[0].alert_id, "t/0/0");
    let text = serde_json::to_vec(&status.report()).expect("a report has string keys only");
    assert!(text.len() < MAX_REPORT_BYTES, "{}", text.len());
}

#[test]
fn trouble_with_the_tables_of_windows_blocks_nothing_else() {
    let status = status();
    status.enter(Phase::Running);
    status.raise(Scope::Gold, problem("ForeignWriter"));
    assert_eq!(status.phase(), Phase::Running);
    assert_eq!(status.report().problems[0].reason, "ForeignWriter");
    status.raise(Scope::Storage, problem("StorageFull"));
    assert_eq!(status.phase(), Phase::Blocked);
}
