//! The status as tables: what is seen, and what is said of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sluice_contract::report::{Phase, Problem, Report};
use sluice_crds::StreamPipelineStatus;
use sluice_crds::conditions::types;

use super::status;
use crate::apply::{Applied, NameTaken, Refused};
use crate::conditions::find;
use crate::pod_trouble::Trouble;
use crate::problem::{Invalid, Missing};
use crate::sharded_job::kind::INGEST;
use crate::sharded_job::plan::{Plan, Stage, Suspension};
use crate::sharded_job::preflight::Check;
use crate::sharded_job::status::{Inputs, Outcome, paused, unreadable};
use crate::sharded_job::workers::{Shard, Workers};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn report() -> Report {
    serde_json::from_value(json!({
        "formatVersion": 1, "job": "ingest", "shard": 0, "shards": 2, "writer": "w", "configuration": "c",
        "phase": "Running", "problems": [], "startedAtMs": 0, "epoch": 3, "committedAtMs": 5_000, "lag": 1_234,
        "freshnessMs": 2_100, "messagesPerSecond": 1.5, "partitions": [],
        "tables": [
            {"name": "bronze", "version": 7, "rows": 1_039, "files": 3, "bytes": 90_210},
            {"name": "silver", "version": 6, "rows": 0, "files": 0, "bytes": 0}
        ],
        "counts": {
            "messages": 9, "bytes": 9, "bronze": 9, "silver": 9, "duplicates": 0, "keyMismatches": 0,
            "refused": {"decode": {"MalformedJson": 3}}
        }
    }))
    .expect("a report")
}

fn shard(is_ready: bool) -> Shard {
    Shard { is_ready, pods: 1, report: is_ready.then(report), ..Shard::default() }
}

fn workers(shards: &[Shard]) -> Workers {
    Workers { shards: (0..).zip(shards.iter().cloned()).collect() }
}

fn with_problem(phase: Phase, reason: &str) -> Shard {
    let problem = Problem { reason: reason.to_owned(), message: format!("{reason} here; mend it") };
    Shard {
        report: Some(Report { phase, problems: vec![problem], ..report() }),
        ..shard(phase == Phase::Running)
    }
}

fn plan(stage: Stage) -> Plan {
    let shards = Some(2);
    Plan { stage, wanted: Vec::new(), restart: None, unwanted: Vec::new(), shards, single_node: false }
}

fn running() -> Stage {
    Stage::Running { rolling: false }
}

fn say_after(
    previous: &StreamPipelineStatus,
    stage: Stage,
    workers: &Workers,
    seconds: i64,
) -> Outcome<StreamPipelineStatus> {
    let inputs = Inputs {
        kind: &INGEST,
        name: "shop",
        generation: Some(4),
        previous: &previous.conditions,
        plan: &plan(stage),
        applied: &Applied::default(),
        workers,
        replay: None,
        numbers_written: (seconds > 0).then_some(START),
        now: START + SignedDuration::from_secs(seconds),
    };
    status(&inputs, previous, None)
}

fn say(stage: Stage, workers: &Workers) -> StreamPipelineStatus {
    say_after(&StreamPipelineStatus::default(), stage, workers, 0).status
}

/// `Ready=True/Running Reconciling=True/RollingOut`: the four conditions that judge.
fn verdict(status: &StreamPipelineStatus) -> String {
    let judged = [types::READY, types::RECONCILING, types::STALLED, types::DEGRADED];
    let found = judged.iter().filter_map(|type_| find(&status.conditions, type_));
    let texts: Vec<String> = found
        .map(|condition| format!("{}={}/{}", condition.type_, condition.status, condition.reason))
        .collect();
    texts.join(" ")
}

fn failed(is_lasting: bool) -> Stage {
    let findings = "silver.columns[0].expr: wrong; mend it".to_owned();
    Stage::Checking(Check::Failed { findings, is_lasting, ended: None })
}

