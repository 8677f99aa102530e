//! The status as tables: what is seen, and what is said of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sluice_contract::report::{Phase, Problem, Report};
use sluice_contract::scorer::RuleSet;
use sluice_crds::FraudScorerStatus;
use sluice_crds::conditions::types;

use super::{Asked, status};
use crate::apply::Applied;
use crate::conditions::find;
use crate::problem::Missing;
use crate::sharded_job::kind::SCORE;
use crate::sharded_job::plan::{Plan, Stage, Suspension};
use crate::sharded_job::status::{Inputs, Outcome};
use crate::sharded_job::workers::{Shard, Workers};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn rules() -> RuleSet {
    let text = json!({
        "formatVersion": 1,
        "rules": [{"name": "high_amount", "when": "amount > 5000", "points": 30},
                  {"name": "known_fraud", "when": "is_fraud", "points": 50}],
        "velocity": [{"name": "velocity", "moreThan": 5, "points": 25}],
        "levels": [{"name": "HIGH", "minScore": 50}, {"name": "LOW", "minScore": 0}]
    });
    RuleSet::from_json(&text.to_string()).expect("a rule set")
}

fn report_with(scoring: &Value) -> Report {
    serde_json::from_value(json!({
        "formatVersion": 1, "job": "score-shop", "shard": 0, "shards": 2, "writer": "w", "configuration": "c",
        "phase": "Running", "problems": [], "startedAtMs": 0, "epoch": 3, "committedAtMs": 5_000, "lag": 1_234,
        "freshnessMs": 2_100, "messagesPerSecond": 1.5, "partitions": [], "tables": [], "scoring": scoring,
        "counts": {
            "messages": 9, "bytes": 9, "bronze": 9, "silver": 9, "duplicates": 0, "keyMismatches": 0,
            "scoring": {"alerts": 3, "levels": {"HIGH": 510, "LOW": 9_000, "OLD": 7},
                        "rules": {"velocity": 12, "high_amount": 400, "known_fraud": 0}}
        }
    }))
    .expect("a report")
}

fn report() -> Report {
    report_with(&json!({
        "ruleSet": rules().hash(), "readingLabel": [], "alertLatencyMs": 8, "alertShare": 0.012
    }))
}

fn shard(report: Report) -> Shard {
    Shard { is_ready: report.phase == Phase::Running, pods: 1, report: Some(report), ..Shard::default() }
}

fn workers(reports: &[Report]) -> Workers {
    Workers { shards: (0..).zip(reports.iter().cloned().map(shard)).collect() }
}

fn with_problem(phase: Phase, reason: &str) -> Workers {
    let problem = Problem { reason: reason.to_owned(), message: format!("{reason} here; mend it") };
    let report = Report { phase, problems: vec![problem], ..report() };
    workers(&[report.clone(), report])
}

fn running() -> Stage {
    Stage::Running { rolling: false }
}

fn say_after(
    previous: &FraudScorerStatus,
    stage: Stage,
    workers: &Workers,
    seconds: i64,
) -> Outcome<FraudScorerStatus> {
    let shards = Some(2);
    let plan =
        Plan { stage, wanted: Vec::new(), restart: None, unwanted: Vec::new(), shards, single_node: false };
    let inputs = Inputs {
        kind: &SCORE,
        name: "shop",
        generation: Some(4),
        previous: &previous.conditions,
        plan: &plan,
        applied: &Applied::default(),
        workers,
        replay: None,
        numbers_written: (seconds > 0).then_some(START),
        now: START + SignedDuration::from_secs(seconds),
    };
    let rules = rules();
    let asked = Asked { rules: Some(&rules), alerts: Some("fraud.alerts"), model: Some("fraud-detection") };
    status(&inputs, previous, asked)
}

fn say(stage: Stage, workers: &Workers) -> FraudScorerStatus {
    say_after(&FraudScorerStatus::default(), stage, workers, 0).status
}

/// `Status/Reason` of a condition, if it is said.
fn condition(status: &FraudScorerStatus, type_: &str) -> Option<String> {
    find(&status.conditions, type_).map(|condition| format!("{}/{}", condition.status, condition.reason))
}

fn message(status: &FraudScorerStatus, type_: &str) -> String {
    find(&status.conditions, type_).expect("it is said").message.clone()
}

#[test]
fn a_scorer_without_a_model_yet_is_ready_and_says_so() {
    let said = say(running(), &workers(&[report(), report()]));
    assert_eq!(condition(&said, types::READY).as_deref(), Some("True/Running"));
    assert_eq!(condition(&said, types::MODEL_AVAILABLE).as_deref(), Some("False/AwaitingFirstModel"));
    assert!(message(&said, types::MODEL_AVAILABLE).contains("'fraud-detection'"));
    assert_eq!(condition(&said, types::STALLED), None);
    assert_eq!(condition(&said, types::LABEL_USED_IN_SCORING), None, "no rule reads it");
}

#[test]
fn a_missing_pipeline_and_a_suspended_one_are_conditions() {
    let none = Workers::default();
    let missing = Missing {
        field: "spec.pipelineRef.name".to_owned(),
        message: "StreamPipeline 'shop' is not there".to_owned(),
        fix: "create it".to_owned(),
    };
    let said = say(Stage::Waiting(vec![missing]), &none);
    assert_eq!(condition(&said, types::READY).as_deref(), Some("False/ReferenceMissing"));
    assert_eq!(condition(&said, types::RECONCILING).as_deref(), Some("True/ReferenceMissing"));
    let said = say(Stage::Suspended(Suspension::Pipeline("shop".to_owned())), &none);
    assert_eq!(condition(&said, types::READY).as_deref(), Some("True/Suspended"));
    assert!(message(&said, types::READY).contains("StreamPipeline 'shop'"));
    assert_eq!(condition(&said, types::RULES_IN_FORCE), None, "nothing scores");
}

