//! The command line of `sluice-worker`.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use sluice_worker::check::{self, CheckArguments};
use sluice_worker::generate::{self, GenerateArguments};
use sluice_worker::ingest;
use sluice_worker::maintain::{self, MaintainArguments};
use sluice_worker::quarantine::{self, QuarantineCommand};
use sluice_worker::recover::{self, RecoverArguments};
use sluice_worker::replay::{self, PeerArguments, ReplayArguments};
use sluice_worker::score::{self, ScoreArguments};
use sluice_worker::stream::{JobError, StreamArguments};
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The configuration, or a flag, must be changed.
const UNUSABLE: u8 = 2;
/// Threads of the runtime: heavy work has threads of its own.
const THREADS: usize = 2;

/// The worker of Sluice.
#[derive(Debug, Parser)]
#[command(name = "sluice-worker", version, about)]
struct Arguments {
    /// The form of log lines, which go to standard error.
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read one shard of a topic into the tables of a lake.
    Ingest(StreamArguments),
    /// Score one shard of a topic into a table of a lake, and send alerts.
    Score(ScoreArguments),
    /// Say what is wrong with a configuration.
    Check(CheckArguments),
    /// Compact the tables of a lake, and delete what nobody needs any more.
    Maintain(MaintainArguments),
    /// Look into refused messages, and replay them after a fix.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Rebuild what a lake remembers from its tables, after manifests or state were lost.
    Recover(RecoverArguments),
    /// Make silver, tables of windows or a scorer's table again from bronze, by the present configuration.
    Replay(ReplayArguments),
    /// Wait for tasks of a replay on another machine.
    ReplayPeer(PeerArguments),
    /// Produce realistic e-commerce traffic.
    Generate(GenerateArguments),
}

impl Command {
    /// Threads of the runtime.
    fn threads(&self) -> usize {
        match self {
            Self::Replay(arguments) => arguments.threads().max(THREADS),
            _ => THREADS,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_as(arguments.log_format);
    let threads = arguments.command.threads();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&format!("failed to start: {error}")),
        };
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Ingest(arguments) => ended(Box::pin(ingest::run(arguments)).await),
            Command::Score(arguments) => ended(Box::pin(score::run(arguments)).await),
            Command::Check(arguments) => Box::pin(check::run(arguments)).await,
            Command::Maintain(arguments) => succeeded(Box::pin(maintain::run(arguments)).await),
            Command::Quarantine(command) => match Box::pin(quarantine::run(command)).await {
                Ok(text) => printed(&text),
                Err(error) => failed(&error.to_string()),
            },
            Command::Recover(arguments) => match Box::pin(recover::run(arguments)).await {
                Ok(text) => printed(&text),
                Err(error) => failed(&error.to_string()),
            },
            Command::Replay(arguments) => match Box::pin(replay::run(arguments)).await {
                Ok(text) => printed(&text),
                Err(error) => {
                    let code = failed(&error.to_string());
                    if error.is_unusable() { ExitCode::from(UNUSABLE) } else { code }
                }
            },
            Command::ReplayPeer(arguments) => succeeded(Box::pin(replay::serve(arguments)).await),
            Command::Generate(arguments) => succeeded(Box::pin(generate::run(arguments)).await),
        }
    });
    // A blocking call that hangs must not keep the process: everything that counts is durable.
    runtime.shutdown_background();
    code
}

fn succeeded<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    outcome.map_or_else(|error| failed(&error.to_string()), |()| ExitCode::SUCCESS)
}

fn ended(outcome: Result<(), JobError>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let unusable = error.is_unusable_configuration();
    if let JobError::Unusable { findings } = &error {
        for finding in findings {
            eprintln!("{finding}");
        }
    }
    let code = failed(&error.to_string());
    if unusable { ExitCode::from(UNUSABLE) } else { code }
}

/// Whoever closes the pipe has read enough.
fn printed(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn failed(message: &str) -> ExitCode {
    eprintln!("sluice-worker: {message}");
    ExitCode::FAILURE
}

fn log_as(format: LogFormat) {
    // What the libraries below have to say is for debugging them.
    let quiet = || EnvFilter::new("warn,sluice_worker=info,sluice_lake=info,sluice_engine=info");
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| quiet());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
