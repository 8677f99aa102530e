//! The worker's HTTP server, on a thread and runtime of its own so that it answers under load.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use sluice_contract::report::{Phase, Report};
use snafu::{ResultExt, Snafu};

use super::metrics;
use super::state::Status;

/// Why the server could not start.
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
    /// The thread or its runtime could not be made.
    #[snafu(display("failed to start the HTTP server: {source}"))]
    Start {
        /// What the system says.
        source: std::io::Error,
    },
}

/// Serves `status` until the process ends. Returns the address, which matters for port 0.
pub fn serve(address: SocketAddr, status: Arc<Status>) -> Result<SocketAddr, ServeError> {
    let listener = TcpListener::bind(address).context(ListenSnafu { address })?;
    listener.set_nonblocking(true).context(ListenSnafu { address })?;
    let bound = listener.local_addr().context(ListenSnafu { address })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(StartSnafu)?;
    let answer = async move {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "failed to serve HTTP"),
        };
        if let Err(error) = axum::serve(listener, router(status)).await {
            tracing::error!(%error, "failed to serve HTTP");
        }
    };
    thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || runtime.block_on(answer))
        .context(StartSnafu)?;
    Ok(bound)
}

fn router(status: Arc<Status>) -> Router {
    Router::new()
        .route("/report", get(report))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render_metrics))
        .with_state(status)
}

async fn report(State(status): State<Arc<Status>>) -> Json<Report> {
    Json(status.report())
}

/// Ready is who reads and commits. What keeps the others from it is in the answer.
async fn ready(State(status): State<Arc<Status>>) -> impl IntoResponse {
    let report = status.report();
    let code = match report.phase {
        Phase::Running | Phase::Finished => StatusCode::OK,
        Phase::Starting | Phase::Standby | Phase::Blocked => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut text = format!("{:?}\n", report.phase);
    for problem in report.problems {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", problem.reason, problem.message);
    }
    (code, text)
}

async fn render_metrics(State(status): State<Arc<Status>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&status))
}
