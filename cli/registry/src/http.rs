//! The REST interface: translates requests to calls of the catalogue, and answers to JSON.

mod request;
mod schemas;
mod settings;
mod subjects;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;

use crate::catalogue::{Catalogue, Decision};
use crate::refusal::Refusal;
use crate::store::Store;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// What each call gives back.
type Outcome = Result<Answer, Refusal>;

/// All calls.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/", get(|| async { Answer::json(&json!({})) }))
        .route("/contexts", get(|| async { Answer::json(&json!(["."])) }))
        .route("/subjects", get(subjects::list))
        .route("/subjects/{subject}", post(subjects::look_up).delete(subjects::delete))
        .route("/subjects/{subject}/versions", get(subjects::versions).post(subjects::register))
        .route(
            "/subjects/{subject}/versions/{version}",
            get(subjects::version).delete(subjects::delete_version),
        )
        .route("/subjects/{subject}/versions/{version}/schema", get(subjects::version_schema))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(subjects::referenced_by))
        .route("/compatibility/subjects/{subject}/versions", post(subjects::is_compatible_with_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(subjects::is_compatible))
        .route("/schemas/types", get(|| async { Answer::json(&json!(["AVRO"])) }))
        .route("/schemas/ids/{id}", get(schemas::by_id))
        .route("/schemas/ids/{id}/schema", get(schemas::text))
        .route("/schemas/ids/{id}/versions", get(schemas::versions))
        .route("/schemas/ids/{id}/subjects", get(schemas::subjects))
        .route("/config", get(settings::level).put(settings::set_level).delete(settings::unset_level))
        .route(
            "/config/{subject}",
            get(settings::subject_level)
                .put(settings::set_subject_level)
                .delete(settings::unset_subject_level),
        )
        .route("/mode", get(settings::mode).put(settings::set_mode))
        .route(
            "/mode/{subject}",
            get(settings::subject_mode).put(settings::set_subject_mode).delete(settings::unset_subject_mode),
        )
        .fallback(|| async { Refusal::UnknownCall })
        .method_not_allowed_fallback(|| async { Refusal::MethodNotAllowed })
        .with_state(store)
}

/// A success.
pub(crate) struct Answer(String);

impl Answer {
    fn json(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).expect("answers have string keys only"))
    }

    /// A body that is JSON already.
    fn text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).expect("the codes' heads are HTTP statuses");
        if status.is_server_error() {
            tracing::error!(error = %self, "failed to store a change");
        }
        let body = Answer::json(&json!({"error_code": self.code(), "message": self.to_string()}));
        (status, body).into_response()
    }
}

/// Runs a change where it may wait for the disk.
async fn change<T: Send + 'static>(
    store: Arc<Store>,
    decide: impl FnOnce(&Catalogue) -> Result<Decision<T>, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let changed = tokio::task::spawn_blocking(move || store.change(decide)).await;
    changed.unwrap_or_else(|error| Err(Refusal::Store { message: error.to_string() }))
}
