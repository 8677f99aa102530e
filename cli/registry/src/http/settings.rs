//! Calls under `/config` and `/mode`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::json;

use crate::catalogue::Catalogue;
use crate::http::request::{Parameters, read_body};
use crate::http::{Answer, Outcome, change};
use crate::store::Store;

#[derive(Deserialize)]
struct LevelRequest {
    compatibility: String,
}

#[derive(Deserialize)]
struct ModeRequest {
    mode: String,
}

pub(super) async fn level(State(store): State<Arc<Store>>) -> Outcome {
    Ok(Answer::json(&json!({"compatibilityLevel": store.catalogue().global_level()})))
}

pub(super) async fn subject_level(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let level = store.catalogue().level(&subject, query.is_set("defaultToGlobal"))?;
    Ok(Answer::json(&json!({"compatibilityLevel": level})))
}

pub(super) async fn set_level(State(store): State<Arc<Store>>, body: Bytes) -> Outcome {
    put_level(store, None, body).await
}

pub(super) async fn set_subject_level(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Outcome {
    put_level(store, Some(subject), body).await
}

async fn put_level(store: Arc<Store>, subject: Option<String>, body: Bytes) -> Outcome {
    let LevelRequest { compatibility } = read_body(&body)?;
    let level = change(store, move |_| Catalogue::set_level(subject.as_deref(), &compatibility)).await?;
    Ok(Answer::json(&json!({"compatibility": level})))
}

pub(super) async fn unset_level(State(store): State<Arc<Store>>) -> Outcome {
    let level = change(store, |catalogue| catalogue.unset_level(None)).await?;
    Ok(Answer::json(&json!({"compatibilityLevel": level})))
}

pub(super) async fn unset_subject_level(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
) -> Outcome {
    let level = change(store, move |catalogue| catalogue.unset_level(Some(&subject))).await?;
    Ok(Answer::json(&json!({"compatibilityLevel": level})))
}

pub(super) async fn mode(State(store): State<Arc<Store>>) -> Outcome {
    Ok(Answer::json(&json!({"mode": store.catalogue().global_mode()})))
}

pub(super) async fn subject_mode(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    Query(query): Query<Parameters>,
) -> Outcome {
    let mode = store.catalogue().mode(&subject, query.is_set("defaultToGlobal"))?;
    Ok(Answer::json(&json!({"mode": mode})))
}

pub(super) async fn set_mode(State(store): State<Arc<Store>>, body: Bytes) -> Outcome {
    put_mode(store, None, body).await
}

pub(super) async fn set_subject_mode(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Outcome {
    put_mode(store, Some(subject), body).await
}

async fn put_mode(store: Arc<Store>, subject: Option<String>, body: Bytes) -> Outcome {
    let ModeRequest { mode } = read_body(&body)?;
    let mode = change(store, move |_| Catalogue::set_mode(subject.as_deref(), &mode)).await?;
    Ok(Answer::json(&json!({"mode": mode})))
}

pub(super) async fn unset_subject_mode(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
) -> Outcome {
    let mode = change(store, move |catalogue| catalogue.unset_mode(&subject)).await?;
    Ok(Answer::json(&json!({"mode": mode})))
}
