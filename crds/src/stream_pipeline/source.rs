//! Where messages come from and how they are read.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::text;

/// Where messages come from and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.format != 'Json' || has(self.schema)")
        .message("format Json needs schema: the Avro schema text of one message")
        .reason(Reason::FieldValueRequired)
        .field_path(".schema"),
    validation = Rule::new("self.format != 'Avro' || has(self.schemaRegistry)")
        .message("format Avro needs schemaRegistry.url: messages name their schema by its id there")
        .reason(Reason::FieldValueRequired)
        .field_path(".schemaRegistry")
)]
pub struct Source {
    /// The Kafka topic.
    pub kafka: Kafka,
    /// The encoding of message values: `Json` (one JSON object per message) or `Avro` (Confluent framing: a
    /// zero byte, the schema id in 4 bytes, the datum).
    pub format: Format,
    /// Avro schema text of one message; its fields are the columns of bronze. Needed for `Json`. For `Avro`
    /// the default is the latest version of the registry's subject when the pipeline first starts. Example:
    /// `{"type":"record","name":"Reading","fields":[{"name":"device","type":"string"}]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub schema: Option<String>,
    /// The schema registry, needed for `Avro`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_registry: Option<SchemaRegistry>,
    /// Which column is the event time, and what it may look like.
    pub event_time: EventTime,
}

/// A Kafka topic and how to reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.strimziRef) != has(self.bootstrapServers)")
        .message("give exactly one of strimziRef and bootstrapServers"),
    validation = Rule::new("!has(self.security) || has(self.bootstrapServers)")
        .message("security goes with bootstrapServers; with strimziRef the listener and its user say it")
        .reason(Reason::FieldValueForbidden)
        .field_path(".security")
)]
pub struct Kafka {
    /// A Kafka cluster that Strimzi runs in this namespace: addresses, encryption and credentials come from
    /// its listener and its KafkaUser. Either this or `bootstrapServers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strimzi_ref: Option<StrimziReference>,
    /// Brokers to connect to first, as a comma-separated list of `host:port`, for example
    /// `kafka-0.kafka:9092,kafka-1.kafka:9092`. Either this or `strimziRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::bootstrap_servers")]
    pub bootstrap_servers: Option<String>,
    /// Encryption and authentication, with `bootstrapServers`. Default: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Name of the topic, for example `ecommerce.transactions`. It cannot be changed: the lake belongs to
    /// its topic.
    #[schemars(schema_with = "text::topic")]
    pub topic: String,
    /// The column whose text is the key of each message, for example `user_id`. It is checked on each row
    /// (condition `KeyMismatch`); velocity rules and online features need it. Default: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::column_name")]
    pub key_column: Option<String>,
    /// Where a partition without a stored position starts: `Earliest` (the first message that the broker
    /// still has) or `Latest` (only what comes after the pipeline). Default: `Earliest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,
}

/// A listener of a Kafka cluster that Strimzi runs in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StrimziReference {
    /// Name of the `Kafka` resource.
    #[schemars(schema_with = "text::object_name")]
    pub name: String,
    /// Name of one of its listeners, for example `tls`.
    #[schemars(schema_with = "text::object_name")]
    pub listener: String,
    /// Name of a `KafkaUser`, whose Secret has the credentials. Needed where the listener asks for
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::object_name")]
    pub user: Option<String>,
}

/// Where a partition without a stored position starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StartFrom {
    /// At the first message that the broker still has.
    #[default]
    Earliest,
    /// At the end of the log.
    Latest,
}

/// The encoding of message values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// One JSON object per message.
    Json,
    /// Avro in Confluent framing.
    Avro,
}

/// Encryption and authentication of the Kafka connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.mtls) || has(self.tls)")
        .message("mtls needs tls: write tls: {} to trust the system's authorities")
        .reason(Reason::FieldValueRequired)
        .field_path(".tls")
)]
pub struct Security {
    /// Encrypts the connection and checks the brokers' certificates. Default: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Authenticates by a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<MutualTls>,
    /// Authenticates by user name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// How the brokers' certificates are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with the certificates of the authorities to trust, in PEM. Default: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretReference>,
}

/// A Secret with certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretReference {
    /// Name of the Secret.
    #[schemars(schema_with = "text::object_name")]
    pub name: String,
    /// Key in the Secret. Default: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub key: Option<String>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// Secret with the certificate chain and the private key, in PEM.
    pub secret_ref: LocalReference,
    /// Key of the certificate chain in the Secret. Default: `tls.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub certificate_key: Option<String>,
    /// Key of the private key in the Secret. Default: `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub private_key_key: Option<String>,
}

/// A user name and password for Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// The mechanism: `Plain`, `ScramSha256` or `ScramSha512`.
    pub mechanism: SaslMechanism,
    /// Secret with the user name and the password.
    pub secret_ref: LocalReference,
    /// Key of the user name in the Secret. Default: `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub username_key: Option<String>,
    /// Key of the password in the Secret. Default: `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::secret_key")]
    pub password_key: Option<String>,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// The password travels as it is: use it over TLS.
    Plain,
    /// Challenge and response with SHA-256.
    ScramSha256,
    /// Challenge and response with SHA-512.
    ScramSha512,
}

/// A Confluent-compatible schema registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaRegistry {
    /// Base address, for example `http://schema-registry:8081`.
    #[schemars(schema_with = "text::http_url")]
    pub url: String,
    /// The subject that the schema comes from where `schema` is not given. Default: `<topic>-value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub subject: Option<String>,
    /// Secret with the keys `username` and `password`, for HTTP basic authentication. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// Which column is the event time, and what it may look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTime {
    /// A top-level field of the schema: text such as `2026-01-05T20:07:30.25+01:00` or `2026-01-05 20:07`, or
    /// an Avro date or timestamp. Expressions find the parsed time in the column `event_time`.
    #[schemars(schema_with = "text::column_name")]
    pub column: String,
    /// The zone in which text without an offset is read, by its name in the time zone database, for example
    /// `Europe/Berlin`. Derived columns are UTC all the same. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time_zone")]
    pub time_zone: Option<String>,
    /// How far the watermark trails the largest event time of a partition, so that rows may come that much
    /// out of order. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub max_out_of_orderness: Option<String>,
    /// How long a partition that is read to its end may bring no row before the others stop waiting for it.
    /// Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub idle_after: Option<String>,
    /// How far a partition that is read to its end may trail the others in event time (the median of their
    /// watermarks) before windows do not wait for it. Its rows are not late for that: they correct windows that are
    /// final. The condition `PartitionsStalled` names such partitions. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub stalled_after: Option<String>,
    /// Rows whose event time lies further than this beyond their Kafka timestamp are refused with reason
    /// `FutureTimestamp`. Default: never. Example: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub refuse_future_beyond: Option<String>,
}
