//! One module for each command.

mod down;
mod get;
mod on_lake;
mod quarantine;
mod recover;
mod replay;
mod services;
mod status;
mod up;
mod validate;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use snafu::{ResultExt, Snafu};

use crate::args::Command;
use crate::checks::CheckError;
use crate::manifest::ManifestError;
use crate::secrets::SecretsError;
use crate::snapshot::SnapshotError;
use crate::state_directory::StateError;
use crate::upkeep::ScheduleError;
use crate::worker_program::WorkerProgramError;

/// Why a command failed.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum CommandError {
    #[snafu(display("failed to start: {source}"))]
    Runtime { source: io::Error },
    #[snafu(display("failed to write to the terminal: {source}"))]
    Print { source: io::Error },
    #[snafu(transparent)]
    Manifest { source: ManifestError },
    #[snafu(transparent)]
    State { source: StateError },
    #[snafu(transparent)]
    Snapshot { source: SnapshotError },
    #[snafu(transparent)]
    Secrets { source: SecretsError },
    #[snafu(transparent)]
    WorkerProgram { source: WorkerProgramError },
    #[snafu(transparent)]
    Check { source: CheckError },
    #[snafu(display("{}\nfailed to run these resources", lines.join("\n")))]
    Problems { lines: Vec<String> },
    #[snafu(display("failed to find a StreamPipeline in the files that -f names; there is nothing to run"))]
    NothingToRun,
    #[snafu(display(
        "failed to use --generate: its messages are e-commerce transactions, and no pipeline's schema has the field transaction_id"
    ))]
    NothingToGenerate,
    #[snafu(display(
        "failed to start {name}: it did not answer at {address} within {seconds} s{}",
        tail(last_lines)
    ))]
    ServiceSilent { name: String, address: String, seconds: u64, last_lines: Vec<String> },
    #[snafu(display("failed to run {process}: it {reason}{}", tail(last_lines)))]
    ProcessFailed { process: String, reason: String, last_lines: Vec<String> },
    #[snafu(display("failed to find '{name}': there are {}", names.join(", ")))]
    NoSuchPipeline { name: String, names: Vec<String> },
    #[snafu(display("failed to choose one: there are {}; name one", names.join(", ")))]
    Several { names: Vec<String> },
    #[snafu(display(
        "failed to find the scorer whose table is to be made again: '{pipeline}' has {}",
        if names.is_empty() { "none that runs here".to_owned() } else { format!("{}; name one by --scorer", names.join(", ")) }
    ))]
    NoOneScorer { pipeline: String, names: Vec<String> },
    #[snafu(display(
        "failed to find the configuration of '{name}': it is suspended, or `sluice up` of another release ran it; \
         start it again with `sluice up`"
    ))]
    NoConfiguration { name: String },
    #[snafu(display("failed to start {}: {source}", worker.display()))]
    StartWorker { worker: PathBuf, source: io::Error },
    #[snafu(display("failed to stop `sluice up` (process {process}): {source}"))]
    Signal { process: i32, source: io::Error },
    #[snafu(display("failed to stop `sluice up` (process {process}): it still runs after {seconds} s"))]
    StillRunning { process: i32, seconds: u64 },
    #[snafu(display("failed to run the broker: {message}"))]
    Broker { message: String },
    #[snafu(display("failed to create the topic '{topic}': {message}"))]
    CreateTopic { topic: String, message: String },
    #[snafu(transparent)]
    Schedule { source: ScheduleError },
    #[snafu(transparent)]
    SchemaRegistry { source: sluice_registry::RegistryError },
}

fn tail(last_lines: &[String]) -> String {
    last_lines.iter().fold(String::new(), |text, line| text + "\n    " + line)
}

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Down(arguments) => down::run(&arguments),
        Command::Quarantine(command) => quarantine::run(&command),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Up(arguments) => in_runtime(up::run(arguments)),
        Command::Get(arguments) => in_runtime(get::run(arguments)),
        Command::Status(arguments) => in_runtime(status::run(arguments)),
        Command::Broker(arguments) => in_runtime(services::broker(arguments)),
        Command::SchemaRegistry(arguments) => in_runtime(services::schema_registry(arguments)),
    }
}

fn in_runtime(
    command: impl Future<Output = Result<ExitCode, CommandError>>,
) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context(RuntimeSnafu)?;
    let outcome = runtime.block_on(command);
    // A thread that reads standard input would hold the process up.
    runtime.shutdown_background();
    outcome
}
