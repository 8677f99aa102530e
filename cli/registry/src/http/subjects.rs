//! Calls under `/subjects` and `/compatibility`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde_json::json;
use snafu::ResultExt;

use crate::compatibility::Conflict;
use crate::http::request::{Parameters, SubjectVersion, read_schema};
use crate::http::{Answer, Outcome, change};
use crate::refusal::InvalidSchemaSnafu;
use crate::schema::AvroSchema;
use crate::store::Store;

pub(super) async fn list(State(store): State<Arc<Store>>, Query(query): Query<Parameters>) -> Outcome {
    let catalogue = store.catalogue();
    let prefix = query.text("subjectPrefix").unwrap_or_default();
    let subjects: Vec<&str> =
        catalogue.subjects(query.visibility()).filter(|subject| subject.starts_with(prefix)).collect();
    Ok(Answer::json(&query.page(subjects)))
}

pub(super) async fn look_up(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
    body: Bytes,
) -> Outcome {
    let text = read_schema(&subject, &body)?;
    let catalogue = store.catalogue();
    let found = catalogue.lookup(&subject, &text, query.visibility())?;
    Ok(version_answer(&subject, found.version, found.id, found.text))
}

pub(super) async fn register(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Outcome {
    let text = read_schema(&subject, &body)?;
    let id = change(store, move |catalogue| catalogue.register(&subject, &text)).await?;
    Ok(Answer::json(&json!({"id": id})))
}

pub(super) async fn delete(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let permanent = query.is_set("permanent");
    let versions = change(store, move |catalogue| catalogue.delete_subject(&subject, permanent)).await?;
    Ok(Answer::json(&versions))
}

pub(super) async fn versions(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let versions = store.catalogue().versions(&subject, query.visibility())?;
    Ok(Answer::json(&query.page(versions)))
}

pub(super) async fn version(
    State(store): State<Arc<Store>>,
    SubjectVersion(subject, choice): SubjectVersion,
    Query(query): Query<Parameters>,
) -> Outcome {
    let catalogue = store.catalogue();
    let found = catalogue.version(&subject, choice, query.visibility())?;
    Ok(version_answer(&subject, found.version, found.id, found.text))
}

pub(super) async fn version_schema(
    State(store): State<Arc<Store>>,
    SubjectVersion(subject, choice): SubjectVersion,
    Query(query): Query<Parameters>,
) -> Outcome {
    let catalogue = store.catalogue();
    Ok(Answer::text(catalogue.version(&subject, choice, query.visibility())?.text))
}

/// Schemas that refer to this one: none, since references are not supported.
pub(super) async fn referenced_by(
    State(store): State<Arc<Store>>,
    SubjectVersion(subject, choice): SubjectVersion,
    Query(query): Query<Parameters>,
) -> Outcome {
    store.catalogue().version(&subject, choice, query.visibility())?;
    Ok(Answer::json(&json!([])))
}

pub(super) async fn delete_version(
    State(store): State<Arc<Store>>,
    SubjectVersion(subject, choice): SubjectVersion,
    Query(query): Query<Parameters>,
) -> Outcome {
    let permanent = query.is_set("permanent");
    let version =
        change(store, move |catalogue| catalogue.delete_version(&subject, choice, permanent)).await?;
    Ok(Answer::json(&version))
}

pub(super) async fn is_compatible(
    State(store): State<Arc<Store>>,
    SubjectVersion(subject, choice): SubjectVersion,
    Query(query): Query<Parameters>,
    body: Bytes,
) -> Outcome {
    let schema = AvroSchema::parse(&read_schema(&subject, &body)?).context(InvalidSchemaSnafu)?;
    let conflicts = store.catalogue().conflicts_with(&subject, choice, &schema)?;
    Ok(compatibility_answer(&conflicts, query.is_set("verbose")))
}

pub(super) async fn is_compatible_with_all(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
    body: Bytes,
) -> Outcome {
    let schema = AvroSchema::parse(&read_schema(&subject, &body)?).context(InvalidSchemaSnafu)?;
    let conflicts = store.catalogue().conflicts(&subject, &schema);
    Ok(compatibility_answer(&conflicts, query.is_set("verbose")))
}

fn version_answer(subject: &str, version: u32, id: u32, text: &str) -> Answer {
    Answer::json(&json!({"subject": subject, "version": version, "id": id, "schema": text}))
}

fn compatibility_answer(conflicts: &[Conflict], verbose: bool) -> Answer {
    let mut answer = json!({"is_compatible": conflicts.is_empty()});
    if verbose {
        answer["messages"] = conflicts.iter().map(ToString::to_string).collect();
    }
    Answer::json(&answer)
}
