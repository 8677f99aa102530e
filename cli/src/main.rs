//! `sluice`: runs pipelines on this machine, with the code that runs them in a cluster.

mod args;
mod checks;
mod commands;
#[cfg(test)]
mod fixtures;
mod local_status;
mod manifest;
mod plan;
mod ports;
mod printer_columns;
mod progress;
mod replay;
mod reports;
mod secrets;
mod site;
mod snapshot;
mod state_directory;
mod supervise;
mod terminal;
mod upkeep;
mod worker_program;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match commands::run(command) {
        Ok(code) => code,
        Err(error) => {
            terminal::print_error(&error);
            ExitCode::FAILURE
        }
    }
}
