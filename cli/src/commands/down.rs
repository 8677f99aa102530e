//! `sluice down`: asks the `sluice up` of a state directory to stop, and waits until it has.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use snafu::{ResultExt, ensure};

use crate::args::StateArguments;
use crate::commands::{CommandError, SignalSnafu, StillRunningSnafu};
use crate::state_directory::StateDirectory;

/// Workers, generators and services are stopped one after the other, and each has twenty seconds.
const PATIENCE: Duration = Duration::from_secs(65);

pub(super) fn run(arguments: &StateArguments) -> Result<ExitCode, CommandError> {
    let state = StateDirectory::new(&arguments.state)?;
    let Some(process) = state.owner()? else {
        println!("nothing runs in {}", state.root().display());
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(id) = Pid::from_raw(process) {
        kill_process(id, Signal::TERM).map_err(Into::into).context(SignalSnafu { process })?;
    }
    let began = Instant::now();
    while state.owner()? == Some(process) {
        ensure!(began.elapsed() < PATIENCE, StillRunningSnafu { process, seconds: PATIENCE.as_secs() });
        sleep(Duration::from_millis(50));
    }
    println!("stopped; the tables and the position in the topics stay in {}", state.root().display());
    Ok(ExitCode::SUCCESS)
}
