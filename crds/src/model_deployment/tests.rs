//! The CEL rules of `ModelDeployment`, run: what each lets pass, and what it refuses with which message.

use serde_json::{Value, json};

use super::ModelDeployment;
use crate::admission::admit_as;
use crate::definition;
use crate::fixture::{change_refusals, changed, example_file, refusals, rule_messages};

fn example() -> Value {
    example_file("ecommerce/scoring/model.yaml")
}

/// The example with a registry and a storage of its own, so that nothing depends on its training.
fn served_only() -> Value {
    let storage = json!({"uri": "s3://models/fraud", "secretRef": {"name": "models"}});
    let document = changed(&example(), "/spec/registry", json!({"directory": {"storage": storage}}));
    let document = changed(&document, "/spec/rollout/analysis/quality", Value::Null);
    changed(&document, "/spec/training", Value::Null)
}

/// The example with all that a gateway's weights need.
fn by_gateway() -> Value {
    let route = json!({"parentRefs": [{"name": "edge", "namespace": "gateways", "sectionName": "https"}]});
    let serving = json!({"isolation": "PerVariant", "route": route});
    let document = changed(&example(), "/spec/serving", serving);
    let document = changed(&document, "/spec/rollout/analysis/quality", Value::Null);
    changed(&document, "/spec/routing", json!({"mode": "GatewayWeights"}))
}

/// Documents that one rule refuses, each with a part of the rule's message.
fn bad_documents() -> Vec<(Value, &'static str)> {
    let mut documents = bad_models();
    documents.extend(bad_rollouts());
    documents
}

