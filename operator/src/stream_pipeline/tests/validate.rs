//! Every rule of validate: the fault names the field, and says what to do.

use serde_json::{Value, json};
use sluice_contract::config;

use super::fixture::{changed, example, example_names, validated};
use crate::problem::Invalid;
use crate::stream_pipeline::validate;

fn faults(changes: &[(&str, Value)]) -> Vec<Invalid> {
    validate(&changed(changes)).err().unwrap_or_default()
}

/// One change, the field of the one fault that it makes, and a part of its message.
type Case = (&'static str, Value, &'static str, &'static str);

fn check(cases: Vec<Case>) {
    for (pointer, value, field, message) in cases {
        let found = faults(&[(pointer, value.clone())]);
        assert_eq!(found.len(), 1, "{pointer} {value}: {found:?}");
        assert_eq!(found[0].field, field, "{}", found[0]);
        assert!(found[0].message.contains(message), "{}", found[0]);
        assert!(found[0].fix.len() > 10, "{}", found[0]);
    }
}

/// The schema of the example with another list of fields.
fn schema(fields: Value) -> Value {
    json!(json!({"type": "record", "name": "R", "fields": fields}).to_string())
}

#[test]
fn every_example_is_sound() {
    for name in example_names() {
        validated(&example(&name));
    }
}

#[test]
fn a_schema_must_be_a_record_whose_fields_have_free_names() {
    const FIELD: &str = "spec.source.schema";
    check(vec![
        ("/spec/source/schema", json!("{"), FIELD, "not JSON"),
        ("/spec/source/schema", json!("\"string\""), FIELD, "not an Avro record"),
    ]);
    for taken in ["topic", "offset", "event_time", "Kafka_Key"] {
        let fields = json!([{"name": taken, "type": "string"}, {"name": "timestamp", "type": "string"}]);
        let found = faults(&[("/spec/source/schema", schema(fields))]);
        let message = format!("field '{taken}' has the name of a column that Sluice adds");
        assert!(found.iter().any(|fault| fault.field == FIELD && fault.message == message), "{found:?}");
    }
}

#[test]
fn the_name_value_is_taken_only_while_the_value_is_kept() {
    let mut fields: Value = serde_json::from_str(&example("ecommerce").spec.source.schema.unwrap()).unwrap();
    fields["fields"].as_array_mut().unwrap().push(json!({"name": "value", "type": "string"}));
    let schema = ("/spec/source/schema", json!(fields.to_string()));
    assert_eq!(faults(std::slice::from_ref(&schema)), []);
    assert_eq!(faults(&[schema, ("/spec/bronze/keepValue", json!(true))]).len(), 1);
}

#[test]
fn fields_that_differ_in_case_only_are_refused() {
    let mut fields: Value = serde_json::from_str(&example("ecommerce").spec.source.schema.unwrap()).unwrap();
    fields["fields"].as_array_mut().unwrap().push(json!({"name": "Amount", "type": "double"}));
    let found = faults(&[("/spec/source/schema", json!(fields.to_string()))]);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("'Amount' and 'amount' differ in case only"), "{}", found[0]);
}

#[test]
fn the_event_time_and_the_key_must_be_fields_of_fitting_types() {
    check(vec![
        (
            "/spec/source/eventTime/column",
            json!("time"),
            "spec.source.eventTime.column",
            "the schema has no field 'time'",
        ),
        (
            "/spec/source/eventTime/column",
            json!("amount"),
            "spec.source.eventTime.column",
            "'amount' is neither text nor",
        ),
        (
            "/spec/source/eventTime/timeZone",
            json!("Mars/Olympus"),
            "spec.source.eventTime.timeZone",
            "has no 'Mars/Olympus'",
        ),
        ("/spec/source/kafka/keyColumn", json!("user"), "spec.source.kafka.keyColumn", "no field 'user'"),
        ("/spec/source/kafka/keyColumn", json!("amount"), "spec.source.kafka.keyColumn", "no single text"),
    ]);
}

