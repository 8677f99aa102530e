//! An embedded broker that speaks the Kafka protocol, for laptops, CI and demonstrations.
//!
//! ```no_run
//! use sluice_broker::{Broker, BrokerConfig};
//!
//! # fn main() -> Result<(), sluice_broker::BrokerError> {
//! let broker = Broker::start(BrokerConfig::new("/tmp/broker"))?;
//! println!("listening on {}", broker.address());
//! broker.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! # What it is for
//!
//! Running and testing what reads and writes Kafka topics where no Kafka is at hand: it starts in
//! milliseconds, needs a directory and some megabytes, and behaves as a cluster of one broker.
//! Clients need no special settings. Topics, idempotent producers, consumer groups, lookups by
//! time, retention and topic configuration work as they do in Apache Kafka.
//!
//! # What it lacks
//!
//! * **Replication.** There is one broker; a replication factor above 1 is refused.
//! * **Transactions.** A transactional id is refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
//!   which clients treat as final.
//! * **TLS, SASL and access control.** Whoever reaches the port may do everything; listen on the
//!   loopback address.
//! * Compaction (`cleanup.policy=compact` is refused), quotas, tiered storage, the new consumer
//!   group protocol, share groups, and record formats before Kafka 0.11.
//!
//! # What survives what
//!
//! An acknowledged record, a committed offset and a created topic survive the death of the
//! process, however sudden: they are in the system's page cache before they are acknowledged.
//! They survive the death of the *machine* only once they are on the disk, to which everything is
//! forced every [`BrokerConfig::flush_interval`] (one second by default) and by
//! [`Broker::shutdown`]. At the start, the end of each log is read and checked, and cut where a
//! crash left an incomplete batch. When the disk is full, producers are told so by
//! KAFKA_STORAGE_ERROR, which clients retry, and nothing is damaged.
//!
//! # How it is built
//!
//! In the order of reading: `log` stores the record batches of one partition, `topics` and
//! `offsets` what else must survive (both in a `journal`), `groups` knows who reads what, `api`
//! answers one request, `server` receives requests and sends answers with a thread for each
//! connection, `background` does what happens without a request. Batches are stored and served as
//! producers sent them: on their way in they are checked and written in place, on their way out
//! the kernel sends them from the file to the socket.

mod api;
mod background;
mod clock;
mod config;
mod error;
mod groups;
mod identity;
mod journal;
mod locks;
mod log;
mod node;
mod offsets;
mod refusal;
mod server;
mod settings;
mod signal;
mod topics;

use std::{net::SocketAddr, sync::Arc};

use snafu::ResultExt as _;

use crate::{background::Background, error::ThreadSnafu, node::Node, server::Server};
pub use crate::{
    config::{BrokerConfig, Limits},
    error::BrokerError,
    journal::JournalError,
    log::LogError,
};

/// A running broker. It stops when it is dropped.
#[derive(Debug)]
pub struct Broker {
    node: Arc<Node>,
    address: SocketAddr,
    running: Option<(Server, Background)>,
}

impl Broker {
    /// Opens the data directory, creating it if need be, and starts to listen.
    pub fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let node = Arc::new(Node::open(config)?);
        let server = Server::start(&node)?;
        let address = server.address();
        let background = match Background::start(&node).context(ThreadSnafu) {
            Ok(background) => background,
            Err(error) => {
                node.stop();
                server.stop();
                return Err(error);
            }
        };
        tracing::info!(%address, data = %node.config.data.display(), "the embedded broker listens");
        Ok(Self { node, address, running: Some((server, background)) })
    }

    /// The address that the broker listens on, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, forces everything to the disk and joins all threads.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some((server, background)) = self.running.take() {
            self.node.stop();
            server.stop();
            background.stop();
            self.node.flush();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
