//! `generate`: realistic e-commerce traffic to any Kafka topic.
//!
//! | file | its one job |
//! |---|---|
//! | `arguments` | the command line |
//! | `catalogue`, `world` | cities, shops and users with habits |
//! | `session`, `label`, `traffic` | who buys what when, what is fraud, what is sent twice or late |
//! | `faults` | what can be wrong or odd about a message, by reason |
//! | `calendar`, `clock`, `pace` | times as text, arrival times of a past, messages due by now |
//! | `encode`, `schema`, `partition` | bytes of keys and values, Avro schemas, the key's partition |
//! | `topic`, `producer` | Kafka |
//!
//! All but the last row is pure: the same seed, start time and shares give the same bytes.

mod arguments;
mod calendar;
mod catalogue;
mod clock;
mod encode;
mod error;
mod faults;
mod label;
mod pace;
mod partition;
mod producer;
mod schema;
mod session;
mod topic;
mod traffic;
mod transaction;
mod world;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use snafu::ResultExt;
use tokio::signal::unix::{SignalKind, signal};

pub use arguments::{Format, GenerateArguments};
pub use error::GenerateError;

use encode::Encoding;
use error::{ListenForSignalsSnafu, SendingThreadSnafu};

/// Sends traffic until it is done, interrupted, or its parent has ended.
pub async fn run(arguments: GenerateArguments) -> Result<(), GenerateError> {
    arguments.check()?;
    let stop = stop_request(arguments.exit_with_parent)?;
    let partitions = topic::ensure_topic(&arguments).await?;
    let encoding = match (arguments.format, &arguments.schema_registry) {
        (Format::Avro, Some(registry)) => {
            Encoding::Avro(schema::register_schemas(registry, &arguments.topic).await?)
        }
        _ => Encoding::Json,
    };
    let sending = move || producer::send_all(&arguments, encoding, partitions, &stop);
    let messages = tokio::task::spawn_blocking(sending).await.context(SendingThreadSnafu)??;
    tracing::info!(messages, "all messages are delivered");
    Ok(())
}

/// A flag that is set on SIGINT, SIGTERM and, if asked, when standard input closes.
fn stop_request(exit_with_parent: bool) -> Result<Arc<AtomicBool>, GenerateError> {
    let stop = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).context(ListenForSignalsSnafu)?;
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            signals.recv().await;
            stop.store(true, Ordering::Relaxed);
        });
    }
    if exit_with_parent {
        let stop = Arc::clone(&stop);
        // A thread of its own: reading standard input cannot be cancelled, and must not hold up the exit.
        std::thread::spawn(move || {
            let mut buffer = [0; 256];
            while matches!(std::io::stdin().read(&mut buffer), Ok(count) if count > 0) {}
            stop.store(true, Ordering::Relaxed);
        });
    }
    Ok(stop)
}
