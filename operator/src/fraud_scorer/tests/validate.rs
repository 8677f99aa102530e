//! Every rule of validate: the fault names the field, and says what to do.

use serde_json::{Value, json};
use sluice_contract::config::{Commit, StartFrom};

use super::fixture::{changed, pipeline, validated};
use crate::fraud_scorer::validate;
use crate::problem::Invalid;

fn faults_with(scorer: &[(&str, Value)], pipeline_changes: &[(&str, Value)]) -> Vec<Invalid> {
    validate(&changed(scorer), Some(&pipeline(pipeline_changes))).err().unwrap_or_default()
}

/// One change, the field of the one fault that it makes, and a part of its message.
type Case = (&'static str, Value, &'static str, &'static str);

fn check(cases: Vec<Case>) {
    for (pointer, value, field, message) in cases {
        let found = faults_with(&[(pointer, value.clone())], &[]);
        assert_eq!(found.len(), 1, "{pointer} {value}: {found:?}");
        assert_eq!(found[0].field, field, "{}", found[0]);
        assert!(found[0].message.contains(message), "{}", found[0]);
        assert!(found[0].fix.len() > 10, "{}", found[0]);
    }
}

#[test]
fn the_example_is_sound_and_comes_to_what_the_specification_says() {
    let scorer = validated(&changed(&[]));
    let velocity = &scorer.velocity[0];
    assert_eq!((velocity.window_ms, velocity.keep_ms), (1_800_000, 3_600_000));
    assert_eq!((scorer.rules.rules.len(), scorer.rules.rules[1].points), (6, 30));
    assert_eq!((scorer.rules.velocity[0].more_than, scorer.rules.velocity[0].points), (5, 25));
    assert_eq!(
        (scorer.rules.review_at.as_deref(), scorer.rules.alert_at.as_deref()),
        (Some("HIGH"), Some("HIGH"))
    );
    assert_eq!(scorer.rules.levels[0].min_score, 75);
    assert_eq!((scorer.label.as_deref(), scorer.shards), (Some("is_fraud"), 2));
    assert_eq!(scorer.model.as_deref(), Some("fraud-detection"));
}

#[test]
fn what_is_left_open_has_its_default() {
    let open =
        ["/spec/velocity/0/keep", "/spec/shards", "/spec/startFrom"].map(|pointer| (pointer, Value::Null));
    let scorer = validated(&changed(&open));
    assert_eq!(scorer.velocity[0].keep_ms, 3_600_000, "twice the window");
    assert_eq!((scorer.shards, scorer.start_from), (1, StartFrom::Earliest));
    let slow = pipeline(&[("/spec/commit", json!({"every": "7s", "maxBytes": "1Mi"}))]);
    let scorer = validate(&changed(&[]), Some(&slow)).expect("it is sound");
    assert_eq!(scorer.commit, Commit { every_ms: 7_000, max_bytes: 1 << 20 }, "as the pipeline's");
    let own = changed(&[("/spec/commit", json!({"every": "1s"}))]);
    let scorer = validate(&own, Some(&slow)).expect("it is sound");
    assert_eq!(scorer.commit, Commit { every_ms: 1_000, max_bytes: 1 << 20 });
    let silent = changed(&[("/spec/alerts", Value::Null), ("/spec/model/alertAbove", Value::Null)]);
    let scorer = validated(&silent);
    assert_eq!((scorer.alerts, scorer.rules.alert_at), (None, None));
}

#[test]
fn columns_must_be_those_of_silver_and_have_free_names() {
    check(vec![
        ("/spec/table/columns/0", json!("nowhere"), "spec.table.columns[0]", "has no column 'nowhere'"),
        ("/spec/table/columns/1", json!("transaction_id"), "spec.table.columns[1]", "is there twice"),
        ("/spec/table/columns/1", json!("offset"), "spec.table.columns[1]", "is there twice"),
        ("/spec/table/columns/1", json!("risk_level"), "spec.table.columns[1]", "is there twice"),
        ("/spec/label/column", json!("truth"), "spec.label.column", "has no column 'truth'"),
    ]);
    let count = json!([{"name": "a", "expr": "amount"}, {"name": "velocity_count", "expr": "1"},
        {"name": "user_id"}, {"name": "topic"}, {"name": "partition"}, {"name": "offset"}]);
    let found = faults_with(
        &[("/spec/table", json!({"name": "t", "columns": ["velocity_count"]})), ("/spec/label", Value::Null)],
        &[
            ("/spec/silver/columns", count),
            ("/spec/silver/partitionBy", json!([])),
            ("/spec/gold", json!([])),
        ],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].field.as_str(), found[0].message.as_str()),
        ("spec.table.columns[0]", "'velocity_count' is there twice")
    );
}

