//! The task that keeps one process running until it is asked to stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::{mpsc, watch};

use crate::supervise::log_tail::last_lines;
use crate::supervise::process::{Exit, ProcessSpec, open_log, rotate_log, signal, spawn};
use crate::supervise::restart::{Next, RestartPolicy, Restarts};
use crate::supervise::{ChildState, Event, EventKind, STOP_PATIENCE};

/// What a keeper is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopRequest {
    None,
    Gently,
    Now,
}

pub(super) struct Keeper {
    pub(super) spec: ProcessSpec,
    pub(super) policy: RestartPolicy,
    pub(super) log: PathBuf,
    pub(super) state: watch::Sender<ChildState>,
    pub(super) stop: watch::Receiver<StopRequest>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// How one life of a process ended.
struct Life {
    exit: Exit,
    lived: Duration,
    last_lines: Vec<String>,
    was_stopped: bool,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        if let Err(error) = rotate_log(&self.log) {
            let reason = format!("failed to prepare its log {}: {error}", self.log.display());
            return self.fail(reason, Vec::new());
        }
        let mut restarts = Restarts::default();
        loop {
            let life = self.live().await;
            if life.was_stopped {
                self.state.send_replace(ChildState::Stopped);
                return;
            }
            let reason = life.exit.describe();
            match restarts.next(self.policy, &life.exit, life.lived) {
                Next::Finished => {
                    self.state.send_replace(ChildState::Finished);
                    return self.tell(EventKind::Finished);
                }
                Next::GiveUp => return self.fail(reason, life.last_lines),
                Next::RestartAfter(restart_in) => {
                    self.state.send_replace(ChildState::Waiting { reason: reason.clone() });
                    self.tell(EventKind::Crashed { reason, restart_in, last_lines: life.last_lines });
                    tokio::select! {
                        () = tokio::time::sleep(restart_in) => {}
                        () = stop_requested(&mut self.stop) => {
                            self.state.send_replace(ChildState::Stopped);
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Starts the process and waits until it ends, by itself or because it was asked.
    async fn live(&mut self) -> Life {
        let began = Instant::now();
        let started = open_log(&self.log).and_then(|log| {
            let from = log.metadata()?.len();
            Ok((spawn(&self.spec, &log)?, from))
        });
        let (mut child, from) = match started {
            Ok(started) => started,
            Err(error) => {
                let exit = Exit::NotStarted(format!("{}: {error}", self.spec.program.display()));
                return Life { exit, lived: Duration::ZERO, last_lines: Vec::new(), was_stopped: false };
            }
        };
        // Taken out of the child, whose `wait` would close it: it closes when this function ends.
        let _input = child.stdin.take();
        self.state.send_replace(ChildState::Running { pid: child.id().unwrap_or_default() });
        tokio::select! {
            status = child.wait() => {
                let exit = Exit::of(status);
                Life { exit, lived: began.elapsed(), last_lines: last_lines(&self.log, from), was_stopped: false }
            }
            () = stop_requested(&mut self.stop) => {
                self.end(&mut child).await;
                Life { exit: Exit::Success, lived: began.elapsed(), last_lines: Vec::new(), was_stopped: true }
            }
        }
    }

    /// Asks a process to end, and kills it when it does not, or when there is no time.
    async fn end(&self, child: &mut tokio::process::Child) {
        if *self.stop.borrow() == StopRequest::Gently {
            signal(child, Signal::TERM);
            let mut stop = self.stop.clone();
            tokio::select! {
                _ = child.wait() => return,
                () = tokio::time::sleep(STOP_PATIENCE) => self.tell(EventKind::Killed),
                _ = stop.wait_for(|request| *request == StopRequest::Now) => {}
            }
        }
        signal(child, Signal::KILL);
        let _ = child.wait().await;
    }

    fn fail(&self, reason: String, last_lines: Vec<String>) {
        self.state.send_replace(ChildState::Failed { reason: reason.clone() });
        self.tell(EventKind::Failed { reason, last_lines });
    }

    fn tell(&self, kind: EventKind) {
        // Nobody listens any more when the supervisor is gone.
        let _ = self.events.send(Event { process: self.spec.name.clone(), kind });
    }
}

/// Returns when the process shall stop; also when the supervisor is gone.
async fn stop_requested(stop: &mut watch::Receiver<StopRequest>) {
    let _ = stop.wait_for(|request| *request != StopRequest::None).await;
}