fn bad_models() -> Vec<(Value, &'static str)> {
    let volume = json!({"claimName": "lake"});
    let key = json!({"name": "ca", "key": "a/b"});
    let mlflow = |extra: &str, value: Value| json!({"mlflow": {"url": "http://mlflow:5000", extra: value}});
    let of_example = [
        ("/metadata/name", json!("Model"), "start with a letter"),
        ("/metadata/name", json!("a".repeat(41)), "at most 40 characters"),
        ("/spec/model", json!("fraud detection"), "a model's name has"),
        ("/spec/registry", json!({}), "exactly one of mlflow and directory"),
        ("/spec/registry/mlflow", json!({"url": "http://mlflow"}), "exactly one of mlflow and directory"),
        ("/spec/registry", json!({"mlflow": {"url": "mlflow:5000"}}), "starts with http:// or https://"),
        ("/spec/registry", mlflow("secretRef", json!({"name": "A"})), "an object's name has"),
        ("/spec/registry", mlflow("caSecretRef", key), "a key of a Secret"),
        ("/spec/training/label/column", json!("is fraud"), "a column name has"),
        ("/spec/training/label/delay", json!("1w"), "one unit of ms, s, m, h, d"),
        ("/spec/training/schedule", json!("@weekly"), "five cron fields"),
        ("/spec/training/timeZone", json!("UTC "), "time zone database"),
        ("/spec/training/gate/recall", json!("70%"), "a decimal from 0 to 1"),
        ("/spec/training/gate/recall", json!("1.01"), "a decimal from 0 to 1"),
        ("/spec/serving/route", json!({"parentRefs": [{"name": "-"}]}), "an object's name has"),
        ("/spec/routing/key", json!("user-id"), "a column name has"),
    ];
    let of_served = [
        ("/spec/registry/directory/storage", Value::Null, "needs a storage where there is no training"),
        ("/spec/registry/directory/storage/uri", json!("models"), "write the lake's root"),
        ("/spec/registry/directory/storage/volume", volume.clone(), "needs volume.claimName"),
        (
            "/spec/registry/directory/storage",
            json!({"uri": "file:///models", "volume": volume, "secretRef": {"name": "a"}}),
            "has no credentials",
        ),
        (
            "/spec/registry/directory/storage",
            json!({"uri": "file:///models", "volume": {"claimName": "lake", "mountPath": "/"}}),
            "mountPath is an absolute path",
        ),
        ("/spec/rollout/analysis/quality", json!({}), "needs training.label"),
    ];
    let of_gateway = [
        ("/spec/routing/key", json!("user_id"), "a key goes with mode Buckets"),
        ("/spec/serving/isolation", json!("Shared"), "needs serving.route and serving.isolation PerVariant"),
        ("/spec/serving/isolation", Value::Null, "needs serving.route and serving.isolation PerVariant"),
        ("/spec/serving/route", Value::Null, "needs serving.route and serving.isolation PerVariant"),
        ("/spec/serving", Value::Null, "needs serving.route and serving.isolation PerVariant"),
        ("/spec/rollout/analysis/quality", json!({}), "needs routing.mode Buckets"),
    ];
    let mut documents: Vec<(Value, &'static str)> = Vec::new();
    documents.extend(of_example.map(|(pointer, value, text)| (changed(&example(), pointer, value), text)));
    documents.extend(of_served.map(|(pointer, value, text)| (changed(&served_only(), pointer, value), text)));
    documents.extend(of_gateway.map(|(pointer, value, text)| (changed(&by_gateway(), pointer, value), text)));
    let idle = changed(&example(), "/spec/training/schedule", Value::Null);
    documents.push((changed(&idle, "/spec/training/runOnCreate", json!(false)), "nothing would ever train"));
    documents
}

fn bad_rollouts() -> Vec<(Value, &'static str)> {
    let live = |version: &str, weight: i32| json!({"version": version, "weight": weight});
    let digest = format!("sha256:{}", "g".repeat(64));
    [
        ("/spec/variants", json!([live("12", 99)]), "must add up to 100"),
        ("/spec/variants", json!([live("12", 90), live("13", 20)]), "must add up to 100"),
        ("/spec/variants", json!([{"version": "12", "mode": "Shadow"}]), "must add up to 100"),
        ("/spec/variants", json!([live("12", 100), {"version": "13"}]), "a Live variant needs a weight"),
        ("/spec/variants/1/weight", json!(0), "a Live variant needs a weight"),
        ("/spec/variants/0/version", json!("v 12"), "write a version of the registry"),
        ("/spec/rollout/steps/0", json!({"hold": "10m"}), "exactly one of progress and pause"),
        ("/spec/rollout/steps/0", json!({"progress": 5, "pause": {}}), "exactly one of progress and pause"),
        ("/spec/rollout/steps/2", json!({"pause": {}, "hold": "10m"}), "hold and minSamples go with"),
        ("/spec/rollout/steps/2", json!({"pause": {}, "minSamples": 1}), "hold and minSamples go with"),
        ("/spec/rollout/steps/0/hold", json!("10min"), "one unit of ms, s, m, h, d"),
        ("/spec/rollout/analysis/errorRate/max", json!(".01"), "a decimal from 0 to 1"),
        ("/spec/rollout/analysis/latency/p99", json!("20"), "one unit of ms, s, m, h, d"),
        ("/spec/rollout/approve", json!({"rollout": "7F3A", "throughStep": 2}), "status.rollout.id"),
        ("/spec/rollout/abort", json!({"rollout": "latest"}), "status.rollout.id"),
        ("/spec/rollout/retry", json!({"digest": digest, "nonce": 1}), "64 hexadecimal digits"),
    ]
    .map(|(pointer, value, expected)| (changed(&example(), pointer, value), expected))
    .into()
}

#[test]
fn the_example_is_admitted_and_keeps_all_that_it_says() {
    for document in [example(), served_only(), by_gateway()] {
        let deployment: ModelDeployment = admit_as(&document).expect("the API server admits the example");
        assert_eq!(serde_json::to_value(&deployment).unwrap(), document);
    }
}

#[test]
fn each_rule_refuses_what_it_is_for_with_its_message() {
    for (document, expected) in bad_documents() {
        let found = refusals::<ModelDeployment>(document);
        assert!(found.len() == 1 && found[0].contains(expected), "expected '{expected}', found {found:?}");
    }
}

#[test]
fn what_the_rules_allow_passes() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (pointer, value) in [
        ("/spec/variants", Value::Null),
        ("/spec/variants", json!([{"version": "12", "weight": 90}, {"version": "13", "weight": 10}])),
        (
            "/spec/variants",
            json!([{"version": "12", "weight": 100, "mode": "Live"}, {"version": "13", "weight": 0}]),
        ),
        (
            "/spec/registry",
            json!({"mlflow": {"url": "https://mlflow.shop.svc", "secretRef": {"name": "mlflow"}}}),
        ),
        ("/spec/training/schedule", Value::Null),
        ("/spec/training/gate", Value::Null),
        ("/spec/training/gate/recall", json!("1")),
        ("/spec/rollout/steps", Value::Null),
        ("/spec/rollout/analysis", Value::Null),
        ("/spec/rollout/approve", json!({"rollout": "7f3a", "throughStep": 2})),
        ("/spec/rollout/abort", json!({"rollout": "7f3a91c2", "reason": "support calls"})),
        ("/spec/rollout/retry", json!({"digest": digest, "nonce": 0})),
        ("/spec/serving", json!({"replicas": 0})),
        ("/spec/routing", json!({"key": "user_id", "mode": "Buckets"})),
    ] {
        let found = refusals::<ModelDeployment>(changed(&example(), pointer, value.clone()));
        assert!(found.is_empty(), "{pointer} {value}: {found:?}");
    }
}

