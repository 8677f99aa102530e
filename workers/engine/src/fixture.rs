//! The e-commerce example for tests and for the benchmark: its configuration, from the manifest that is
//! shipped, and messages.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_yaml::Value;
use sluice_contract::config::{
    Bronze, Column, Commit, Deduplicate, EventTime, Format, GoldTable, Kafka, Owner, Security, Silver,
    Source, StartFrom, Storage, WorkerConfig,
};
#[cfg(test)]
use sluice_contract::scorer::{Alerts, RuleSet, ScoreTable, ScorerConfig, VelocityCount, VelocityRule};
use sluice_decode::{Message, MessageBatch, RowSchema};

pub(crate) const TOPIC: &str = "ecommerce.transactions";

/// The resource that users see: what stands in it is not written here again.
static MANIFEST: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../manifests/examples/ecommerce/pipeline.yaml");
    serde_yaml::from_str(text).expect("the example is one YAML document")
});

/// The example's configuration, for JSON.
pub(crate) fn configuration() -> WorkerConfig {
    let silver = &MANIFEST["spec"]["silver"];
    WorkerConfig {
        format_version: 1,
        owner: Owner {
            cluster: "local".to_owned(),
            namespace: "default".to_owned(),
            name: "ecommerce".to_owned(),
        },
        revision: "test".to_owned(),
        shards: 1,
        source: Source {
            kafka: Kafka {
                bootstrap_servers: "127.0.0.1:9092".to_owned(),
                topic: TOPIC.to_owned(),
                key_column: Some("user_id".to_owned()),
                start_from: StartFrom::Earliest,
                security: Security::default(),
            },
            format: Format::Json,
            schema: Some(schema_text().to_owned()),
            schema_registry: None,
            event_time: EventTime {
                column: "timestamp".to_owned(),
                time_zone: "UTC".to_owned(),
                max_out_of_orderness_ms: 30_000,
                idle_after_ms: 60_000,
                stalled_after_ms: 3_600_000,
                refuse_future_beyond_ms: Some(3_600_000),
            },
        },
        storage: Storage { uri: "file:///lake".to_owned(), adopt: None },
        commit: Commit { every_ms: 2_000, max_bytes: 64 << 20 },
        bronze: Bronze { keep_value: false },
        silver: Silver {
            require: serde_yaml::from_value(silver["require"].clone()).expect("rules as a worker reads them"),
            deduplicate: Some(Deduplicate { by: vec!["transaction_id".to_owned()], within_ms: 600_000 }),
            columns: serde_yaml::from_value(silver["columns"].clone())
                .expect("columns as a worker reads them"),
            partition_by: serde_yaml::from_value(silver["partitionBy"].clone()).expect("a list of names"),
        },
        gold: Vec::new(),
    }
}

/// The example's configuration with its windowed tables.
pub(crate) fn configuration_with_gold() -> WorkerConfig {
    let tables = MANIFEST["spec"]["gold"].as_sequence().expect("the example has gold tables");
    WorkerConfig { gold: tables.iter().map(gold_table).collect(), ..configuration() }
}

fn gold_table(table: &Value) -> GoldTable {
    let (window, emit) = (&table["window"], &table["emit"]);
    let size_ms = milliseconds(&window["size"]);
    let group_by = &table["groupBy"];
    let list = |value: &Value| serde_yaml::from_value(value.clone()).expect("a list of names");
    GoldTable {
        name: table["name"].as_str().expect("a table has a name").to_owned(),
        size_ms,
        slide_ms: if window["slide"].is_null() { size_ms } else { milliseconds(&window["slide"]) },
        group_by: if group_by.is_null() { Vec::new() } else { list(group_by) },
        measures: serde_yaml::from_value(table["measures"].clone()).expect("measures as a worker reads them"),
        emit_every_ms: milliseconds(&emit["every"]),
        allowed_lateness_ms: milliseconds(&emit["allowedLateness"]),
        correct_for_ms: milliseconds(&emit["correctFor"]),
    }
}

/// A duration of one unit, as resources have it.
fn milliseconds(duration: &Value) -> u64 {
    let text = duration.as_str().expect("a duration is text");
    let (number, unit) = text.split_at(text.len() - 1);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => panic!("the example has a duration in `{other}`"),
    };
    number.parse::<u64>().expect("a whole number") * unit_ms
}

#[cfg(test)]
static SCORER: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../manifests/examples/ecommerce/scoring/scorer.yaml");
    serde_yaml::from_str(text).expect("the example is one YAML document")
});

/// The example's scorer.
#[cfg(test)]
pub(crate) fn scorer() -> ScorerConfig {
    let spec = &SCORER["spec"];
    let names = |field: &str| {
        serde_yaml::from_value(spec["table"][field].clone()).expect("the table has a list of names")
    };
    ScorerConfig {
        format_version: 1,
        name: "ecommerce".to_owned(),
        revision: "test".to_owned(),
        shards: 1,
        start_from: StartFrom::Earliest,
        commit: Commit { every_ms: 2_000, max_bytes: 64 << 20 },
        table: ScoreTable {
            name: "transactions".to_owned(),
            columns: names("columns"),
            partition_by: names("partitionBy"),
        },
        velocity: vec![VelocityCount {
            name: "velocity".to_owned(),
            key: "user_id".to_owned(),
            window_ms: 1_800_000,
            keep_ms: 3_600_000,
        }],
        label: Some("is_fraud".to_owned()),
        alerts: Some(Alerts { topic: "fraud.alerts".to_owned() }),
        pipeline: configuration(),
    }
}

