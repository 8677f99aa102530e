//! The CEL rules of `FraudScorer`, run: what each lets pass, and what it refuses with which message.

use serde_json::{Value, json};

use super::FraudScorer;
use crate::admission::admit_as;
use crate::definition;
use crate::fixture::{change_refusals, changed, example_file, refusals, rule_messages};

fn example() -> Value {
    example_file("ecommerce/scoring/scorer.yaml")
}

fn without_anything_to_score_by() -> Value {
    let parts = ["/spec/rules", "/spec/velocity", "/spec/model"];
    parts.into_iter().fold(example(), |document, pointer| changed(&document, pointer, Value::Null))
}

/// Changes of the example that one rule refuses, each with a part of the rule's message.
fn bad_changes() -> Vec<(&'static str, Value, &'static str)> {
    let rule = json!({"name": "a", "when": "true", "points": 1});
    let velocity = json!({"name": "v", "key": "user_id", "window": "1m", "moreThan": 1, "points": 1});
    let level = |name: &str, score: i32| json!({"name": name, "minScore": score});
    vec![
        ("/metadata/name", json!("Ecommerce"), "start with a letter"),
        ("/metadata/name", json!("a".repeat(41)), "at most 40 characters"),
        ("/spec/pipelineRef/name", json!("Shop"), "an object's name has"),
        ("/spec/table/name", json!("Scores"), "a table name has"),
        ("/spec/rules", json!([rule, rule]), "two rules have the same name"),
        ("/spec/rules/0/name", json!("known fraud"), "a rule's name has"),
        ("/spec/rules/0/name", json!("velocity"), "a name that no rule has"),
        ("/spec/velocity", json!([velocity, velocity]), "two velocity rules have the same name"),
        ("/spec/velocity/0/key", json!("user id"), "a column name has"),
        ("/spec/velocity/0/window", json!("30 min"), "one unit of ms, s, m, h, d"),
        ("/spec/velocity/0/keep", json!("1h30m"), "one unit of ms, s, m, h, d"),
        ("/spec/levels/0/name", json!("Critical"), "a level's name has"),
        ("/spec/levels/4/minScore", json!(1), "one level must have minScore 0"),
        ("/spec/levels", json!([level("HIGH", 0), level("HIGH", 1)]), "the same name or the same minScore"),
        (
            "/spec/levels",
            json!([level("HIGH", 5), level("LOW", 0), level("MEDIUM", 5)]),
            "the same name or the same minScore",
        ),
        ("/spec/reviewAt", json!("SEVERE"), "reviewAt must be the name"),
        ("/spec/label/column", json!("is fraud"), "a column name has"),
        ("/spec/alerts/topic", json!("a b"), "a topic's name has"),
        ("/spec/alerts/alertAt", json!("SEVERE"), "alerts.alertAt must be the name"),
        ("/spec/alerts", Value::Null, "model.alertAbove needs alerts"),
        ("/spec/model/alertAbove", json!("1.1"), "a decimal from 0 to 1"),
        ("/spec/model/alertAbove", json!("90%"), "a decimal from 0 to 1"),
        ("/spec/model/alertAbove", json!("0x5"), "a decimal from 0 to 1"),
        ("/spec/commit", json!({"every": "2"}), "one unit of ms, s, m, h, d"),
        ("/spec/commit", json!({"maxBytes": "1M"}), "one unit of Ki, Mi, Gi"),
        ("/spec/replay", json!({"name": "a."}), "a letter or digit at both ends"),
        ("/spec/replay", json!({"name": "a", "from": "0"}), "write a time like"),
    ]
}

#[test]
fn the_example_is_admitted_and_keeps_all_that_it_says() {
    let scorer: FraudScorer = admit_as(&example()).expect("the API server admits the example");
    assert_eq!(serde_json::to_value(&scorer).unwrap(), example());
}

#[test]
fn each_rule_refuses_what_it_is_for_with_its_message() {
    for (pointer, value, expected) in bad_changes() {
        let found = refusals::<FraudScorer>(changed(&example(), pointer, value.clone()));
        // Two levels may at once leave an alert without a level.
        assert!(
            found.iter().any(|message| message.contains(expected)),
            "{pointer} {value}: expected '{expected}', found {found:?}"
        );
    }
}