#[test]
fn the_layout_is_by_silver_columns_and_by_scores_of_few_values() {
    check(vec![
        (
            "/spec/table/partitionBy/0",
            json!("nowhere"),
            "spec.table.partitionBy[0]",
            "has no column 'nowhere'",
        ),
        (
            "/spec/table/partitionBy/1",
            json!("transaction_date"),
            "spec.table.partitionBy[1]",
            "is there twice",
        ),
        ("/spec/table/partitionBy/1", json!("reasons"), "spec.table.partitionBy[1]", "too many values"),
        ("/spec/table/partitionBy/1", json!("fraud_score"), "spec.table.partitionBy[1]", "too many values"),
    ]);
    for column in ["risk_level_unlabelled", "rule_set", "country"] {
        assert_eq!(faults_with(&[("/spec/table/partitionBy/1", json!(column))], &[]), []);
    }
}

#[test]
fn velocity_counts_by_what_the_topic_is_keyed_by() {
    const KEY: &str = "spec.velocity[0].key";
    check(vec![("/spec/velocity/0/key", json!("merchant"), KEY, "is keyed by 'user_id', not by 'merchant'")]);
    let unkeyed = faults_with(&[], &[("/spec/source/kafka/keyColumn", Value::Null)]);
    assert_eq!(unkeyed.len(), 1, "{unkeyed:?}");
    assert!(unkeyed[0].fix.contains("set its spec.source.kafka.keyColumn to 'user_id'"), "{}", unkeyed[0]);
    let computed = faults_with(&[], &[("/spec/silver/columns/1/expr", json!("user_id % 10"))]);
    assert_eq!(computed.len(), 1, "{computed:?}");
    assert!(computed[0].message.contains("computes 'user_id'"), "{}", computed[0]);
}

#[test]
fn velocity_remembers_at_least_its_window() {
    check(vec![
        (
            "/spec/velocity/0/keep",
            json!("29m"),
            "spec.velocity[0].keep",
            "29m is shorter than the window, 30m",
        ),
        ("/spec/velocity/0/window", json!("0s"), "spec.velocity[0].window", "out of range"),
        ("/spec/velocity/0/keep", json!("91d"), "spec.velocity[0].keep", "out of range"),
    ]);
    assert_eq!(faults_with(&[("/spec/velocity/0/keep", json!("30m"))], &[]), []);
}

#[test]
fn alerts_need_a_topic_of_their_own() {
    let own = json!("ecommerce.transactions");
    check(vec![(
        "/spec/alerts/topic",
        own,
        "spec.alerts.topic",
        "is the topic that StreamPipeline 'ecommerce' reads",
    )]);
}

#[test]
fn commit_and_pods_are_checked_as_the_pipelines() {
    check(vec![
        ("/spec/commit", json!({"every": "1ms"}), "spec.commit.every", "out of range"),
        (
            "/spec/podTemplate",
            json!({"labels": {"sluice.dev/x": "y"}}),
            "spec.podTemplate.labels.sluice.dev/x",
            "belong to the operator",
        ),
    ]);
}

#[test]
fn all_faults_are_said_at_once() {
    let found = faults_with(
        &[
            ("/spec/table/columns/0", json!("nowhere")),
            ("/spec/velocity/0/keep", json!("1m")),
            ("/spec/label/column", json!("truth")),
        ],
        &[],
    );
    let fields: Vec<&str> = found.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["spec.table.columns[0]", "spec.velocity[0].keep", "spec.label.column"]);
}

#[test]
fn without_its_pipeline_a_scorer_is_taken_at_its_word() {
    let scorer =
        changed(&[("/spec/table/columns/0", json!("nowhere")), ("/spec/velocity/0/key", json!("x"))]);
    assert!(validate(&scorer, None).is_ok());
    let faults =
        validate(&changed(&[("/spec/velocity/0/keep", json!("1m"))]), None).err().unwrap_or_default();
    assert_eq!(faults.len(), 1, "what needs no pipeline is still judged");
}