#[test]
fn rules_are_in_force_when_all_shards_say_so() {
    let hash = rules().hash();
    let of = |rule_set: Value| report_with(&json!({"ruleSet": rule_set, "readingLabel": []}));
    let silent = Report { scoring: None, ..report() };
    for (reports, expected, shown) in [
        ([of(json!(hash)), of(json!(hash))], "True/AsExpected", Some(hash.as_str())),
        ([of(json!(hash)), of(json!("0ld"))], "Unknown/RulesPending", None),
        ([of(json!("0ld")), of(json!("0ld"))], "Unknown/RulesPending", Some("0ld")),
        ([of(Value::Null), of(json!(hash))], "Unknown/RulesPending", None),
        ([silent.clone(), silent.clone()], "Unknown/NoReport", None),
    ] {
        let said = say(running(), &workers(&reports));
        assert_eq!(condition(&said, types::RULES_IN_FORCE).as_deref(), Some(expected));
        assert_eq!(said.rule_set.as_deref(), shown);
    }
}

#[test]
fn rules_that_a_worker_refuses_degrade_the_scorer_and_leave_it_ready() {
    let said = say(running(), &with_problem(Phase::Running, "RulesRefused"));
    assert_eq!(condition(&said, types::READY).as_deref(), Some("True/Running"));
    assert_eq!(condition(&said, types::DEGRADED).as_deref(), Some("True/RulesRefused"));
    assert_eq!(condition(&said, types::RULES_IN_FORCE).as_deref(), Some("False/RulesRefused"));
    assert!(message(&said, types::RULES_IN_FORCE).contains("the rule set before it stays in force"));
}

#[test]
fn alerts_that_cannot_be_sent_are_told_with_the_topic_that_is_missing() {
    for reason in ["AlertsTopicMissing", "AlertsUndelivered"] {
        let said = say(running(), &with_problem(Phase::Blocked, reason));
        assert_eq!(condition(&said, types::ALERTS_DELIVERED), Some(format!("False/{reason}")));
        assert_eq!(condition(&said, types::READY), Some(format!("False/{reason}")));
        assert_eq!(condition(&said, types::STALLED), None, "it may come");
    }
    let said = say(running(), &workers(&[report(), report()]));
    assert_eq!(condition(&said, types::ALERTS_DELIVERED).as_deref(), Some("True/AsExpected"));
}

#[test]
fn rules_that_read_the_label_are_named_with_what_follows_from_it() {
    let reading = |names: &[&str]| report_with(&json!({"ruleSet": rules().hash(), "readingLabel": names}));
    let said = say(running(), &workers(&[reading(&["known_fraud"]), reading(&["known_fraud", "x"])]));
    let expected = "True/LabelUsedInScoring";
    assert_eq!(condition(&said, types::LABEL_USED_IN_SCORING).as_deref(), Some(expected));
    let message = message(&said, types::LABEL_USED_IN_SCORING);
    assert!(message.contains("known_fraud, x;") && message.contains("fraud_score_unlabelled"), "{message}");
    assert_eq!(condition(&said, types::READY).as_deref(), Some("True/Running"));
}

#[test]
fn keys_that_do_not_match_are_told() {
    let mut mismatched = report();
    mismatched.counts.key_mismatches = 1;
    let said = say(running(), &workers(&[report(), mismatched]));
    assert_eq!(condition(&said, types::KEY_MISMATCH).as_deref(), Some("True/KeyMismatch"));
}

#[test]
fn numbers_are_summed_rounded_and_in_the_order_of_the_spec() {
    let other = report_with(&json!({
        "ruleSet": rules().hash(), "readingLabel": [], "alertLatencyMs": 12, "alertShare": 0.036
    }));
    let said = say(running(), &workers(&[report(), other]));
    assert_eq!(
        (said.lag, said.latency.as_deref(), said.alert_rate.as_deref()),
        (Some(2_400), Some("12ms"), Some("2.4%"))
    );
    let levels: Vec<(&str, i64)> =
        said.levels.iter().map(|level| (level.name.as_str(), level.rows)).collect();
    assert_eq!(levels, [("HIGH", 1_000), ("LOW", 18_000), ("OLD", 14)], "a level of before is not forgotten");
    let rules: Vec<(&str, i64)> = said.rules.iter().map(|rule| (rule.name.as_str(), rule.rows)).collect();
    assert_eq!(rules, [("high_amount", 800), ("known_fraud", 0), ("velocity", 24)]);
    assert_eq!(said.replica_summary.as_deref(), Some("2/2"));
    assert_eq!(said.selector.as_deref(), Some("sluice.dev/role=score,sluice.dev/scorer=shop"));
}

#[test]
fn an_unchanged_world_gives_an_identical_status() {
    let workers = workers(&[report(), report()]);
    let first = say(running(), &workers);
    for seconds in [1, 29, 31, 3_600] {
        assert_eq!(say_after(&first, running(), &workers, seconds).status, first, "after {seconds} s");
    }
}

#[test]
fn a_sum_over_some_shards_only_is_not_told() {
    let first = say(running(), &workers(&[report(), report()]));
    let mut half = workers(&[report(), report()]);
    half.shards.get_mut(&1).expect("the second shard").report = None;
    assert_eq!(say_after(&first, running(), &half, 60).status.levels, first.levels);
}
