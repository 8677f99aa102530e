//! A small pipeline for unit tests: readings of a device.

use serde_json::{Value, json};
use sluice_contract::config::WorkerConfig;

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
