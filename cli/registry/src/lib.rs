//! An embedded schema registry with Confluent's REST interface, for laptops, CI and demos.
//!
//! It answers the calls that client libraries make, keeps Avro schemas only, and enforces compatibility
//! (`BACKWARD` unless configured). JSON Schema, Protobuf, schema references and rules are refused.
//!
//! ```text
//!  http ---> catalogue.register(..)        what would change, or a refusal: pure
//!                |  Event
//!                v
//!            log.append(event)             fsynced: the commit point
//!                |
//!                v
//!            catalogue.apply(event) ---> the answer
//! ```
//! A restart replays the log, so ids and versions survive anything that the disk survives.

mod canonical;
mod catalogue;
mod compatibility;
mod http;
mod inline;
mod log;
mod refusal;
mod schema;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snafu::{ResultExt, Snafu};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use crate::log::LogError;
use crate::store::Store;

/// How long a shutdown waits for answers that are being written.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// Where a registry listens and where it keeps its log.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the log; created when absent. One registry at a time may use it.
    pub directory: PathBuf,
}

/// Why a registry does not start.
#[derive(Debug, Snafu)]
pub enum RegistryError {
    /// The log cannot be used.
    #[snafu(display("failed to open the schema registry's log: {source}"))]
    OpenLog {
        /// The cause.
        source: LogError,
    },
    /// The address cannot be listened on.
    #[snafu(display("failed to listen on {address}: {source}; choose another address or port"))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
}

/// A running registry. Dropping it without [`Registry::shutdown`] stops it abruptly, which loses nothing.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Registry {
    /// Replays the log and starts to answer.
    pub async fn start(config: RegistryConfig) -> Result<Self, RegistryError> {
        let store = Arc::new(Store::open(&config.directory).context(OpenLogSnafu)?);
        let listener =
            TcpListener::bind(config.listen).await.context(ListenSnafu { address: config.listen })?;
        let address = listener.local_addr().context(ListenSnafu { address: config.listen })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, http::router(store)).with_graceful_shutdown(async {
            // A dropped sender stops the server as well.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the schema registry's listener failed");
            }
        });
        Ok(Self { address, stop: Some(stop), server })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits for answers under way.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if tokio::time::timeout(SHUTDOWN_PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}
