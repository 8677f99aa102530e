use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sluice_contract::manifest::{
    AddedFile, Counts, PartitionProgress, ScoringCounts, StateFile, StateFiles, TableProgress,
};
use sluice_contract::report::{Problem, TableReport};
use sluice_engine::MemorySize;

use super::*;
use crate::report::{
    AcknowledgedAlert, Commit, Publication, PublishedRows, PublishedTable, RuleSetStatus, Scope, StateSize,
    Step, Subject,
};

fn status() -> Status {
    Status::new(Subject {
        job: "ingest".to_owned(),
        shard: 0,
        shards: 1,
        writer: "worker".to_owned(),
        configuration: "r1".to_owned(),
        max_out_of_orderness_us: 0,
    })
}

fn progress() -> BTreeMap<i32, PartitionProgress> {
    let mut counts = Counts { messages: 10, bronze: 9, silver: 7, duplicates: 2, ..Counts::default() };
    counts.add_refused("decode", "EmptyValue", 1);
    counts.scoring = ScoringCounts {
        alerts: 2,
        levels: [("LOW".to_owned(), 5), ("HIGH".to_owned(), 2)].into(),
        rules: [("large".to_owned(), 2), ("of_old".to_owned(), 1)].into(),
        failed: BTreeMap::new(),
    };
    let progress = PartitionProgress {
        max_event_time_us: Some(5_500_000),
        idle: true,
        counts,
        ..PartitionProgress::starting_at(10)
    };
    BTreeMap::from([(6, progress)])
}

fn bronze() -> Vec<TableReport> {
    vec![TableReport { name: "bronze".to_owned(), version: 3, rows: 9, files: 1, bytes: 1_000 }]
}

fn added(size: u64) -> TableProgress {
    let file = AddedFile {
        path: "a.parquet".to_owned(),
        size,
        rows: 9,
        partition_values: BTreeMap::new(),
        modification_time_ms: 0,
        stats: "{}".to_owned(),
    };
    TableProgress { last_epoch: 4, adds: vec![file.clone(), file], removes: Vec::new() }
}

/// A worker of which everything is known.
async fn seasoned() -> Status {
    season(status()).await
}

/// The same, of a scorer.
async fn seasoned_scorer() -> Status {
    let status = season(status().scoring()).await;
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    status.set_rule_set(RuleSetStatus {
        hash: "abc".to_owned(),
        levels: names(["LOW", "HIGH"]),
        rules: names(["large", "often"]),
        reading_label: Vec::new(),
    });
    status.set_counted_rows(12);
    status.note_alert(AcknowledgedAlert { latency_us: 7_000, ..AcknowledgedAlert::default() });
    status
}

async fn season(status: Status) -> Status {
    let status =
        status.expecting(vec![("silver", "TooCold".to_owned()), ("decode", "EmptyValue".to_owned())]);
    for step in [
        Step::Inherit,
        Step::Claim,
        Step::Recover,
        Step::Load,
        Step::Files,
        Step::State,
        Step::Manifest,
        Step::Tables,
    ] {
        status.timed(step, async {}).await;
    }
    status.restore(3, BTreeMap::new(), Vec::new());
    status.count_written(&BTreeMap::from([("bronze".to_owned(), added(500))]));
    let file = StateFile { path: "s".to_owned(), bytes: 64, epoch: 4, written_at_ms: 0 };
    let files = StateFiles { base: Some(file.clone()), deltas: vec![file] };
    status.note_state(StateSize::new(MemorySize { rows: 7, bytes: 240 }, &files));
    status.set_ends(&BTreeMap::from([(6, 12)]));
    status.commit(Commit {
        epoch: 4,
        oldest_message_ms: Some(0),
        partitions: progress(),
        tables: bronze(),
        open_for: Duration::from_secs(2),
        commit_took: Duration::from_millis(20),
    });
    status.durations().published(Duration::from_millis(300));
    status.publish(Publication {
        epoch: 2,
        published_at_ms: Some(7_500),
        open_windows: 5,
        groups: 40,
        memory_bytes: 4_096,
        spilled_files: 3,
        stalled_partitions: vec![6],
        tables: vec![PublishedTable {
            report: TableReport { name: "gold/hour".to_owned(), version: 2, rows: 3, files: 1, bytes: 70 },
            rows: PublishedRows { rows: 3, corrected: 1 },
            interval: Duration::from_secs(10),
            is_stretched: false,
        }],
    });
    status
        .raise(Scope::Registry, Problem { reason: "RegistryUnreachable".to_owned(), message: String::new() });
    status
}

