//! Pipelines for other schemas than the example's: nothing but configuration.

use sluice_contract::config::{Deduplicate, Requirement, WorkerConfig};
use sluice_decode::RowSchema;

use crate::fixture::{self, Sent, Transaction, column, texts};
use crate::{Ingest, Processed};

const READINGS: &str = r#"{"type": "record", "name": "Reading", "fields": [
    {"name": "sensor", "type": {"type": "record", "name": "Sensor", "fields": [
        {"name": "site", "type": "string"},
        {"name": "number", "type": "long"}]}},
    {"name": "celsius", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}},
    {"name": "value", "type": ["null", "float"], "default": null},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    {"name": "measured_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
]}"#;

/// The configuration of readings: nested fields, decimals and a list.
fn readings() -> WorkerConfig {
    let mut configuration = fixture::configuration();
    configuration.source.kafka.key_column = None;
    configuration.source.schema = Some(READINGS.to_owned());
    configuration.source.event_time.column = "measured_at".to_owned();
    configuration.silver.require =
        vec![Requirement { reason: "TooCold".to_owned(), expr: "celsius > -273.15".to_owned() }];
    configuration.silver.columns = vec![
        column("sensor", None),
        column("site", Some("sensor.site")),
        column("site_and_number", Some("concat(sensor.site, '-', sensor['number'])")),
        column("celsius", None),
        column("fahrenheit", Some("CAST(celsius * 9 / 5 + 32 AS DECIMAL(12, 3))")),
        column("first_tag", Some("tags[1]")),
        column("tags", None),
        column("value", None),
        column("measured_on", Some("CAST(event_time AS DATE)")),
        column("topic", None),
        column("partition", None),
        column("offset", None),
    ];
    configuration.silver.deduplicate = Some(Deduplicate {
        by: vec!["site_and_number".to_owned(), "measured_at".to_owned()],
        within_ms: 60_000,
    });
    configuration.silver.partition_by = vec!["measured_on".to_owned(), "site".to_owned()];
    configuration
}

fn process(configuration: &WorkerConfig, schema: &str, values: &[&str]) -> Processed {
    let schema = RowSchema::parse(schema).expect("the schema parses");
    let mut ingest = Ingest::new(configuration, &schema, [7; 16]).expect("the configuration is valid");
    let sent: Vec<Sent> = values
        .iter()
        .enumerate()
        .map(|(offset, value)| Sent {
            value: Some(value.as_bytes().to_vec()),
            ..Sent::json(0, offset as i64, &Transaction::default())
        })
        .collect();
    ingest.process(&fixture::batch(&sent), 0).expect("JSON needs no schema")
}

#[test]
fn nested_fields_decimals_and_lists_work_with_configuration_alone() {
    let processed = process(
        &readings(),
        READINGS,
        &[
            r#"{"sensor": {"site": "north", "number": 7}, "celsius": 21.375, "tags": ["a", "b"], "measured_at": 1767643200123}"#,
            r#"{"sensor": {"site": "north", "number": 7}, "celsius": 21.375, "tags": ["a", "b"], "measured_at": 1767643200123}"#,
            r#"{"sensor": {"site": "south", "number": 7}, "celsius": -40, "value": 1.5, "measured_at": 1767643200123}"#,
            r#"{"sensor": {"site": "south", "number": 8}, "celsius": -300, "measured_at": 1767643200123}"#,
            r#"{"sensor": {"site": "south"}, "celsius": 1, "measured_at": 1767643200123}"#,
        ],
    );
    let silver = processed.silver.expect("two rows are clean");
    assert_eq!(texts(&silver, "offset"), ["0", "2"]);
    assert_eq!(texts(&silver, "sensor"), ["{site: north, number: 7}", "{site: south, number: 7}"]);
    assert_eq!(texts(&silver, "site"), ["north", "south"]);
    assert_eq!(texts(&silver, "site_and_number"), ["north-7", "south-7"]);
    assert_eq!(texts(&silver, "celsius"), ["21.375", "-40.000"]);
    assert_eq!(texts(&silver, "fahrenheit"), ["70.475", "-40.000"]);
    assert_eq!(texts(&silver, "first_tag"), ["a", "NULL"]);
    assert_eq!(texts(&silver, "tags"), ["[a, b]", "[]"]);
    assert_eq!(texts(&silver, "value"), ["NULL", "1.5"]);
    assert_eq!(texts(&silver, "measured_on"), ["2026-01-05", "2026-01-05"]);
    let quarantine = processed.quarantine.expect("two rows are refused");
    assert_eq!(texts(&quarantine, "reason"), ["TooCold", "MissingField"]);
    assert_eq!(texts(&quarantine, "detail")[0], "not TRUE: celsius > -273.15 with celsius = -300.000");
}

/// Date of the event time of each value, for a schema with one field `at` of that type.
fn dates(at_type: &str, time_zone: &str, values: &[&str]) -> Vec<String> {
    let schema =
        format!(r#"{{"type": "record", "name": "R", "fields": [{{"name": "at", "type": {at_type}}}]}}"#);
    let mut configuration = readings();
    configuration.source.event_time.column = "at".to_owned();
    configuration.source.event_time.time_zone = time_zone.to_owned();
    configuration.silver.require.clear();
    configuration.silver.deduplicate = None;
    configuration.silver.partition_by.clear();
    configuration.silver.columns =
        ["topic", "partition", "offset", "event_time"].map(|name| column(name, None)).to_vec();
    let silver = process(&configuration, &schema, values).silver.expect("rows without rules are accepted");
    texts(&silver, "event_time")
}

#[test]
fn the_event_time_may_be_text_a_date_or_a_timestamp() {
    let text = |zone| {
        dates(r#""string""#, zone, &[r#"{"at": "2026-07-05 20:00"}"#, r#"{"at": "2026-07-05T20:00Z"}"#])
    };
    assert_eq!(text("UTC"), ["2026-07-05T20:00:00Z", "2026-07-05T20:00:00Z"]);
    assert_eq!(text("Europe/Paris"), ["2026-07-05T18:00:00Z", "2026-07-05T20:00:00Z"]);
    assert_eq!(
        dates(r#"["null", "string"]"#, "UTC", &[r#"{"at": null}"#, r#"{"at": "20:00"}"#]),
        ["NULL", "NULL"]
    );
    assert_eq!(
        dates(r#"{"type": "long", "logicalType": "timestamp-millis"}"#, "UTC", &[r#"{"at": -1}"#]),
        ["1969-12-31T23:59:59.999Z"]
    );
    assert_eq!(
        dates(r#"{"type": "long", "logicalType": "timestamp-micros"}"#, "UTC", &[r#"{"at": 1}"#]),
        ["1970-01-01T00:00:00.000001Z"]
    );
    assert_eq!(
        dates(r#"{"type": "int", "logicalType": "date"}"#, "Europe/Paris", &[r#"{"at": -1}"#]),
        ["1969-12-31T00:00:00Z"]
    );
}
