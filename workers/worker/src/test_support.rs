//! A small pipeline for unit tests: readings of a device.

use serde_json::{Value, json};
use sluice_contract::config::WorkerConfig;
use sluice_contract::scorer::{RuleSet, ScorerConfig};

/// The schema of a reading.
pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"Reading","fields":[
    {"name":"device","type":"string"},{"name":"at","type":"string"},{"name":"celsius","type":"double"}]}"#;

/// The configuration of the pipeline, after a change.
pub(crate) fn configuration(change: impl FnOnce(&mut Value)) -> WorkerConfig {
    let mut document = json!({
        "formatVersion": 1,
        "owner": {"cluster": "local", "namespace": "default", "name": "readings"},
        "revision": "r1",
        "shards": 1,
        "source": {
            "kafka": {"bootstrapServers": "127.0.0.1:1", "topic": "readings", "startFrom": "Earliest"},
            "format": "Json",
            "schema": SCHEMA,
            "eventTime": {"column": "at", "timeZone": "UTC", "maxOutOfOrdernessMs": 30000, "idleAfterMs": 60000}
        },
        "storage": {"uri": "file:///nowhere"},
        "commit": {"everyMs": 2000, "maxBytes": 1000},
        "bronze": {"keepValue": false},
        "silver": {
            "columns": [
                {"name": "device"}, {"name": "celsius"}, {"name": "topic"}, {"name": "partition"}, {"name": "offset"}
            ],
            "partitionBy": []
        }
    });
    change(&mut document);
    WorkerConfig::from_json(&document.to_string()).expect("the document is a configuration")
}

/// A scorer of the pipeline, which counts readings of a device.
pub(crate) fn scorer(mut pipeline: WorkerConfig) -> ScorerConfig {
    pipeline.source.kafka.key_column = Some("device".to_owned());
    let document = json!({
        "formatVersion": 1,
        "name": "heat",
        "revision": "s1",
        "shards": 1,
        "startFrom": "Earliest",
        "commit": {"everyMs": 2000, "maxBytes": 1000},
        "table": {"name": "scores", "columns": ["device", "celsius"]},
        "velocity": [{"name": "often", "key": "device", "windowMs": 60000, "keepMs": 120_000}],
        "pipeline": pipeline
    });
    ScorerConfig::from_json(&document.to_string()).expect("the document is a configuration")
}

/// Its rules: what is hot is of the level `HOT`.
pub(crate) fn rule_set() -> RuleSet {
    let document = json!({
        "formatVersion": 1,
        "rules": [{"name": "hot", "when": "celsius > 40", "points": 10}],
        "velocity": [{"name": "often", "moreThan": 2, "points": 5}],
        "levels": [{"name": "HOT", "minScore": 10}, {"name": "COOL", "minScore": 0}],
        "alertAt": "HOT"
    });
    RuleSet::from_json(&document.to_string()).expect("the document is a rule set")
}
