//! The CEL rules of `StreamPipeline`, run: what each lets pass, and what it refuses with which message.

use serde_json::{Value, json};

use super::StreamPipeline;
use crate::definition;
use crate::fixture::{self, changed, example, rule_messages};

fn refusals(document: Value) -> Vec<String> {
    fixture::refusals::<StreamPipeline>(document)
}

/// A replay with one part replaced.
fn replay(pointer: &str, value: Value) -> Value {
    let replay = json!({"name": "a", "tables": ["silver", "gold/user"], "from": "0:15,1:0", "until": "2026-01-05T20:00:00Z"});
    changed(&replay, pointer, value)
}

/// Documents that one rule refuses, each with a part of the rule's message.
fn bad_documents() -> Vec<(Value, &'static str)> {
    let json_example = example("ecommerce");
    let avro_example = example("ecommerce-avro");
    let long_name = "a".repeat(41);
    let from_json = [
        ("/metadata/name", json!("Ecommerce"), "start with a letter"),
        ("/metadata/name", json!("1st"), "start with a letter"),
        ("/metadata/name", json!("shop-"), "start with a letter"),
        ("/metadata/name", json!(long_name), "at most 40 characters"),
        ("/spec/autoscaling", json!({"min": 1, "max": 2}), "shards or autoscaling"),
        ("/spec/source/schema", Value::Null, "format Json needs schema"),
        ("/spec/source/format", json!("Avro"), "needs schemaRegistry.url"),
        ("/spec/source/kafka/bootstrapServers", json!("a:1"), "exactly one of strimziRef"),
        ("/spec/source/kafka/strimziRef", Value::Null, "exactly one of strimziRef"),
        ("/spec/source/kafka/security", json!({"tls": {}}), "security goes with bootstrapServers"),
        ("/spec/source/kafka/topic", json!("a b"), "a topic's name"),
        ("/spec/source/kafka/topic", json!(".."), "a topic's name"),
        ("/spec/source/kafka/keyColumn", json!("user-id"), "a column name has"),
        ("/spec/source/kafka/strimziRef/name", json!("Demo"), "an object's name has"),
        ("/spec/source/eventTime/timeZone", json!("UTC "), "time zone database"),
        ("/spec/source/eventTime/idleAfter", json!("1m30s"), "one unit of ms, s, m, h, d"),
        ("/spec/source/eventTime/stalledAfter", json!("1 h"), "one unit of ms, s, m, h, d"),
        ("/spec/commit/every", json!("2"), "one unit of ms, s, m, h, d"),
        ("/spec/commit/every", json!("-2s"), "one unit of ms, s, m, h, d"),
        ("/spec/commit/maxBytes", json!("64MB"), "one unit of Ki, Mi, Gi"),
        ("/spec/storage/volume", Value::Null, "needs storage.volume.claimName"),
        ("/spec/storage/secretRef", json!({"name": "a"}), "has no credentials"),
        ("/spec/storage/volume/mountPath", json!("/lake/"), "mountPath is an absolute path"),
        ("/spec/storage/volume/mountPath", json!("lake"), "mountPath is an absolute path"),
        ("/spec/silver/require/0/reason", json!("missing id"), "one CamelCase word"),
        ("/spec/silver/columns/0/name", json!("a b"), "a column name has"),
        ("/spec/gold/0/name", json!("Transactions"), "a table name has"),
        ("/spec/maintenance/schedule", json!("@hourly"), "five cron fields"),
        ("/spec/replay", replay("/name", json!("After the fix")), "a letter or digit at both ends"),
        ("/spec/replay", replay("/tables", json!(["bronze"])), "name tables as silver, gold"),
        ("/spec/replay", replay("/from", json!("yesterday")), "write a time like"),
        ("/spec/replay", replay("/until", json!("0:1500, 1:7")), "write a time like"),
    ];
    let from_avro = [
        ("/spec/storage/uri", json!("http://lake"), "write the lake's root"),
        ("/spec/storage/volume", json!({"claimName": "lake"}), "a volume goes with a file:/// lake"),
        ("/spec/source/schemaRegistry/url", json!("registry:8081"), "starts with http:// or https://"),
        ("/spec/source/kafka/bootstrapServers", json!("kafka"), "list the brokers as host:port"),
        ("/spec/source/kafka/bootstrapServers", json!("a:1, b:2"), "list the brokers as host:port"),
        ("/spec/source/kafka/security", json!({"mtls": {"secretRef": {"name": "a"}}}), "mtls needs tls"),
        (
            "/spec/source/kafka/security",
            json!({"tls": {"caSecretRef": {"name": "a", "key": "a/b"}}}),
            "a key of a Secret",
        ),
        ("/spec/autoscaling/min", json!(5), "min must not be above max"),
        ("/spec/warehouse/tables/0", json!("gold"), "name a table as"),
    ];
    let of = |example: &Value, pointer, value, message| (changed(example, pointer, value), message);
    let mut documents: Vec<(Value, &'static str)> = Vec::new();
    documents.extend(from_json.map(|(pointer, value, message)| of(&json_example, pointer, value, message)));
    documents.extend(from_avro.map(|(pointer, value, message)| of(&avro_example, pointer, value, message)));
    documents
}

#[test]
fn each_rule_refuses_what_it_is_for_with_its_message() {
    for (document, expected) in bad_documents() {
        let found = refusals(document);
        assert!(found.len() == 1 && found[0].contains(expected), "expected '{expected}', found {found:?}");
    }
}

#[test]
fn what_the_rules_allow_passes() {
    let avro_security = json!({
        "tls": {"caSecretRef": {"name": "ca"}},
        "mtls": {"secretRef": {"name": "client"}, "certificateKey": "user.crt", "privateKeyKey": "user.key"},
    });
    for (name, pointer, value) in [
        ("ecommerce", "/metadata/name", json!("a")),
        ("ecommerce", "/metadata/name", json!(format!("a{}9", "-".repeat(38)))),
        ("ecommerce", "/spec/shards", Value::Null),
        ("ecommerce", "/spec/commit/every", json!("250ms")),
        ("ecommerce", "/spec/storage/volume/mountPath", json!("/mnt/lake-1")),
        ("ecommerce", "/spec/storage/uri", json!("file:///lake/a/b.c")),
        ("ecommerce", "/spec/source/kafka/strimziRef/user", Value::Null),
        ("ecommerce", "/spec/source/eventTime/timeZone", json!("America/Argentina/Buenos_Aires")),
        ("ecommerce", "/spec/replay", replay("/name", json!("0-after-the-fix"))),
        ("ecommerce", "/spec/replay", replay("/from", json!("2026-01-05T20:00:00.123+01:00"))),
        ("ecommerce", "/spec/replay", replay("/from", Value::Null)),
        ("ecommerce-avro", "/spec/source/schema", Value::Null),
        ("ecommerce-avro", "/spec/source/kafka/security", Value::Null),
        ("ecommerce-avro", "/spec/source/kafka/security", json!({"tls": {}})),
        ("ecommerce-avro", "/spec/source/kafka/security", avro_security),
        ("ecommerce-avro", "/spec/source/kafka/bootstrapServers", json!("a.b:9092,10.0.0.1:19092,[::1]:9")),
        ("ecommerce-avro", "/spec/storage/uri", json!("gs://bucket")),
        ("ecommerce-avro", "/spec/storage/uri", json!("abfss://container@account.dfs.core.windows.net/path")),
        ("ecommerce-avro", "/spec/storage/uri", json!("az://container/größe/x")),
        ("ecommerce-avro", "/spec/autoscaling/min", json!(4)),
        ("ecommerce-avro", "/spec/warehouse/tables/0", json!("fraud/transactions")),
    ] {
        let found = refusals(changed(&example(name), pointer, value.clone()));
        assert!(found.is_empty(), "{name} {pointer} {value}: {found:?}");
    }
}

#[test]
fn a_lake_that_no_store_can_hold_is_refused() {
    let document = example("ecommerce-avro");
    for uri in [
        "lake",
        "./lake",
        "/lake/x",
        "ftp://host/lake",
        "S3://bucket/x",
        "file://host/lake",
        "s3://",
        "s3:///x",
        "s3://bucket:9000/x",
        "s3://user@bucket/x",
        "s3://bucket/a b",
        "s3://bucket/x?versions",
        "s3://bucket/x#y",
        "s3://bucket/a%2Fb",
        "az://account.container/x",
        "abfss://container@account/x",
        "abfss://container@account.example.com/x",
    ] {
        let found = refusals(changed(&document, "/spec/storage/uri", json!(uri)));
        assert!(found.len() == 1 && found[0].contains("write the lake's root"), "{uri}: {found:?}");
    }
}

fn change_refusals(old: &Value, pointer: &str, value: Value) -> Vec<String> {
    fixture::change_refusals::<StreamPipeline>(old, pointer, value)
}

#[test]
fn the_lake_and_the_topic_cannot_be_changed() {
    let old = example("ecommerce");
    for (pointer, value) in
        [("/spec/storage/uri", json!("file:///lake/other")), ("/spec/source/kafka/topic", json!("other"))]
    {
        let found = change_refusals(&old, pointer, value);
        assert!(found.len() == 1 && found[0].contains("cannot be changed"), "{pointer}: {found:?}");
    }
}

#[test]
fn a_replay_runs_as_it_was_first_written_and_another_one_has_another_name() {
    let old = changed(&example("ecommerce"), "/spec/replay", replay("/name", json!("a")));
    for (pointer, value) in [("/spec/replay/tables", json!(["gold"])), ("/spec/replay/until", Value::Null)] {
        let found = change_refusals(&old, pointer, value);
        assert!(found.len() == 1 && found[0].contains("a name of its own"), "{pointer}: {found:?}");
    }
    let another = json!({"name": "b", "tables": ["gold"]});
    for (pointer, value) in
        [("/spec/replay", another), ("/spec/replay", Value::Null), ("/spec/shards", json!(3))]
    {
        assert_eq!(change_refusals(&old, pointer, value), Vec::<String>::new(), "{pointer}");
    }
}

#[test]
fn everything_else_can_be_changed() {
    let old = example("ecommerce");
    for (pointer, value) in [
        ("/spec/shards", json!(4)),
        ("/spec/storage/adopt", json!("7f3a")),
        ("/spec/source/kafka/strimziRef/listener", json!("plain")),
        ("/spec/silver/require", json!([])),
        ("/spec/suspend", json!(true)),
    ] {
        assert_eq!(change_refusals(&old, pointer, value), Vec::<String>::new(), "{pointer}");
    }
}

#[test]
fn no_rule_is_without_a_test() {
    let mut untested = rule_messages(&definition::stream_pipeline().schema());
    assert!(untested.len() > 25, "the walk found {} rules", untested.len());
    let old = example("ecommerce");
    let mut seen: Vec<String> =
        bad_documents().into_iter().flat_map(|(document, _)| refusals(document)).collect();
    seen.extend(change_refusals(&old, "/spec/source/kafka/topic", json!("other")));
    let replayed = changed(&old, "/spec/replay", replay("/name", json!("a")));
    seen.extend(change_refusals(&replayed, "/spec/replay/from", Value::Null));
    for message in seen {
        untested.remove(&message);
    }
    assert!(untested.is_empty(), "no document breaks {untested:?}");
}
