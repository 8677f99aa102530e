//! What a broker is started with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// How the broker listens, where it stores and what it does by default.
///
/// ```
/// use sluice_broker::BrokerConfig;
///
/// let config = BrokerConfig { auto_create_partitions: Some(4), ..BrokerConfig::new("/tmp/broker") };
/// assert_eq!(config.listen.port(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The address to listen on. Port 0 lets the system choose; [`crate::Broker::address`] tells.
    pub listen: SocketAddr,
    /// The host name that clients are told to connect to. Without one, each client is told the
    /// address at which it reached the broker.
    pub advertised_host: Option<String>,
    /// The directory that holds everything the broker keeps. Only one broker may use it at a time.
    pub data: PathBuf,
    /// The number of partitions of a topic that is created because a client asked for its
    /// metadata. `None`: topics are created on request only.
    pub auto_create_partitions: Option<u32>,
    /// How long records are kept in topics without `retention.ms`. `None`: forever.
    pub default_retention: Option<Duration>,
    /// How often written data is forced to the disk. See the crate's documentation.
    pub flush_interval: Duration,
    /// How often expired segments are looked for.
    pub retention_interval: Duration,
    /// How long the first member of an empty group waits for others before it gets all partitions.
    pub group_rebalance_delay: Duration,
    /// What clients may use up.
    pub limits: Limits,
}

impl BrokerConfig {
    /// The defaults: a loopback port chosen by the system, no automatic topics, seven days of
    /// retention, a flush every second.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised_host: None,
            data: data.into(),
            auto_create_partitions: None,
            default_retention: Some(Duration::from_hours(7 * 24)),
            flush_interval: Duration::from_secs(1),
            retention_interval: Duration::from_secs(1),
            group_rebalance_delay: Duration::from_millis(250),
            limits: Limits::default(),
        }
    }
}

/// Bounds on what clients may use up, so that no request can exhaust the process.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time; further ones are closed at once.
    pub connections: usize,
    /// The largest request; a larger one closes its connection.
    pub request_bytes: usize,
    /// The memory of all requests that are being received or answered; further ones wait.
    pub requests_in_memory_bytes: usize,
    /// The most record bytes in one fetch response (a single larger batch is still served).
    pub fetch_bytes: usize,
    /// The most partitions of one topic.
    pub partitions_per_topic: u32,
    /// The most members of one consumer group.
    pub members_per_group: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            request_bytes: 100 << 20,
            requests_in_memory_bytes: 256 << 20,
            fetch_bytes: 50 << 20,
            partitions_per_topic: 1_000,
            members_per_group: 1_000,
        }
    }
}
