//! Why a broker does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use snafu::Snafu;

use crate::{journal::JournalError, log::LogError};

/// Why a broker does not start or stop.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum BrokerError {
    /// The data directory cannot be used.
    #[snafu(display("failed to use the data directory \"{}\"", path.display()))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another broker runs on the same directory.
    #[snafu(display(
        "failed to lock the data directory \"{}\": another broker uses it; stop it or choose another directory",
        path.display()
    ))]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The broker's identity cannot be read.
    #[snafu(display("failed to read the broker's identity"))]
    Identity {
        /// Why.
        source: JournalError,
    },
    /// The topics cannot be read.
    #[snafu(display("failed to read the topics' catalogue"))]
    Catalogue {
        /// Why.
        source: JournalError,
    },
    /// What earlier topics left cannot be removed.
    #[snafu(display("failed to clean the directory \"{}\"", path.display()))]
    Clean {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A topic's records cannot be read.
    #[snafu(display("failed to open the partitions of the topic \"{topic}\""))]
    Partition {
        /// The topic.
        topic: String,
        /// Why.
        source: LogError,
    },
    /// The committed offsets cannot be read.
    #[snafu(display("failed to read the committed offsets"))]
    Offsets {
        /// Why.
        source: JournalError,
    },
    /// The address cannot be listened on.
    #[snafu(display("failed to listen on {address}"))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[snafu(display("failed to start a thread of the broker"))]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}