#[test]
fn durations_and_sizes_have_limits() {
    check(vec![
        ("/spec/commit/every", json!("50ms"), "spec.commit.every", "50ms is out of range"),
        ("/spec/commit/every", json!("2h"), "spec.commit.every", "2h is out of range"),
        ("/spec/commit/maxBytes", json!("1Ki"), "spec.commit.maxBytes", "1Ki is out of range"),
        ("/spec/commit/maxBytes", json!("3Gi"), "spec.commit.maxBytes", "3Gi is out of range"),
        ("/spec/source/eventTime/idleAfter", json!("0s"), "spec.source.eventTime.idleAfter", "out of range"),
        (
            "/spec/source/eventTime/stalledAfter",
            json!("0s"),
            "spec.source.eventTime.stalledAfter",
            "out of range",
        ),
        (
            "/spec/source/eventTime/maxOutOfOrderness",
            json!("31d"),
            "spec.source.eventTime.maxOutOfOrderness",
            "out of range",
        ),
        (
            "/spec/source/eventTime/refuseFutureBeyond",
            json!("9999d"),
            "spec.source.eventTime.refuseFutureBeyond",
            "out of range",
        ),
        ("/spec/silver/deduplicate/within", json!("0s"), "spec.silver.deduplicate.within", "out of range"),
        ("/spec/maintenance/retention", json!("12h"), "spec.maintenance.retention", "12h is out of range"),
        ("/spec/gold/0/emit/every", json!("100ms"), "spec.gold[0].emit.every", "out of range"),
        ("/spec/gold/0/window/size", json!("0s"), "spec.gold[0].window.size", "out of range"),
    ]);
}

#[test]
fn a_duration_that_no_schema_checked_is_still_a_fault_and_not_a_panic() {
    let mut pipeline = example("ecommerce");
    pipeline.spec.commit.as_mut().unwrap().every = Some("soon".to_owned());
    let found = validate(&pipeline).unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("'soon' is not a duration"), "{}", found[0]);
}

#[test]
fn brokers_have_ports() {
    let mut pipeline = example("iot");
    pipeline.spec.source.kafka.bootstrap_servers = Some("a:9092,b:99999".to_owned());
    let found = validate(&pipeline).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "spec.source.kafka.bootstrapServers");
    assert!(found[0].message.contains("'b:99999'"), "{}", found[0]);
}

#[test]
fn silver_columns_exist_and_are_there_once() {
    const FIELD: &str = "spec.silver.columns";
    check(vec![
        (
            "/spec/silver/columns/-",
            json!({"name": "city", "expr": "'x'"}),
            "spec.silver.columns[23].name",
            "twice",
        ),
        (
            "/spec/silver/columns/-",
            json!({"name": "City", "expr": "'x'"}),
            "spec.silver.columns[23].name",
            "case",
        ),
        ("/spec/silver/columns/-", json!({"name": "town"}), "spec.silver.columns[23]", "no 'town' to pass"),
        ("/spec/silver/columns/21", json!({"name": "off_set", "expr": "1"}), FIELD, "'offset' is missing"),
        (
            "/spec/silver/columns/20",
            json!({"name": "partition", "expr": "1"}),
            "spec.silver.columns[20].expr",
            "'partition' identifies the row",
        ),
    ]);
}

#[test]
fn partition_and_identity_columns_exist() {
    check(vec![
        (
            "/spec/silver/partitionBy/0",
            json!("day"),
            "spec.silver.partitionBy[0]",
            "silver has no column 'day'",
        ),
        ("/spec/silver/partitionBy/-", json!("transaction_date"), "spec.silver.partitionBy[1]", "twice"),
        ("/spec/silver/deduplicate/by/0", json!("id"), "spec.silver.deduplicate.by[0]", "no column 'id'"),
        ("/spec/silver/deduplicate/by/-", json!("transaction_id"), "spec.silver.deduplicate.by[1]", "twice"),
    ]);
    assert_eq!(faults(&[("/spec/silver/deduplicate/by/0", json!("kafka_key"))]), []);
    assert_eq!(
        faults(&[("/spec/silver/deduplicate/by/0", json!("city"))]),
        [],
        "a computed column identifies, too"
    );
}

