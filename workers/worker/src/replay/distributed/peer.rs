//! Workers of replays: servers that run tasks. One in this process, and those of `sluice-worker replay-peer`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion_distributed::{DistributedExt, Worker, WorkerQueryContext};
use snafu::ResultExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use url::Url;

use super::super::error::{ListenSnafu, PeerMissingSnafu, ReplayError, ServeSnafu};
use super::plan::PassCodec;

/// How long peers may need to start.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(250);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Serves until the process ends.
pub(in super::super) async fn serve(address: SocketAddr) -> Result<(), ReplayError> {
    let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
    let address = listener.local_addr().context(ListenSnafu { address })?;
    tracing::info!(%address, "waiting for tasks of a replay");
    serve_on(listener).await
}

/// So many workers: all peers, which have started then, and the others in this process, at least one; none where this
/// process goes through bronze alone.
pub(in super::super) async fn workers(peers: &[Url], count: usize) -> Result<Vec<Url>, ReplayError> {
    if count == 1 && peers.is_empty() {
        return Ok(Vec::new());
    }
    await_peers(peers).await?;
    let mut workers = peers.to_vec();
    for _ in peers.len()..count.max(peers.len() + 1) {
        workers.push(serve_here().await?);
    }
    Ok(workers)
}

/// Serves in this process, on a free port that only this machine reaches.
async fn serve_here() -> Result<Url, ReplayError> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
    let address = listener.local_addr().context(ListenSnafu { address })?;
    tokio::spawn(serve_on(listener));
    Ok(Url::parse(&format!("http://{address}")).expect("an address is a host"))
}

async fn serve_on(listener: TcpListener) -> Result<(), ReplayError> {
    let worker = Worker::from_session_builder(session).with_version(env!("CARGO_PKG_VERSION"));
    let server = Server::builder().add_service(worker.into_worker_server());
    server.serve_with_incoming(TcpListenerStream::new(listener)).await.context(ServeSnafu)
}

async fn session(context: WorkerQueryContext) -> Result<SessionState, DataFusionError> {
    Ok(context.builder.with_distributed_user_codec(PassCodec).build())
}

/// Waits until all of them answer.
async fn await_peers(peers: &[Url]) -> Result<(), ReplayError> {
    let deadline = Instant::now() + PATIENCE;
    for peer in peers {
        while let Err(error) = reach(peer).await {
            if Instant::now() >= deadline {
                return Err(error).context(PeerMissingSnafu { peer: peer.clone() });
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn reach(peer: &Url) -> io::Result<()> {
    // Brackets are around an IPv6 address in a URL alone.
    let host = peer.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = peer.port_or_known_default().unwrap_or(80);
    match tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
