//! The parts of requests: flags in the query, schemas and settings in the body.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use snafu::{ResultExt, ensure};

use crate::catalogue::{VersionChoice, Visibility};
use crate::refusal::{NotInImportModeSnafu, Refusal, UnreadableBodySnafu, UnsupportedSchemaSnafu};

/// The query of a request. Clients spell booleans `true` or, from Python, `True`.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(HashMap<String, String>);

impl Parameters {
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn visibility(&self) -> Visibility {
        if self.is_set("deletedOnly") || self.is_set("deleted_only") {
            Visibility::DeletedOnly
        } else if self.is_set("deleted") {
            Visibility::LiveAndDeleted
        } else {
            Visibility::Live
        }
    }

    /// The items between `offset` and `limit`; a limit that is absent or not positive is none.
    pub(super) fn page<T>(&self, items: Vec<T>) -> Vec<T> {
        let number = |name| self.text(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let offset = usize::try_from(number("offset")).unwrap_or(0);
        match usize::try_from(number("limit")) {
            Ok(limit) if limit > 0 => items.into_iter().skip(offset).take(limit).collect(),
            _ => items.into_iter().skip(offset).collect(),
        }
    }
}

/// A subject and one of its versions, as a path names them.
pub(super) struct SubjectVersion(pub(super) String, pub(super) VersionChoice);

impl<S: Send + Sync> FromRequestParts<S> for SubjectVersion {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((subject, version)) = path.map_err(IntoResponse::into_response)?;
        let choice = VersionChoice::parse(&version).map_err(IntoResponse::into_response)?;
        Ok(Self(subject, choice))
    }
}

/// Reads the body, whatever its content type says.
pub(super) fn read_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).context(UnreadableBodySnafu)
}

/// A schema as clients send it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaRequest {
    schema: String,
    schema_type: Option<String>,
    id: Option<i64>,
    version: Option<i64>,
    #[serde(default)]
    references: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    rule_set: Value,
}

/// The text of the schema in a body, if the registry supports all that the body asks for.
pub(super) fn read_schema(subject: &str, body: &Bytes) -> Result<String, Refusal> {
    let request: SchemaRequest = read_body(body)?;
    let kind = request.schema_type.as_deref().unwrap_or("AVRO");
    ensure!(
        kind.eq_ignore_ascii_case("AVRO"),
        UnsupportedSchemaSnafu { what: format!("schemaType {kind}"), fix: "use AVRO" }
    );
    let extras = [
        ("references", &request.references, "write the referenced types out in the schema"),
        ("metadata", &request.metadata, "leave it out"),
        ("ruleSet", &request.rule_set, "leave it out"),
    ];
    for (what, value, fix) in extras {
        ensure!(is_empty(value), UnsupportedSchemaSnafu { what, fix });
    }
    // Zero and below are what clients send that have no id to ask for.
    let chosen = [request.id, request.version].into_iter().flatten().any(|number| number > 0);
    ensure!(!chosen, NotInImportModeSnafu { subject });
    Ok(request.schema)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(attributes) => attributes.values().all(is_empty),
        _ => false,
    }
}