#[test]
fn a_table_is_not_partitioned_by_all_its_columns() {
    let columns = json!([{"name": "topic"}, {"name": "partition"}, {"name": "offset"}]);
    let found = faults(&[
        ("/spec/silver/columns", columns),
        ("/spec/silver/partitionBy", json!(["topic", "partition", "offset"])),
        ("/spec/gold", json!([])),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].field, "spec.silver.partitionBy");
}

#[test]
fn reasons_of_sluice_itself_are_not_the_users() {
    const REASON: &str = "spec.silver.require[0].reason";
    check(vec![
        ("/spec/silver/require/0/reason", json!("FutureTimestamp"), REASON, "Sluice gives by itself"),
        ("/spec/silver/require/0/reason", json!("ExpressionFailed"), REASON, "Sluice gives by itself"),
    ]);
    assert_eq!(
        faults(&[("/spec/silver/require/0/reason", json!("BadTimestamp"))]),
        [],
        "rules may share one"
    );
}

#[test]
fn a_slide_divides_its_window() {
    const SLIDE: &str = "spec.gold[1].window.slide";
    check(vec![
        ("/spec/gold/1/window/slide", json!("4m"), SLIDE, "4m does not divide the window, 15m"),
        ("/spec/gold/1/window/slide", json!("20m"), SLIDE, "20m is longer than the window, 15m"),
        ("/spec/gold/1/window", json!({"size": "2h", "slide": "7s"}), SLIDE, "does not divide"),
        ("/spec/gold/1/window", json!({"size": "2h", "slide": "2s"}), SLIDE, "3600 windows"),
    ]);
    assert_eq!(faults(&[("/spec/gold/1/window/slide", json!("90s"))]), []);
}

#[test]
fn gold_names_are_free_and_its_keys_exist() {
    check(vec![
        ("/spec/gold/0/groupBy/0", json!("shop"), "spec.gold[0].groupBy[0]", "silver has no column 'shop'"),
        ("/spec/gold/0/groupBy/0", json!("country"), "spec.gold[0].groupBy[2]", "'country' is there twice"),
        (
            "/spec/gold/0/measures/0/name",
            json!("merchant"),
            "spec.gold[0].measures[0].name",
            "'merchant' is there twice",
        ),
        (
            "/spec/gold/0/measures/9/name",
            json!("total_amount"),
            "spec.gold[0].measures[9].name",
            "'total_amount' is there twice",
        ),
        (
            "/spec/gold/0/measures/9/name",
            json!("is_final"),
            "spec.gold[0].measures[9].name",
            "'is_final' is there twice",
        ),
    ]);
}

#[test]
fn schedules_time_zones_and_tables_of_the_warehouse_are_checked() {
    let warehouse = |change: Value| {
        let mut warehouse = json!({"postgres": {"secretRef": {"name": "w"}}, "tables": ["silver"]});
        let fields = change.as_object().unwrap().clone();
        warehouse.as_object_mut().unwrap().extend(fields);
        warehouse
    };
    check(vec![
        ("/spec/maintenance/schedule", json!("61 * * * *"), "spec.maintenance.schedule", "'61' is no minute"),
        (
            "/spec/warehouse",
            warehouse(json!({"schedule": "* * * * 9"})),
            "spec.warehouse.schedule",
            "'9' is no day of week",
        ),
        ("/spec/warehouse", warehouse(json!({"timeZone": "X"})), "spec.warehouse.timeZone", "has no 'X'"),
        (
            "/spec/warehouse",
            warehouse(json!({"tables": ["silver", "gold/nothing"]})),
            "spec.warehouse.tables[1]",
            "no gold table 'nothing'",
        ),
        (
            "/spec/warehouse",
            warehouse(json!({"tables": ["silver", "silver"]})),
            "spec.warehouse.tables[1]",
            "twice",
        ),
    ]);
}

