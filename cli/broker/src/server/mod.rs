//! Accepting connections, each of which gets a thread.

mod budget;
mod connection;
pub(crate) mod frame;

use std::{
    collections::HashMap,
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use snafu::ResultExt as _;

use self::{budget::Budget, connection::Connection};
use crate::{
    error::{BrokerError, ListenSnafu, ThreadSnafu},
    locks::lock,
    node::Node,
    signal::Signal,
};

/// How long to wait when the system has no more connections to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The listening socket's thread and those of all connections.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
    connections: Arc<Connections>,
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Connections {
    open: Mutex<HashMap<u64, OpenConnection>>,
}

#[derive(Debug)]
struct OpenConnection {
    stream: TcpStream,
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen.
    pub(crate) fn start(node: &Arc<Node>) -> Result<Self, BrokerError> {
        let address = node.config.listen;
        let listener = TcpListener::bind(address).context(ListenSnafu { address })?;
        let address = listener.local_addr().context(ListenSnafu { address })?;
        let connections = Arc::new(Connections::default());
        let acceptor = {
            let node = Arc::clone(node);
            let connections = Arc::clone(&connections);
            thread::Builder::new()
                .name("broker-accept".to_owned())
                .spawn(move || accept_all(&listener, &node, &connections))
                .context(ThreadSnafu)?
        };
        Ok(Self { address, acceptor, connections })
    }

    /// The address that is listened on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes everything and joins all threads. The node has been told to stop before.
    pub(crate) fn stop(self) {
        // The acceptor looks whether it is to stop after each connection, so it is given one.
        let _ = TcpStream::connect_timeout(&reachable(self.address), Duration::from_secs(1));
        let _ = self.acceptor.join();
        let open: Vec<OpenConnection> = lock(&self.connections.open).drain().map(|(_, open)| open).collect();
        for connection in &open {
            let _ = connection.stream.shutdown(Shutdown::Both);
            connection.signal.raise();
        }
        for thread in open.into_iter().filter_map(|connection| connection.thread) {
            let _ = thread.join();
        }
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn accept_all(listener: &TcpListener, node: &Arc<Node>, connections: &Arc<Connections>) {
    let budget = Arc::new(Budget::new(node.config.limits.requests_in_memory_bytes));
    for (number, stream) in (0..).zip(listener.incoming()) {
        if node.is_stopping() {
            return;
        }
        let accepted = stream.and_then(|stream| connections.serve(number, stream, node, &budget));
        if let Err(error) = accepted {
            tracing::warn!(error = &error as &dyn Error, "failed to accept a connection");
            thread::sleep(EXHAUSTED_PAUSE);
        }
    }
}

impl Connections {
    fn serve(
        self: &Arc<Self>,
        number: u64,
        stream: TcpStream,
        node: &Arc<Node>,
        budget: &Arc<Budget>,
    ) -> io::Result<()> {
        let mut open = lock(&self.open);
        let limit = node.config.limits.connections;
        if open.len() >= limit {
            tracing::warn!(limit, "closed a connection: too many are open");
            return Ok(());
        }
        let signal = Arc::new(Signal::default());
        let closing = stream.try_clone()?;
        let connection = Connection::new(stream, Arc::clone(node), Arc::clone(budget), Arc::clone(&signal))?;
        let connections = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("broker-client-{number}")).spawn(move || {
            let _leaving = Leaving { connections, number };
            connection.serve();
        })?;
        open.insert(number, OpenConnection { stream: closing, signal, thread: Some(thread) });
        Ok(())
    }
}

/// Takes a connection off the list when its thread ends, even by a panic.
struct Leaving {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(open) = lock(&self.connections.open).remove(&self.number) {
            let _ = open.stream.shutdown(Shutdown::Both);
        }
    }
}
