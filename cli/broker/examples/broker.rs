//! The embedded broker as a program of its own, for the tests with foreign clients.
//!
//! Prints `listening on ADDRESS` and runs until it is killed, or told to stop by the end of its
//! standard input.

use std::{io, net::SocketAddr, path::PathBuf, thread, time::Duration};

use clap::Parser;
use sluice_broker::{Broker, BrokerConfig, BrokerError};

/// Runs the embedded broker.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory that holds everything.
    #[arg(long)]
    data: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The number of partitions of topics that are created automatically.
    #[arg(long)]
    auto_create_partitions: Option<u32>,
    /// How often expired segments are looked for, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    retention_interval_ms: u64,
    /// Shut down in order when the standard input ends.
    #[arg(long)]
    until_input_ends: bool,
}

#[snafu::report]
fn main() -> Result<(), BrokerError> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let arguments = Arguments::parse();
    let broker = Broker::start(BrokerConfig {
        listen: arguments.listen,
        auto_create_partitions: arguments.auto_create_partitions,
        retention_interval: Duration::from_millis(arguments.retention_interval_ms),
        ..BrokerConfig::new(arguments.data)
    })?;
    println!("listening on {}", broker.address());
    if arguments.until_input_ends {
        // An unreadable input has ended as well.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        broker.shutdown();
        return Ok(());
    }
    loop {
        thread::park();
    }
}