#[test]
fn a_replay_is_of_tables_that_are_there_and_of_a_range_that_can_hold_messages() {
    let of = |tables: Value| json!({"name": "a", "tables": tables});
    let tables = "spec.replay.tables[1]";
    check(vec![
        ("/spec/replay", of(json!(["silver", "silver"])), tables, "is there twice"),
        ("/spec/replay", of(json!(["silver", "gold/orders"])), tables, "there is no gold table 'orders'"),
        ("/spec/replay", of(json!(["gold", "gold/user"])), tables, "'gold' covers 'gold/user'"),
        (
            "/spec/replay",
            json!({"name": "a", "tables": ["gold"], "from": "0:7", "until": "0:7"}),
            "spec.replay.until",
            "on partition 0, 7 is not after 7",
        ),
    ]);
    let without_gold = [("/spec/gold", json!([])), ("/spec/replay", of(json!(["silver", "gold"])))];
    let found = faults(&without_gold);
    assert!(matches!(&found[..], [fault] if fault.field == tables), "{found:?}");
    let replay = validated(&changed(&[("/spec/replay", of(json!(["silver", "gold"])))])).replay;
    let replay = replay.expect("it is asked for");
    assert_eq!((replay.name.as_str(), replay.tables), ("a", vec!["silver".to_owned(), "gold".to_owned()]));
    assert_eq!((replay.from, replay.until), (None, None));
}

#[test]
fn the_lake_lies_below_the_mount_of_its_claim() {
    const URI: &str = "spec.storage.uri";
    check(vec![
        ("/spec/storage/uri", json!("file:///data/ecommerce"), URI, "is not below '/lake'"),
        ("/spec/storage/uri", json!("file:///lakes/ecommerce"), URI, "is not below '/lake'"),
        ("/spec/storage/uri", json!("file:///lake"), URI, "is not below '/lake'"),
        ("/spec/storage/uri", json!("file:///lake/../etc"), URI, "part of dots"),
        ("/spec/storage/volume/mountPath", json!("/mnt"), URI, "is not below '/mnt'"),
    ]);
    let pipeline = changed(&[("/spec/storage/uri", json!("file:///lake/ecommerce/"))]);
    assert_eq!(validated(&pipeline).storage.uri, "file:///lake/ecommerce");
}

#[test]
fn the_pod_template_is_checked_as_far_as_it_goes() {
    const ROOT: &str = "spec.podTemplate";
    let template = |template: Value| ("/spec/podTemplate", template);
    let cases = [
        (
            template(json!({"labels": {"sluice.dev/role": "x"}})),
            "labels.sluice.dev/role",
            "belong to the operator",
        ),
        (
            template(json!({"labels": {"app.kubernetes.io/instance": "x"}})),
            "labels.app.kubernetes.io/instance",
            "belong to the operator",
        ),
        (template(json!({"annotations": {"sluice.dev/x": ""}})), "annotations.sluice.dev/x", "belong"),
        (
            template(json!({"resources": {"limits": {"memory": "2GB"}}})),
            "resources.limits.memory",
            "'2GB' is not a quantity",
        ),
        (template(json!({"resources": {"requests": {"cpu": "-1"}}})), "resources.requests.cpu", "'-1'"),
        (template(json!({"affinity": {"podAffinity": []}})), "affinity", "not an affinity"),
        (
            template(json!({"affinity": {"podAffinity": {"requiredDuringScheduling": []}}})),
            "affinity.podAffinity.requiredDuringScheduling",
            "no such field",
        ),
        (template(json!({"labels": {"team": "two words"}})), "labels.team", "not a value of a label"),
        (template(json!({"annotations": {"a b": "x"}})), "annotations.a b", "not a key"),
        (template(json!({"nodeSelector": {"disk": "a b"}})), "nodeSelector.disk", "not a value of a label"),
        (template(json!({"tolerations": [{"key": "a b"}]})), "tolerations[0].key", "not a key"),
        (
            template(json!({"tolerations": [{"key": "a", "value": "b c"}]})),
            "tolerations[0].value",
            "not a value",
        ),
        (
            template(json!({"serviceAccountAnnotations": {"/": "x"}})),
            "serviceAccountAnnotations./",
            "not a key",
        ),
        (
            template(json!({"serviceAccountName": "a", "serviceAccountAnnotations": {"b": "c"}})),
            "serviceAccountAnnotations",
            "does not touch a ServiceAccount",
        ),
    ];
    for (change, field, message) in cases {
        let found = faults(&[change]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field, format!("{ROOT}.{field}"));
        assert!(found[0].message.contains(message), "{}", found[0]);
    }
}