fn families(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[tokio::test]
async fn every_metric_that_is_defined_is_exposed_and_no_other() {
    let (ingest, scorer) = (render(&seasoned().await), render(&seasoned_scorer().await));
    let defined = worker::GROUPS.iter().flat_map(|group| group.metrics).map(|metric| metric.name).collect();
    let exposed: BTreeSet<&str> = families(&ingest).union(&families(&scorer)).copied().collect();
    assert_eq!(exposed, defined);
}

#[tokio::test]
async fn levels_and_rules_of_a_scorer_begin_at_0_and_keep_what_earlier_rules_counted() {
    let text = render(&seasoned_scorer().await);
    for line in [
        "sluice_scored_rows_total{level=\"LOW\"} 5",
        "sluice_scored_rows_total{level=\"HIGH\"} 2",
        "sluice_rule_hits_total{rule=\"large\"} 2",
        "sluice_rule_hits_total{rule=\"often\"} 0",
        "sluice_rule_hits_total{rule=\"of_old\"} 1",
        "sluice_rule_failures_total{rule=\"large\"} 0",
        "sluice_alerts_total 2",
        "sluice_alert_latency_seconds_count 1",
        "sluice_rule_set_info{rule_set=\"abc\"} 1",
        "sluice_counted_rows 12",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!render(&seasoned().await).contains("sluice_alert"), "ingest has no alerts");
}

#[tokio::test]
async fn counts_partitions_tables_and_state_become_metrics() {
    let text = render(&seasoned().await);
    for line in [
        "sluice_messages_total 10",
        "sluice_rows_total{table=\"bronze\"} 9",
        "sluice_rows_total{table=\"silver\"} 7",
        "sluice_rows_total{table=\"quarantine\"} 1",
        "sluice_duplicates_total 2",
        "sluice_refused_total{reason=\"EmptyValue\",stage=\"decode\"} 1",
        "sluice_refused_total{reason=\"TooCold\",stage=\"silver\"} 0",
        "sluice_lag_messages 2",
        "sluice_epoch 4",
        "sluice_next_offset{partition=\"6\"} 10",
        "sluice_end_offset{partition=\"6\"} 12",
        "sluice_partition_idle{partition=\"6\"} 1",
        "sluice_watermark_timestamp_seconds{partition=\"6\"} 5.5",
        "sluice_table_bytes{table=\"bronze\"} 1000",
        "sluice_written_files_total{table=\"bronze\"} 2",
        "sluice_written_bytes_total{table=\"bronze\"} 1000",
        "sluice_remembered_rows 7",
        "sluice_state_files 2",
        "sluice_state_bytes 128",
        "sluice_epoch_duration_seconds_sum 2",
        "sluice_commit_step_duration_seconds_count{step=\"manifest\"} 1",
        "sluice_start_step_duration_seconds_count{step=\"claim\"} 1",
        "sluice_table_rows{table=\"gold/hour\"} 3",
        "sluice_gold_epoch 2",
        "sluice_gold_published_timestamp_seconds 7.5",
        "sluice_gold_open_windows 5",
        "sluice_gold_groups 40",
        "sluice_gold_memory_bytes 4096",
        "sluice_gold_spilled_files 3",
        "sluice_gold_stalled_partitions 1",
        "sluice_gold_emit_interval_seconds{table=\"gold/hour\"} 10",
        "sluice_gold_published_rows_total{table=\"gold/hour\"} 3",
        "sluice_gold_corrections_total{table=\"gold/hour\"} 1",
        "sluice_gold_publication_duration_seconds_count 1",
        "sluice_phase{phase=\"Blocked\"} 1",
        "sluice_phase{phase=\"Running\"} 0",
        "sluice_problem{reason=\"RegistryUnreachable\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn counters_of_the_manifest_are_absent_until_it_is_read_so_that_a_restart_is_no_surge() {
    let status = status();
    let starting = render(&status);
    for name in ["sluice_messages_total", "sluice_rows_total", "sluice_table_rows", "sluice_next_offset"] {
        assert!(!starting.contains(name), "{name} is in\n{starting}");
    }
    assert!(starting.contains("sluice_phase{phase=\"Starting\"} 1"), "{starting}");
    status.restore(4, progress(), bronze());
    assert!(render(&status).contains("sluice_messages_total 10"));
}

#[test]
fn who_stands_by_says_nothing_of_the_chain_of_another() {
    let status = status();
    status.restore(4, progress(), bronze());
    status.enter(Phase::Standby);
    let text = render(&status);
    assert!(!text.contains("sluice_messages_total") && !text.contains("sluice_table_rows"), "{text}");
    assert!(text.contains("sluice_phase{phase=\"Standby\"} 1"), "{text}");
}
