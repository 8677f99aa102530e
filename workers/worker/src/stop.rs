//! [`Stop`]: the one request to end, from a signal or from the parent process.

use std::io::Read;
use std::thread;

use snafu::{ResultExt, Snafu};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why nothing can ask the process to stop.
#[derive(Debug, Snafu)]
#[snafu(display("failed to listen for the signal {name}: {source}"))]
pub struct StopError {
    name: &'static str,
    source: std::io::Error,
}

/// Tells everybody who holds a clone that the process should end.
#[derive(Clone, Debug)]
pub struct Stop {
    requested: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { requested: watch::Sender::new(false) }
    }
}

impl Stop {
    /// Asks everybody to end. Asking again changes nothing.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns when somebody asks; at once if somebody did.
    pub async fn requested(&self) {
        let mut receiver = self.requested.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// Asks on SIGTERM and SIGINT.
    pub fn on_signals(&self) -> Result<(), StopError> {
        let mut terminate = signal(SignalKind::terminate()).context(StopSnafu { name: "SIGTERM" })?;
        let mut interrupt = signal(SignalKind::interrupt()).context(StopSnafu { name: "SIGINT" })?;
        let stop = self.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "asked to stop");
            stop.request();
        });
        Ok(())
    }

    /// Asks when standard input ends, which it does when the process that holds its other end dies.
    pub fn on_end_of_input(&self) {
        let stop = self.clone();
        thread::spawn(move || {
            let mut ignored = [0_u8; 256];
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut ignored), Ok(bytes) if bytes > 0) {}
            tracing::info!("standard input was closed, asked to stop");
            stop.request();
        });
    }
}
