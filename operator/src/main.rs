//! The program `sluice-operator`.

use std::process::ExitCode;

use clap::Parser;
use sluice_operator::settings::Settings;
use sluice_operator::{run, telemetry};
use tikv_jemallocator::Jemalloc;

/// Thousands of objects come and go; the system's allocator keeps what they leave.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let traces = match telemetry::start(&settings.telemetry) {
        Ok(traces) => traces,
        Err(error) => {
            eprintln!("sluice-operator: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = run::run(settings).await;
    if let Err(error) = &ended {
        tracing::error!(%error, "ended");
    }
    // Sending the last traces waits for requests that run here.
    let _ = tokio::task::spawn_blocking(|| traces.flush()).await;
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
