//! `sluice broker` and `sluice schema-registry`: the embedded services, each as a process of its own.

mod create_topic;

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use sluice_broker::{Broker, BrokerConfig};
use sluice_registry::{Registry, RegistryConfig};
use snafu::ResultExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::args::{BrokerArguments, ParentArguments, SchemaRegistryArguments};
use crate::commands::{CommandError, RuntimeSnafu};

pub(super) async fn broker(arguments: BrokerArguments) -> Result<ExitCode, CommandError> {
    log_to_standard_error();
    let config = BrokerConfig {
        listen: arguments.listen,
        // A demonstration's past event times, or a pause of a week, must not empty its topics.
        default_retention: None,
        auto_create_partitions: Some(arguments.partitions),
        ..BrokerConfig::new(arguments.data)
    };
    let broker =
        Broker::start(config).map_err(|error| CommandError::Broker { message: error.to_string() })?;
    for topic in arguments.topics {
        create_topic::ensure(broker.address(), &topic, arguments.partitions)
            .await
            .map_err(|error| CommandError::CreateTopic { topic, message: error.to_string() })?;
    }
    println!("listening on {}", broker.address());
    stop_requested(arguments.parent).await?;
    // It waits for its threads.
    let stopped = tokio::task::spawn_blocking(move || broker.shutdown()).await;
    stopped.map_err(|error| CommandError::Broker { message: error.to_string() })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn schema_registry(arguments: SchemaRegistryArguments) -> Result<ExitCode, CommandError> {
    log_to_standard_error();
    let config = RegistryConfig { listen: arguments.listen, directory: arguments.data };
    let registry = Registry::start(config).await?;
    println!("listening on http://{}", registry.address());
    stop_requested(arguments.parent).await?;
    registry.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Returns on SIGTERM or SIGINT, or when the process that started this one is gone.
async fn stop_requested(parent: ParentArguments) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate()).context(RuntimeSnafu)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(RuntimeSnafu)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = parent_gone(), if parent.exit_with_parent => {}
    }
    Ok(())
}

/// Returns when standard input ends, whose other end the parent holds.
async fn parent_gone() {
    let (sender, gone) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(read) if read > 0) {}
        drop(sender);
    });
    let _ = gone.await;
}

fn log_to_standard_error() {
    // What the libraries below have to say is for debugging them.
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new("warn,sluice=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