#[test]
fn every_state_of_a_pipeline_has_its_verdict() {
    let none = Workers::default();
    let all = workers(&[shard(true), shard(true)]);
    let half = workers(&[shard(true), shard(false)]);
    let fault = Invalid { field: "spec.shards".to_owned(), message: "m".to_owned(), fix: "f".to_owned() };
    let missing = Missing { field: "spec.storage".to_owned(), message: "m".to_owned(), fix: "f".to_owned() };
    let refused = || Stage::Refused(vec![fault.clone()]);
    let waiting = || Stage::Waiting(vec![missing.clone()]);
    let checking = || Stage::Checking(Check::Running);
    let rolling = || Stage::Running { rolling: true };
    let pulling = Trouble { reason: "ImagePullFailed", message: "no image".to_owned() };
    let hindered = || Stage::Checking(Check::Hindered(pulling.clone()));
    let pulled = workers(&[Shard { trouble: Some(pulling.clone()), ..shard(false) }, shard(true)]);
    for (stage, workers, expected) in [
        (refused(), &none, "Ready=False/InvalidSpec Stalled=True/InvalidSpec"),
        (refused(), &all, "Ready=False/InvalidSpec Stalled=True/InvalidSpec"),
        (waiting(), &none, "Ready=False/ReferenceMissing Reconciling=True/ReferenceMissing"),
        (
            waiting(),
            &all,
            "Ready=True/Running Reconciling=True/ReferenceMissing Degraded=True/ReferenceMissing",
        ),
        (Stage::Suspended(Suspension::Asked), &none, "Ready=True/Suspended"),
        (Stage::Suspended(Suspension::Asked), &all, "Ready=True/Suspended Reconciling=True/Stopping"),
        (checking(), &none, "Ready=False/Checking Reconciling=True/Checking"),
        (checking(), &all, "Ready=True/Running Reconciling=True/Checking"),
        (hindered(), &none, "Ready=False/ImagePullFailed Reconciling=True/ImagePullFailed"),
        (failed(true), &none, "Ready=False/ConfigurationRefused Stalled=True/ConfigurationRefused"),
        (failed(true), &all, "Ready=False/ConfigurationRefused Stalled=True/ConfigurationRefused"),
        (failed(false), &none, "Ready=False/CheckFailed Reconciling=True/CheckFailed"),
        (failed(false), &all, "Ready=True/Running Reconciling=True/CheckFailed Degraded=True/CheckFailed"),
        (running(), &none, "Ready=False/Starting Reconciling=True/Starting"),
        (running(), &half, "Ready=False/Starting Reconciling=True/Starting"),
        (running(), &all, "Ready=True/Running"),
        (rolling(), &all, "Ready=True/Running Reconciling=True/RollingOut"),
        (rolling(), &half, "Ready=False/RollingOut Reconciling=True/RollingOut"),
        (
            running(),
            &pulled,
            "Ready=False/ImagePullFailed Reconciling=True/ImagePullFailed Degraded=True/WorkersUnavailable",
        ),
        (
            running(),
            &workers_with(Phase::Blocked, "KafkaUnreachable"),
            "Ready=False/KafkaUnreachable Reconciling=True/KafkaUnreachable",
        ),
        (
            running(),
            &workers_with(Phase::Blocked, "LakeOwned"),
            "Ready=False/LakeOwned Stalled=True/LakeOwned",
        ),
        (
            running(),
            &workers_with(Phase::Blocked, "SchemaIncompatible"),
            "Ready=False/SchemaIncompatible Stalled=True/SchemaIncompatible",
        ),
        (
            running(),
            &workers_with(Phase::Running, "StorageFull"),
            "Ready=True/Running Degraded=True/StorageFull",
        ),
    ] {
        assert_eq!(verdict(&say(stage.clone(), workers)), expected, "{stage:?}");
    }
}

fn workers_with(phase: Phase, reason: &str) -> Workers {
    workers(&[with_problem(phase, reason), with_problem(phase, reason)])
}

fn applied_with(taken: Option<NameTaken>, refused: Option<Refused>) -> Applied {
    Applied {
        taken: taken.into_iter().collect(),
        refused: refused.into_iter().collect(),
        ..Applied::default()
    }
}

fn say_applied(applied: &Applied) -> StreamPipelineStatus {
    let previous = StreamPipelineStatus::default();
    let inputs = Inputs {
        kind: &INGEST,
        name: "shop",
        generation: Some(1),
        previous: &previous.conditions,
        plan: &plan(running()),
        applied,
        workers: &Workers::default(),
        replay: None,
        numbers_written: None,
        now: START,
    };
    status(&inputs, &previous, None).status
}

