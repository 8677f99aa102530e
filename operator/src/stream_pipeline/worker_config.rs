//! [`worker_config`]: the document that all shards of a pipeline read. Pure.

use serde_json::{Value, json};
use sluice_contract::config::{self, CONFIG_FORMAT_VERSION, WorkerConfig};

use super::decide::ResolvedPipeline;
use super::validated::{SecretKey, UserName, ValidatedPipeline};
use crate::digest;
use crate::site::Site;

/// Key of the ConfigMap that holds the name of the Kafka user, where no Secret has it.
pub const USERNAME_KEY: &str = "kafka-username";

/// The document that all shards of a pipeline read, for workers that find their own ConfigMap's files in
/// `config_directory`.
pub fn worker_config(resolved: &ResolvedPipeline, config_directory: &str, site: &Site) -> WorkerConfig {
    let pipeline = &resolved.pipeline;
    WorkerConfig {
        format_version: CONFIG_FORMAT_VERSION,
        owner: config::Owner {
            cluster: site.cluster().to_owned(),
            namespace: pipeline.namespace.clone(),
            name: pipeline.name.clone(),
        },
        revision: revision(pipeline),
        shards: pipeline.shards,
        source: config::Source {
            kafka: config::Kafka {
                bootstrap_servers: resolved.bootstrap_servers.clone(),
                topic: pipeline.topic.clone(),
                key_column: pipeline.key_column.clone(),
                start_from: pipeline.start_from,
                security: security(resolved, config_directory, site),
            },
            format: pipeline.format,
            schema: pipeline.schema.clone(),
            schema_registry: schema_registry(resolved, site),
            event_time: pipeline.event_time.clone(),
        },
        storage: config::Storage { uri: resolved.storage.uri.clone(), adopt: resolved.storage.adopt.clone() },
        commit: pipeline.commit,
        bronze: pipeline.bronze,
        silver: pipeline.silver.clone(),
        gold: pipeline.gold.clone(),
    }
}

/// A hash over everything that decides which rows come out, and over nothing else: neither addresses nor the
/// layout of the schema's text start a new generation.
pub fn revision(pipeline: &ValidatedPipeline) -> String {
    let mut deciding = deciding_silver(pipeline);
    deciding["bronze"] = json!(pipeline.bronze);
    deciding["gold"] = json!(pipeline.gold);
    digest::of_text(&deciding.to_string(), 16)
}

/// A hash over everything that decides which silver rows come out.
pub fn silver_revision(pipeline: &ValidatedPipeline) -> String {
    digest::of_text(&deciding_silver(pipeline).to_string(), 16)
}

fn deciding_silver(pipeline: &ValidatedPipeline) -> Value {
    let schema = pipeline
        .schema
        .as_ref()
        .map(|text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.clone())));
    let subject = pipeline.schema_registry.as_ref().and_then(|registry| registry.subject.as_ref());
    json!({
        "format": pipeline.format,
        "schema": schema,
        "subject": if schema.is_none() { subject } else { None },
        "eventTime": pipeline.event_time,
        "silver": pipeline.silver,
    })
}

fn security(resolved: &ResolvedPipeline, config_directory: &str, site: &Site) -> config::Security {
    let pipeline = &resolved.pipeline;
    let path = |key: &SecretKey| secret_path(key, pipeline, site);
    config::Security {
        tls: resolved.security.tls.as_ref().map(|tls| config::Tls {
            ca_path: tls.authorities.as_ref().map(path),
            certificate_path: tls.client.as_ref().map(|(certificate, _)| path(certificate)),
            key_path: tls.client.as_ref().map(|(_, private_key)| path(private_key)),
        }),
        sasl: resolved.security.sasl.as_ref().map(|sasl| config::Sasl {
            mechanism: sasl.mechanism.to_owned(),
            username_path: match &sasl.username {
                UserName::Secret(key) => path(key),
                UserName::Known(_) => format!("{config_directory}/{USERNAME_KEY}"),
            },
            password_path: path(&sasl.password),
        }),
    }
}

fn schema_registry(resolved: &ResolvedPipeline, site: &Site) -> Option<config::SchemaRegistry> {
    let registry = resolved.schema_registry.as_ref()?;
    let path = |key: &SecretKey| secret_path(key, &resolved.pipeline, site);
    Some(config::SchemaRegistry {
        url: registry.url.clone(),
        subject: registry.subject.clone(),
        username_path: registry.credentials.as_ref().map(|(username, _)| path(username)),
        password_path: registry.credentials.as_ref().map(|(_, password)| path(password)),
    })
}

fn secret_path(key: &SecretKey, pipeline: &ValidatedPipeline, site: &Site) -> String {
    format!("{}/{}", site.secret_directory(&pipeline.namespace, &key.secret), key.key)
}