#[test]
fn shape_and_limits_are_kept() {
    let twice = json!([{"version": "12", "weight": 50}, {"version": "12", "weight": 50}]);
    for (pointer, value, expected) in [
        ("/spec/variants/0/weight", json!(101), "spec.variants[0].weight: must be at most 100, not 101"),
        (
            "/spec/variants/0/version",
            json!(12),
            "spec.variants[0].version: must be a text (in quotes), not 12",
        ),
        ("/spec/variants", twice, "spec.variants[1]: \"12\" is there twice"),
        (
            "/spec/training/gate/f1",
            json!(0.75),
            "spec.training.gate.f1: must be a text (in quotes), not 0.75",
        ),
        (
            "/spec/rollout/steps/0/progress",
            json!(0),
            "spec.rollout.steps[0].progress: must be at least 1, not 0",
        ),
        (
            "/spec/training/algorithms",
            json!(["Xgboost"]),
            "spec.training.algorithms[0]: must be one of LogisticRegression, RandomForest, GradientBoosting, \
             not 'Xgboost'",
        ),
    ] {
        let violations = admit_as::<ModelDeployment>(&changed(&example(), pointer, value)).unwrap_err();
        let found: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected]);
    }
}

#[test]
fn the_model_and_the_kind_of_registry_cannot_be_changed() {
    for (pointer, value) in [
        ("/spec/model", json!("other")),
        ("/spec/registry", json!({"mlflow": {"url": "http://mlflow:5000"}})),
    ] {
        let found = change_refusals::<ModelDeployment>(&example(), pointer, value);
        assert!(found.len() == 1 && found[0].contains("cannot be changed"), "{pointer}: {found:?}");
    }
}

#[test]
fn everything_else_can_be_changed() {
    for (pointer, value) in [
        ("/spec/variants", Value::Null),
        ("/spec/registry/directory", json!({"storage": {"uri": "s3://models/a"}})),
        ("/spec/training/nonce", json!(1)),
        ("/spec/rollout", Value::Null),
        ("/spec/readyWhen", json!("RolledOut")),
        ("/spec/suspend", json!(true)),
    ] {
        let found = change_refusals::<ModelDeployment>(&example(), pointer, value);
        assert_eq!(found, Vec::<String>::new(), "{pointer}");
    }
}

#[test]
fn no_rule_is_without_a_test() {
    let mut untested = rule_messages(&definition::of::<ModelDeployment>().schema());
    assert!(untested.len() > 25, "the walk found {} rules", untested.len());
    let mut seen = change_refusals::<ModelDeployment>(&example(), "/spec/model", json!("other"));
    seen.extend(bad_documents().into_iter().flat_map(|(document, _)| refusals::<ModelDeployment>(document)));
    for message in seen {
        untested.remove(&message);
    }
    assert!(untested.is_empty(), "no document breaks {untested:?}");
}
