//! What is wrong with a document is said with its path.

use serde_json::{Value, json};

use super::admit;
use crate::fixture::{changed, example, example_names};

fn violations(pointer: &str, value: Value) -> Vec<String> {
    match admit(&changed(&example("ecommerce"), pointer, value)) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_example_is_admitted_and_keeps_all_that_it_says() {
    let names = example_names();
    assert!(names.len() >= 3, "there are {names:?}");
    for name in names {
        let document = example(&name);
        let pipeline = admit(&document).unwrap_or_else(|violations| panic!("{name}: {violations:?}"));
        assert_eq!(serde_json::to_value(&pipeline).unwrap(), document, "{name}");
    }
}

#[test]
fn an_unknown_field_is_named_with_its_path_and_the_known_ones() {
    assert_eq!(
        violations("/spec/silver/columns/3", json!({"name": "a", "exp": "1"})),
        ["spec.silver.columns[3].exp: is not a field; there are expr, name"]
    );
    assert_eq!(
        violations("/spec/comit", json!({})),
        [
            "spec.comit: is not a field; there are autoscaling, bronze, commit, gold, maintenance, podTemplate, \
          replay, shards, silver, source, storage, suspend, warehouse"
        ]
    );
    assert_eq!(violations("/specs", json!({})), ["specs: is not a field; there are spec, status"]);
}

#[test]
fn a_missing_field_is_named() {
    assert_eq!(violations("/spec/source/kafka/topic", Value::Null), ["spec.source.kafka.topic: is missing"]);
    assert_eq!(violations("/spec", Value::Null), ["spec: is missing"]);
}

#[test]
fn a_value_of_another_type_is_refused() {
    for (pointer, value, expected) in [
        ("/spec/shards", json!("2"), "spec.shards: must be a whole number, not '2'"),
        ("/spec/shards", json!(2.5), "spec.shards: must be a whole number, not 2.5"),
        ("/spec/suspend", json!("yes"), "spec.suspend: must be true or false, not 'yes'"),
        ("/spec/commit/every", json!(2), "spec.commit.every: must be a text (in quotes), not 2"),
        ("/spec/silver", json!([]), "spec.silver: must be a mapping, not a list"),
        ("/spec/silver/columns", json!({}), "spec.silver.columns: must be a list, not a mapping"),
        ("/spec/source/format", json!("Xml"), "spec.source.format: must be one of Json, Avro, not 'Xml'"),
        (
            "/spec/podTemplate",
            json!({"resources": {"limits": {"cpu": true}}}),
            "spec.podTemplate.resources.limits.cpu: must be an integer or a text, not true",
        ),
    ] {
        assert_eq!(violations(pointer, value), [expected]);
    }
}

#[test]
fn limits_are_kept() {
    for (pointer, value, expected) in [
        ("/spec/shards", json!(0), "spec.shards: must be at least 1, not 0"),
        ("/spec/shards", json!(129), "spec.shards: must be at most 128, not 129"),
        ("/spec/silver/columns", json!([]), "spec.silver.columns: must have at least 1 items, not 0"),
        (
            "/spec/silver/partitionBy",
            json!(["a", "b", "c", "d", "e"]),
            "spec.silver.partitionBy: must have at most 4 items, not 5",
        ),
        ("/spec/source/schema", json!(""), "spec.source.schema: must have at least 1 characters, not 0"),
        (
            "/spec/storage/adopt",
            json!("x".repeat(65)),
            "spec.storage.adopt: must have at most 64 characters, not 65",
        ),
    ] {
        assert_eq!(violations(pointer, value), [expected]);
    }
}

#[test]
fn two_items_of_one_list_key_are_refused() {
    let example = example("ecommerce");
    let table = &example["spec"]["gold"][0];
    assert_eq!(
        violations("/spec/gold", json!([table, table])),
        ["spec.gold[1]: \"transactions\" is there twice"]
    );
}

#[test]
fn all_violations_are_found_at_once() {
    let document = changed(&example("ecommerce"), "/spec/shards", json!("two"));
    let document = changed(&document, "/spec/source/kafka/topic", Value::Null);
    let document = changed(&document, "/kind", json!("StreamPipelines"));
    let fields: Vec<String> =
        admit(&document).unwrap_err().into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["kind", "spec.shards", "spec.source.kafka.topic"]);
}

#[test]
fn a_null_counts_as_absent() {
    let mut document = example("ecommerce");
    document["spec"]["suspend"] = Value::Null;
    assert!(admit(&document).is_ok());
}

#[test]
fn a_document_of_another_kind_or_without_a_name_is_refused() {
    assert_eq!(
        violations("/apiVersion", json!("sluice.dev/v1")),
        ["apiVersion: must be 'sluice.dev/v1alpha1', not 'sluice.dev/v1'"]
    );
    assert_eq!(
        violations("/metadata/name", Value::Null),
        ["metadata.name: is missing: give the resource a name"]
    );
}
