//! `sluice up`: runs resources as local processes until Ctrl-C, or until they have caught up.
//!
//! 1. `prepare`: the files of -f become a plan, or a list of everything that is in the way.
//! 2. `launch`: services, traffic, a check of every configuration, workers: each needs the ones before.
//! 3. `watch`: progress and what happens, until something ends it.
//! 4. Workers, traffic and services are stopped, in this order.

mod greeting;
mod launch;
mod prepare;
mod session;
mod watch;

use std::process::ExitCode;

use snafu::ResultExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::session::Session;
use crate::args::UpArguments;
use crate::commands::{CommandError, RuntimeSnafu};
use crate::state_directory::StateDirectory;
use crate::terminal::print_remark;

pub(super) async fn run(arguments: UpArguments) -> Result<ExitCode, CommandError> {
    let state = StateDirectory::new(&arguments.state.state)?;
    let prepared = prepare::prepare(&arguments, &state)?;
    let _lock = state.lock()?;
    prepared.remarks.iter().for_each(|remark| print_remark(remark));
    let mut signals = Signals::new()?;
    let mut session = Session::new(prepared, state, arguments.until_caught_up);
    let outcome = tokio::select! {
        launched = launch::launch(&mut session) => Some(launched),
        () = signals.received() => None,
    };
    let outcome = match outcome {
        None => Ok(ExitCode::SUCCESS),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => watch::watch(&mut session, &mut signals).await,
    };
    let stopped = tokio::select! {
        stopped = session.stop() => Some(stopped),
        () = signals.received() => None,
    };
    match stopped {
        Some(stopped) => stopped?,
        // Whoever asks twice is in a hurry.
        None => session.kill().await?,
    }
    outcome
}

/// The signals that ask for an end: Ctrl-C and that of `sluice down`.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, CommandError> {
        let interrupt = signal(SignalKind::interrupt()).context(RuntimeSnafu)?;
        let terminate = signal(SignalKind::terminate()).context(RuntimeSnafu)?;
        Ok(Self { interrupt, terminate })
    }

    /// Returns at the next of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