#[test]
fn all_faults_are_found_at_once() {
    let found = faults(&[
        ("/spec/source/eventTime/column", json!("time")),
        ("/spec/silver/partitionBy/0", json!("day")),
        ("/spec/gold/0/groupBy/0", json!("shop")),
        ("/spec/commit/every", json!("2h")),
        ("/spec/storage/uri", json!("file:///elsewhere")),
    ]);
    let fields: Vec<&str> = found.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.source.eventTime.column",
            "spec.silver.partitionBy[0]",
            "spec.gold[0].groupBy[0]",
            "spec.storage.uri",
            "spec.commit.every",
        ]
    );
}

#[test]
fn without_a_schema_the_registry_knows_the_columns() {
    let mut pipeline = example("ecommerce-avro");
    pipeline.spec.source.schema = None;
    assert_eq!(validated(&pipeline).schema, None);
}

#[test]
fn every_default_is_the_documented_one() {
    let pipeline = validated(&changed(&[
        ("/spec/source/eventTime", json!({"column": "timestamp"})),
        ("/spec/source/kafka/startFrom", Value::Null),
        ("/spec/commit", Value::Null),
        ("/spec/bronze", Value::Null),
        ("/spec/shards", Value::Null),
        ("/spec/maintenance", Value::Null),
        ("/spec/gold/0/emit", Value::Null),
    ]));
    let event_time = config::EventTime {
        column: "timestamp".to_owned(),
        time_zone: "UTC".to_owned(),
        max_out_of_orderness_ms: 30_000,
        idle_after_ms: 60_000,
        stalled_after_ms: 3_600_000,
        refuse_future_beyond_ms: None,
    };
    assert_eq!(pipeline.event_time, event_time);
    assert_eq!(pipeline.start_from, config::StartFrom::Earliest);
    assert_eq!(pipeline.commit, config::Commit { every_ms: 2_000, max_bytes: 67_108_864 });
    assert!(!pipeline.bronze.keep_value);
    assert_eq!(pipeline.shards, 1);
    let table = &pipeline.gold[0];
    assert_eq!((table.size_ms, table.slide_ms), (600_000, 600_000));
    assert_eq!(
        (table.emit_every_ms, table.allowed_lateness_ms, table.correct_for_ms),
        (10_000, 300_000, 604_800_000)
    );
}

#[test]
fn autoscaling_starts_with_its_least_number_of_shards() {
    let autoscaling = json!({"min": 3, "max": 8});
    let pipeline = changed(&[("/spec/shards", Value::Null), ("/spec/autoscaling", autoscaling)]);
    assert_eq!(validated(&pipeline).shards, 3);
}

#[test]
fn a_resource_without_a_namespace_is_in_the_default_one() {
    let mut pipeline = example("iot");
    pipeline.metadata.namespace = None;
    assert_eq!(validated(&pipeline).namespace, "default");
}
