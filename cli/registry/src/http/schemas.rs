//! Calls under `/schemas/ids`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::http::request::Parameters;
use crate::http::{Answer, Outcome};
use crate::refusal::Refusal;
use crate::store::Store;

pub(super) async fn by_id(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let catalogue = store.catalogue();
    let (_, text) = catalogue.schema(&id)?;
    let mut answer = json!({"schema": text});
    if query.is_set("fetchMaxId") {
        answer["maxId"] = catalogue.last_id().into();
    }
    Ok(Answer::json(&answer))
}

pub(super) async fn text(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Outcome {
    Ok(Answer::text(store.catalogue().schema(&id)?.1))
}

pub(super) async fn versions(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let catalogue = store.catalogue();
    let uses: Vec<Value> = uses(&catalogue, &id, &query)?
        .map(|(subject, version)| json!({"subject": subject, "version": version}))
        .collect();
    Ok(Answer::json(&query.page(uses)))
}

pub(super) async fn subjects(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let catalogue = store.catalogue();
    let mut subjects: Vec<&str> = uses(&catalogue, &id, &query)?.map(|(subject, _)| subject).collect();
    subjects.dedup();
    Ok(Answer::json(&query.page(subjects)))
}

/// Subjects and versions that have a schema; of one subject only, if the query names it.
fn uses<'a>(
    catalogue: &'a Catalogue,
    id: &str,
    query: &'a Parameters,
) -> Result<impl Iterator<Item = (&'a str, u32)>, Refusal> {
    let (id, _) = catalogue.schema(id)?;
    let wanted = query.text("subject");
    let uses = catalogue.uses(id, query.visibility()).into_iter();
    Ok(uses.filter(move |(subject, _)| wanted.is_none_or(|wanted| wanted == *subject)))
}
