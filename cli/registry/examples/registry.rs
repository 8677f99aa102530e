//! Runs the registry in the foreground, for tests by clients that are not ours.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use sluice_registry::{Registry, RegistryConfig, RegistryError};

/// Runs an embedded schema registry.
#[derive(Parser)]
struct Arguments {
    /// Directory of the registry's log.
    #[arg(long)]
    data: PathBuf,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
#[snafu::report]
async fn main() -> Result<(), RegistryError> {
    let Arguments { data, listen } = Arguments::parse();
    let registry = Registry::start(RegistryConfig { listen, directory: data }).await?;
    println!("listening on http://{}", registry.address());
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    registry.shutdown().await;
    Ok(())
}
