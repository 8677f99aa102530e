//! The Avro schemas of the messages, and their registration with a schema registry.

use std::time::Duration;

use serde::Deserialize;
use snafu::{ResultExt, ensure};

use super::GenerateError;
use super::error::{RegistryAnswerSnafu, RegistryReadSnafu, RegistryRequestSnafu};
use super::faults::WriterSchema;

/// The ids that a registry gave to the schemas.
#[derive(Clone, Copy, Debug)]
pub(super) struct SchemaIds {
    /// Of the topic's own schema.
    pub(super) topic: u32,
    /// Of the other writers' schemas, in the order of [`WriterSchema::ALL`].
    pub(super) others: [u32; 5],
}

impl SchemaIds {
    pub(super) fn of(&self, schema: WriterSchema) -> u32 {
        self.others[schema as usize]
    }
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

/// The schema of the topic, or of another writer.
pub(super) fn schema_text(other: Option<WriterSchema>) -> String {
    let mut fields = vec![
        ("transaction_id", "\"string\""),
        ("user_id", "\"int\""),
        ("amount", "\"double\""),
        ("merchant", "\"string\""),
        ("timestamp", "\"string\""),
        ("is_fraud", "\"boolean\""),
        ("payment_method", "\"string\""),
        ("location", "\"string\""),
        ("device_id", "\"string\""),
    ];
    match other {
        None => {}
        Some(WriterSchema::Wider) => fields.push(("channel", "\"string\"")),
        Some(WriterSchema::WholeAmount) => fields[2].1 = "\"long\"",
        Some(WriterSchema::WithoutDevice) => {
            fields.pop();
        }
        Some(WriterSchema::TextUser) => fields[1].1 = "\"string\"",
        Some(WriterSchema::NullAmount) => fields[2].1 = "[\"null\",\"double\"]",
    }
    let fields: Vec<String> =
        fields.iter().map(|(name, kind)| format!("{{\"name\":\"{name}\",\"type\":{kind}}}")).collect();
    format!(
        "{{\"type\":\"record\",\"name\":\"Transaction\",\"namespace\":\"ecommerce\",\"fields\":[{}]}}",
        fields.join(",")
    )
}

/// Registers the topic's schema, and under subjects of their own those of the other writers.
pub(super) async fn register_schemas(registry: &str, topic: &str) -> Result<SchemaIds, GenerateError> {
    let own = register(registry, &format!("{topic}-value"), None).await?;
    let mut others = [0; 5];
    for schema in WriterSchema::ALL {
        let subject = format!("{topic}-value-{schema:?}").to_lowercase();
        others[schema as usize] = register(registry, &subject, Some(schema)).await?;
    }
    Ok(SchemaIds { topic: own, others })
}

async fn register(registry: &str, subject: &str, other: Option<WriterSchema>) -> Result<u32, GenerateError> {
    let url = format!("{}/subjects/{subject}/versions", registry.trim_end_matches('/'));
    let body = serde_json::json!({ "schema": schema_text(other) });
    let answer = reqwest::Client::new()
        .post(&url)
        .header("content-type", "application/vnd.schemaregistry.v1+json")
        .timeout(Duration::from_secs(30))
        .body(body.to_string())
        .send()
        .await
        .context(RegistryRequestSnafu { url: &url })?;
    let status = answer.status();
    let text = answer.text().await.context(RegistryRequestSnafu { url: &url })?;
    ensure!(status.is_success(), RegistryAnswerSnafu { url, status: status.as_u16(), text });
    let registered: Registered = serde_json::from_str(&text).context(RegistryReadSnafu { url })?;
    Ok(registered.id)
}