#[test]
fn a_scorer_without_anything_to_score_by_is_refused() {
    let found = refusals::<FraudScorer>(without_anything_to_score_by());
    assert!(found.len() == 1 && found[0].contains("at least one of rules, velocity and model"), "{found:?}");
}

#[test]
fn what_the_rules_allow_passes() {
    for (pointer, value) in [
        ("/spec/rules", Value::Null),
        ("/spec/velocity", Value::Null),
        ("/spec/model", Value::Null),
        ("/spec/label", Value::Null),
        ("/spec/reviewAt", Value::Null),
        ("/spec/velocity/0/keep", Value::Null),
        ("/spec/model/alertAbove", json!("1.0")),
        ("/spec/model/alertAbove", json!("0")),
        ("/spec/model/alertAbove", Value::Null),
        ("/spec/alerts/alertAt", json!("MINIMAL")),
    ] {
        let found = refusals::<FraudScorer>(changed(&example(), pointer, value.clone()));
        assert!(found.is_empty(), "{pointer} {value}: {found:?}");
    }
}

#[test]
fn shape_and_limits_are_kept() {
    for (pointer, value, expected) in [
        ("/spec/rules/0/points", json!(0), "spec.rules[0].points: must be at least 1, not 0"),
        ("/spec/levels", json!([]), "spec.levels: must have at least 1 items, not 0"),
        ("/spec/table", Value::Null, "spec.table: is missing"),
        ("/spec/model/alertAbove", json!(0.9), "spec.model.alertAbove: must be a text (in quotes), not 0.9"),
        ("/spec/alerts/level", json!("HIGH"), "spec.alerts.level: is not a field; there are alertAt, topic"),
        ("/kind", json!("StreamPipeline"), "kind: must be 'FraudScorer', not 'StreamPipeline'"),
    ] {
        let violations = admit_as::<FraudScorer>(&changed(&example(), pointer, value)).unwrap_err();
        let found: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected]);
    }
}

#[test]
fn the_pipeline_and_the_table_cannot_be_changed() {
    for (pointer, value) in [("/spec/pipelineRef/name", json!("other")), ("/spec/table/name", json!("other"))]
    {
        let found = change_refusals::<FraudScorer>(&example(), pointer, value);
        assert!(found.len() == 1 && found[0].contains("cannot be changed"), "{pointer}: {found:?}");
    }
}

fn replayed() -> Value {
    changed(&example(), "/spec/replay", json!({"name": "a", "from": "0:15,1:0"}))
}

#[test]
fn a_replay_runs_as_it_was_first_written_and_another_one_has_another_name() {
    let found = change_refusals::<FraudScorer>(&replayed(), "/spec/replay/from", Value::Null);
    assert!(found.len() == 1 && found[0].contains("a name of its own"), "{found:?}");
    let found = change_refusals::<FraudScorer>(&replayed(), "/spec/replay", json!({"name": "b"}));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn everything_else_can_be_changed() {
    for (pointer, value) in [
        ("/spec/rules", Value::Null),
        ("/spec/levels/0/minScore", json!(90)),
        ("/spec/alerts/topic", json!("alerts.v2")),
        ("/spec/table/columns", json!(["amount"])),
        ("/spec/shards", json!(4)),
        ("/spec/suspend", json!(true)),
    ] {
        let found = change_refusals::<FraudScorer>(&example(), pointer, value);
        assert_eq!(found, Vec::<String>::new(), "{pointer}");
    }
}

#[test]
fn no_rule_is_without_a_test() {
    let mut untested = rule_messages(&definition::of::<FraudScorer>().schema());
    assert!(untested.len() > 18, "the walk found {} rules", untested.len());
    let mut seen = change_refusals::<FraudScorer>(&example(), "/spec/table/name", json!("other"));
    seen.extend(
        bad_changes()
            .into_iter()
            .flat_map(|(pointer, value, _)| refusals::<FraudScorer>(changed(&example(), pointer, value))),
    );
    seen.extend(refusals::<FraudScorer>(without_anything_to_score_by()));
    seen.extend(change_refusals::<FraudScorer>(&replayed(), "/spec/replay/from", Value::Null));
    for message in seen {
        untested.remove(&message);
    }
    assert!(untested.is_empty(), "no document breaks {untested:?}");
}