#[test]
fn a_taken_name_stalls_and_says_whose_it_is() {
    let taken = NameTaken {
        kind: "Service".to_owned(),
        name: "shop-stpl-ingest".to_owned(),
        owner: "nobody".to_owned(),
    };
    let said = say_applied(&applied_with(Some(taken), None));
    assert_eq!(verdict(&said), "Ready=False/NameTaken Stalled=True/NameTaken");
    let ready = find(&said.conditions, types::READY).expect("said");
    assert!(ready.message.contains("Service 'shop-stpl-ingest' belongs to nobody"), "{}", ready.message);
}

#[test]
fn an_object_that_is_invalid_stalls_and_one_that_is_forbidden_is_waited_for() {
    for (message, is_lasting, expected) in [
        (
            "spec.template.spec.tolerations[0].value: must be empty",
            true,
            "Ready=False/ObjectRefused Stalled=True/ObjectRefused",
        ),
        ("exceeded quota: small", false, "Ready=False/QuotaExceeded Reconciling=True/QuotaExceeded"),
        (
            "admission webhook \"policy\" denied the request",
            false,
            "Ready=False/ObjectRefused Reconciling=True/ObjectRefused",
        ),
    ] {
        let refused = Refused {
            kind: "Deployment".to_owned(),
            name: "shop-stpl-ingest-0".to_owned(),
            message: message.to_owned(),
            is_lasting,
        };
        let said = say_applied(&applied_with(None, Some(refused)));
        assert_eq!(verdict(&said), expected);
        let ready = find(&said.conditions, types::READY).expect("said");
        let start = format!("Deployment 'shop-stpl-ingest-0': {message}; ");
        assert!(ready.message.starts_with(&start), "{}", ready.message);
    }
}

#[test]
fn the_workers_problems_are_sorted_to_the_parts_that_they_are_about() {
    let part = |workers: &Workers, type_: &str| {
        let said = say(running(), workers);
        let condition = find(&said.conditions, type_).expect("said").clone();
        (condition.status, condition.reason)
    };
    let pair = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    for (reason, type_) in [
        ("KafkaUnreachable", types::KAFKA_REACHABLE),
        ("KafkaRefused", types::KAFKA_REACHABLE),
        ("TopicMissing", types::KAFKA_REACHABLE),
        ("StorageUnwritable", types::STORAGE_REACHABLE),
        ("SchemaIncompatible", types::SCHEMA_COMPATIBLE),
    ] {
        assert_eq!(part(&workers_with(Phase::Blocked, reason), type_), pair("False", reason));
    }
    let well = workers(&[shard(true), shard(true)]);
    assert_eq!(part(&well, types::KAFKA_REACHABLE), pair("True", "AsExpected"));
}

#[test]
fn a_worker_that_does_not_answer_is_unknown_and_not_unhealthy() {
    let silent = Shard { silence: Some("no answer".to_owned()), report: None, ..shard(true) };
    let said = say(running(), &workers(&[silent.clone(), silent]));
    assert_eq!(verdict(&said), "Ready=True/Running");
    let kafka = find(&said.conditions, types::KAFKA_REACHABLE).expect("said");
    assert_eq!((kafka.status.as_str(), kafka.reason.as_str()), ("Unknown", "NoReport"));
    assert!(kafka.message.contains("NetworkPolicy"), "{}", kafka.message);
}

#[test]
fn partitions_that_windows_do_not_wait_for_are_named_and_the_pipeline_stays_ready() {
    let said = |stalled: &[i32]| {
        let gold = json!({
            "epoch": 1, "publishedAtMs": 5, "openWindows": 1, "groups": 1, "memoryBytes": 1,
            "stalledPartitions": stalled, "tables": []
        });
        let gold = Some(serde_json::from_value(gold).expect("what the merge says"));
        let publisher = Shard { report: Some(Report { gold, ..report() }), ..shard(true) };
        say(running(), &workers(&[publisher, shard(true)]))
    };
    let stalled = said(&[5]);
    let condition = find(&stalled.conditions, types::PARTITIONS_STALLED).expect("said");
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "PartitionsStalled"));
    assert!(condition.message.contains(": 5;"), "{}", condition.message);
    assert_eq!(verdict(&stalled), "Ready=True/Running");
    assert!(find(&said(&[]).conditions, types::PARTITIONS_STALLED).is_none());
}

