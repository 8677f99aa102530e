//! [`ValidatedPipeline`]: a StreamPipeline without faults, in base units, with every default filled in.

use std::collections::BTreeSet;

use sluice_contract::config;

use crate::sharded_job::{Maintenance, Pods, Replay, Storage};

/// A StreamPipeline without faults, in base units, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedPipeline {
    /// Namespace of the resource; `default` where a manifest leaves it open.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource; absent in local mode.
    pub uid: Option<String>,
    /// How Kafka is reached.
    pub kafka: KafkaConnection,
    /// The topic.
    pub topic: String,
    /// The column whose text is the message key.
    pub key_column: Option<String>,
    /// Where a partition without a stored position starts.
    pub start_from: config::StartFrom,
    /// The encoding of message values.
    pub format: config::Format,
    /// Avro schema text of one message.
    pub schema: Option<String>,
    /// The schema registry.
    pub schema_registry: Option<SchemaRegistry>,
    /// The event time.
    pub event_time: config::EventTime,
    /// The lake.
    pub storage: Storage,
    /// Number of shards to start with.
    pub shards: u32,
    /// When an epoch closes.
    pub commit: config::Commit,
    /// The table of decoded messages.
    pub bronze: config::Bronze,
    /// The table of clean rows.
    pub silver: config::Silver,
    /// The windowed tables.
    pub gold: Vec<config::GoldTable>,
    /// Upkeep of the tables.
    pub maintenance: Maintenance,
    /// Tables to be made again, if any.
    pub replay: Option<Replay>,
    /// What the user says about the pods.
    pub pods: Pods,
    /// Whether nothing shall run.
    pub suspended: bool,
}

/// How Kafka is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaConnection {
    /// At known addresses.
    Direct {
        /// Comma-separated `host:port` list.
        bootstrap_servers: String,
        /// Encryption and authentication.
        security: KafkaSecurity,
    },
    /// Through a listener that must be looked up.
    Strimzi {
        /// Name of the Kafka resource.
        cluster: String,
        /// Name of the listener.
        listener: String,
        /// Name of the KafkaUser.
        user: Option<String>,
    },
}

/// Encryption and authentication, as keys of Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    /// TLS; `None`: plain text.
    pub tls: Option<TlsMaterial>,
    /// SASL; `None`: none, or by client certificate.
    pub sasl: Option<SaslMaterial>,
}

/// TLS material.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsMaterial {
    /// Certificates of the authorities; `None`: the system's.
    pub authorities: Option<SecretKey>,
    /// The client's certificate chain and private key.
    pub client: Option<(SecretKey, SecretKey)>,
}

/// SASL material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslMaterial {
    /// Kafka's name of the mechanism: `SCRAM-SHA-512`.
    pub mechanism: &'static str,
    /// The user name.
    pub username: UserName,
    /// The password.
    pub password: SecretKey,
}

/// Where a user name comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// From a Secret.
    Secret(SecretKey),
    /// It is the name of a KafkaUser, whose Secret does not repeat it.
    Known(String),
}

/// One key of a Secret in the pipeline's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    /// The key.
    pub key: String,
}

/// A schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// Base address.
    pub url: String,
    /// The subject that the schema comes from; `None`: `<topic>-value`.
    pub subject: Option<String>,
    /// User name and password.
    pub credentials: Option<(SecretKey, SecretKey)>,
}

impl KafkaSecurity {
    /// All keys of Secrets that the connection needs.
    pub fn secret_keys(&self) -> BTreeSet<&SecretKey> {
        self.secret_fields().into_iter().map(|(_, key)| key).collect()
    }

    /// The same keys, each with the field below `security` that refers to its Secret.
    pub fn secret_fields(&self) -> Vec<(&'static str, &SecretKey)> {
        let mut keys = Vec::new();
        if let Some(tls) = &self.tls {
            keys.extend(tls.authorities.iter().map(|key| ("tls.caSecretRef", key)));
            let client = tls.client.iter().flat_map(|(certificate, private_key)| [certificate, private_key]);
            keys.extend(client.map(|key| ("mtls.secretRef", key)));
        }
        if let Some(sasl) = &self.sasl {
            if let UserName::Secret(username) = &sasl.username {
                keys.push(("sasl.secretRef", username));
            }
            keys.push(("sasl.secretRef", &sasl.password));
        }
        keys
    }
}