/// The example's rule set.
#[cfg(test)]
pub(crate) fn rule_set() -> RuleSet {
    let spec = &SCORER["spec"];
    RuleSet {
        format_version: 1,
        rules: serde_yaml::from_value(spec["rules"].clone()).expect("rules as a worker reads them"),
        velocity: vec![VelocityRule { name: "velocity".to_owned(), more_than: 5, points: 25 }],
        levels: serde_yaml::from_value(spec["levels"].clone()).expect("levels as a worker reads them"),
        review_at: Some("HIGH".to_owned()),
        alert_at: Some("HIGH".to_owned()),
    }
}

pub(crate) fn column(name: &str, expr: Option<&str>) -> Column {
    Column { name: name.to_owned(), expr: expr.map(str::to_owned) }
}

/// The example's Avro schema.
pub(crate) fn schema_text() -> &'static str {
    MANIFEST["spec"]["source"]["schema"].as_str().expect("the example has a schema")
}

pub(crate) fn schema() -> RowSchema {
    RowSchema::parse(schema_text()).expect("the example's schema parses")
}

/// One transaction; the default is clean.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    pub(crate) user_id: i32,
    pub(crate) amount: f64,
    pub(crate) merchant: String,
    pub(crate) timestamp: String,
    pub(crate) is_fraud: bool,
    pub(crate) payment_method: String,
    pub(crate) location: String,
    pub(crate) device_id: String,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            id: "t-1".to_owned(),
            user_id: 42,
            amount: 25.5,
            merchant: "Books & Co".to_owned(),
            timestamp: "2026-01-05T20:00:00Z".to_owned(),
            is_fraud: false,
            payment_method: "credit_card".to_owned(),
            location: "Paris, France".to_owned(),
            device_id: "d-7".to_owned(),
        }
    }
}

impl Transaction {
    pub(crate) fn json(&self) -> Vec<u8> {
        format!(
            r#"{{"transaction_id":"{}","user_id":{},"amount":{},"merchant":"{}","timestamp":"{}","is_fraud":{},"payment_method":"{}","location":"{}","device_id":"{}"}}"#,
            self.id,
            self.user_id,
            self.amount,
            self.merchant,
            self.timestamp,
            self.is_fraud,
            self.payment_method,
            self.location,
            self.device_id
        )
        .into_bytes()
    }

    /// Avro in Confluent framing, written with the schema of that id.
    pub(crate) fn avro(&self, schema_id: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&schema_id.to_be_bytes());
        put_text(&mut bytes, &self.id);
        put_long(&mut bytes, self.user_id.into());
        bytes.extend_from_slice(&self.amount.to_le_bytes());
        put_text(&mut bytes, &self.merchant);
        put_text(&mut bytes, &self.timestamp);
        bytes.push(u8::from(self.is_fraud));
        put_text(&mut bytes, &self.payment_method);
        put_text(&mut bytes, &self.location);
        put_text(&mut bytes, &self.device_id);
        bytes
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_long(bytes, text.len() as i64);
    bytes.extend_from_slice(text.as_bytes());
}

fn put_long(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// A message before it is in a batch.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Sent {
    /// A transaction as JSON on a partition, keyed by its user, without a Kafka timestamp.
    pub(crate) fn json(partition: i32, offset: i64, transaction: &Transaction) -> Self {
        Self {
            partition,
            offset,
            timestamp_ms: None,
            key: Some(transaction.user_id.to_string().into_bytes()),
            value: Some(transaction.json()),
        }
    }

    pub(crate) fn at(self, timestamp_ms: i64) -> Self {
        Self { timestamp_ms: Some(timestamp_ms), ..self }
    }
}

pub(crate) fn batch(sent: &[Sent]) -> MessageBatch {
    let bytes = sent.iter().map(|sent| sent.value.as_ref().map_or(0, Vec::len)).sum();
    let mut batch = MessageBatch::with_capacity(sent.len(), bytes);
    for sent in sent {
        batch.push(Message {
            partition: sent.partition,
            offset: sent.offset,
            timestamp_ms: sent.timestamp_ms,
            key: sent.key.as_deref(),
            value: sent.value.as_deref(),
        });
    }
    batch
}

/// The values of a column as text, null as `NULL`.
pub(crate) fn texts(rows: &RecordBatch, column: &str) -> Vec<String> {
    let column = rows.column_by_name(column).expect("the table has the column");
    let options = FormatOptions::new().with_null("NULL");
    let formatter = ArrayFormatter::try_new(column, &options).expect("the type can be shown");
    (0..rows.num_rows()).map(|row| formatter.value(row).to_string()).collect()
}
