//! The operator's own HTTP server: `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use snafu::{ResultExt, Snafu};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Why the server cannot run.
#[derive(Debug, Snafu)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[snafu(display(
        "failed to listen on {address}: {source}; free the address, or choose another with --listen"
    ))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What the operator is waiting for; nothing when it is ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    waiting_for: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    /// An operator that has just started.
    pub fn new() -> Self {
        Self { waiting_for: Arc::new(Mutex::new(Some("the API server".to_owned()))) }
    }

    /// It waits for something.
    pub fn wait_for(&self, what: impl Into<String>) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    /// It waits for nothing.
    pub fn ready(&self) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn answer(&self) -> (StatusCode, String) {
        match self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {what}\n")),
        }
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves until it is stopped, on a task of its own. Returns the address, which matters for port 0.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError> {
    let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
    let bound = listener.local_addr().context(ListenSnafu { address })?;
    let router = router(readiness, metrics);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
        {
            tracing::error!(%error, "failed to serve HTTP");
        }
    });
    Ok(bound)
}

fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|State(readiness): State<Readiness>| async move { readiness.answer() }))
        .with_state(readiness)
        .merge(
            Router::new()
                .route("/metrics", get(|State(metrics): State<Metrics>| async move { metrics.text() }))
                .with_state(metrics),
        )
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::Readiness;

    #[test]
    fn an_operator_that_waits_says_for_what() {
        let readiness = Readiness::new();
        assert_eq!(readiness.answer().0, StatusCode::SERVICE_UNAVAILABLE);
        readiness.wait_for("the CRD 'x'");
        assert_eq!(
            readiness.answer(),
            (StatusCode::SERVICE_UNAVAILABLE, "waiting for the CRD 'x'\n".to_owned())
        );
        readiness.ready();
        assert_eq!(readiness.answer(), (StatusCode::OK, "ready\n".to_owned()));
    }
}