#[test]
fn numbers_are_summed_rounded_and_written_for_the_eye() {
    let said = say(running(), &workers(&[shard(true), shard(true)]));
    assert_eq!((said.lag, said.freshness.as_deref()), (Some(2_400), Some("2s")));
    assert_eq!(said.layers.as_deref(), Some("b✓ s- g-"));
    assert_eq!(said.replica_summary.as_deref(), Some("2/2"));
    assert_eq!(said.tables[0].rows, 1_000, "tables are shared by the shards");
    assert_eq!(said.quarantine[0].messages, 6, "counts are each shard's own");
    assert_eq!(said.selector.as_deref(), Some("sluice.dev/pipeline=shop,sluice.dev/role=ingest"));
}

#[test]
fn an_unchanged_world_gives_an_identical_status() {
    let workers = workers(&[shard(true), shard(true)]);
    let first = say(running(), &workers);
    for seconds in [1, 29, 31, 3_600] {
        assert_eq!(say_after(&first, running(), &workers, seconds).status, first, "after {seconds} s");
    }
}

#[test]
fn fast_numbers_change_by_a_tenth_and_at_most_twice_a_minute() {
    let lagging = |lag: u64| {
        let report = Report { lag: Some(lag), ..report() };
        let shard = Shard { report: Some(report), ..shard(true) };
        workers(&[shard.clone(), shard])
    };
    let first = say(running(), &lagging(1_000));
    let lag_after = |lag: u64, seconds: i64| {
        let outcome = say_after(&first, running(), &lagging(lag), seconds);
        (outcome.status.lag, outcome.has_new_numbers)
    };
    assert_eq!(lag_after(2_000, 10), (Some(2_000), false), "too soon");
    assert_eq!(lag_after(1_040, 40), (Some(2_000), false), "too little");
    assert_eq!(lag_after(1_200, 40), (Some(2_400), true));
    assert_eq!(lag_after(1_050, 301), (Some(2_100), true), "confirmed in the end");
}

#[test]
fn a_sum_over_some_shards_only_is_not_told() {
    let first = say(running(), &workers(&[shard(true), shard(true)]));
    let half = workers(&[shard(true), Shard { report: None, ..shard(true) }]);
    assert_eq!(say_after(&first, running(), &half, 60).status.lag, first.lag);
}

#[test]
fn a_check_that_is_repeated_keeps_its_failure_until_it_ends() {
    let none = Workers::default();
    let before = say(failed(false), &none);
    let again = say_after(&before, Stage::Checking(Check::Running), &none, 60).status;
    assert_eq!(verdict(&again), verdict(&before));
    let passed = say_after(&again, running(), &none, 61).status;
    let checked = find(&passed.conditions, types::CONFIGURATION_CHECKED).expect("said");
    assert_eq!(checked.status, "True");
}

#[test]
fn a_paused_pipeline_keeps_its_status_and_names_the_generation_applied() {
    let before = StreamPipelineStatus {
        observed_generation: Some(4),
        ..say(running(), &workers(&[shard(true), shard(true)]))
    };
    let paused = |before: &StreamPipelineStatus, generation, now| StreamPipelineStatus {
        conditions: paused(&before.conditions, before.observed_generation, generation, now),
        observed_generation: generation,
        ..before.clone()
    };
    let first = paused(&before, Some(5), START);
    assert_eq!(first.observed_generation, Some(5));
    assert_eq!(verdict(&first), verdict(&before));
    let message = |status: &StreamPipelineStatus| {
        find(&status.conditions, types::RECONCILIATION_PAUSED).expect("said").message.clone()
    };
    assert!(message(&first).contains("generation 4 is applied"), "{}", message(&first));
    let later = paused(&first, Some(6), START);
    assert_eq!(message(&later), message(&first), "5 was not applied");
    assert_eq!(paused(&later, Some(6), START + SignedDuration::from_secs(9)), later);
    let fresh = paused(&StreamPipelineStatus::default(), Some(1), START);
    assert_eq!(verdict(&fresh), "Ready=Unknown/Paused");
    let resumed = say_after(&later, running(), &workers(&[shard(true), shard(true)]), 0).status;
    assert!(find(&resumed.conditions, types::RECONCILIATION_PAUSED).is_none());
}

#[test]
fn a_resource_that_cannot_be_read_is_stalled() {
    let conditions = unreadable(&[], "missing field `topic`", Some(1), START);
    let status = StreamPipelineStatus { conditions, ..StreamPipelineStatus::default() };
    assert_eq!(verdict(&status), "Ready=False/InvalidSpec Stalled=True/InvalidSpec");
}
