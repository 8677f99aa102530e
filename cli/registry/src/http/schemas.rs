//! Calls under `/schemas/ids`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use crate::http::request::Parameters;
use crate::http::{Answer, Outcome};
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
    let (id, _) = catalogue.schema(&id)?;
    let uses: Vec<Value> = catalogue
        .uses(id, query.visibility())
        .into_iter()
        .filter(|(subject, _)| query.text("subject").is_none_or(|wanted| wanted == *subject))
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
    let (id, _) = catalogue.schema(&id)?;
    let mut subjects: Vec<&str> = catalogue
        .uses(id, query.visibility())
        .into_iter()
        .map(|(subject, _)| subject)
        .filter(|subject| query.text("subject").is_none_or(|wanted| wanted == *subject))
        .collect();
    subjects.dedup();
    Ok(Answer::json(&query.page(subjects)))
}
