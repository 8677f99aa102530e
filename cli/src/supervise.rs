//! Runs processes: starts them, restarts those that crash, stops them in order.
//!
//! Each process has a keeper task of its own. What is happening to it is a [`ChildState`], which anybody may
//! look at; what has happened is an [`Event`], which `sluice up` prints.

mod keeper;
mod log_tail;
mod process;
mod restart;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::keeper::{Keeper, StopRequest};
pub(crate) use self::log_tail::last_lines;
pub(crate) use self::process::{ProcessSpec, Role};
pub(crate) use self::restart::RestartPolicy;

/// How long a process may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What a process is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state", rename_all_fields = "camelCase")]
pub(crate) enum ChildState {
    /// It is about to be started.
    Starting,
    /// It runs.
    Running { pid: u32 },
    /// It crashed and is started again soon.
    Waiting { reason: String },
    /// It did what it was for.
    Finished,
    /// It crashed and is not started again.
    Failed { reason: String },
    /// It was stopped.
    Stopped,
}

impl ChildState {
    /// Whether nothing more will happen to it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Finished | Self::Failed { .. } | Self::Stopped)
    }
}

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) process: String,
    pub(crate) kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It ended by itself and will be started again after a while.
    Crashed { reason: String, restart_in: Duration, last_lines: Vec<String> },
    /// It did what it was for.
    Finished,
    /// It is not started again.
    Failed { reason: String, last_lines: Vec<String> },
    /// It did not end when asked, and was killed.
    Killed,
}

/// The processes of one `sluice up`. Dropping it closes their standard input, at which ours exit.
#[derive(Debug)]
pub(crate) struct Supervisor {
    children: Vec<Child>,
    sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

#[derive(Debug)]
struct Child {
    name: String,
    role: Role,
    state: watch::Receiver<ChildState>,
    stop: watch::Sender<StopRequest>,
    keeper: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self { children: Vec::new(), sender, events }
    }

    /// Starts a process and keeps it running by its policy. Its output goes to the log file.
    ///
    /// A process of the same name that has ended makes room for it.
    pub(crate) fn start(&mut self, spec: ProcessSpec, policy: RestartPolicy, log: PathBuf) {
        self.children.retain(|child| child.name != spec.name || !child.state.borrow().is_final());
        let (state_sender, state) = watch::channel(ChildState::Starting);
        let (stop, stop_receiver) = watch::channel(StopRequest::None);
        let (name, role) = (spec.name.clone(), spec.role);
        let keeper = Keeper {
            spec,
            policy,
            log,
            state: state_sender,
            stop: stop_receiver,
            events: self.sender.clone(),
        };
        let keeper = tokio::spawn(keeper.run());
        self.children.push(Child { name, role, state, stop, keeper });
    }

    /// What a process is doing; `None` if there is no such process.
    pub(crate) fn state(&self, name: &str) -> Option<ChildState> {
        self.children.iter().find(|child| child.name == name).map(|child| child.state.borrow().clone())
    }

    /// What all processes of a role are doing.
    pub(crate) fn states(&self, role: Role) -> Vec<(&str, ChildState)> {
        let of_role = self.children.iter().filter(|child| child.role == role);
        of_role.map(|child| (child.name.as_str(), child.state.borrow().clone())).collect()
    }

    /// The next thing that happens to any process.
    pub(crate) async fn next_event(&mut self) -> Event {
        self.events.recv().await.expect("the supervisor holds a sender itself")
    }

    /// What has happened and was not asked for yet.
    pub(crate) fn pending_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Asks all processes of a role to end, and waits until they have; those that take too long are killed.
    pub(crate) async fn stop(&mut self, role: Role) {
        for child in self.children.iter().filter(|child| child.role == role) {
            child.stop.send_replace(StopRequest::Gently);
        }
        for child in self.children.iter_mut().filter(|child| child.role == role) {
            // A keeper that panicked has dropped its process, which kills it.
            let _ = (&mut child.keeper).await;
        }
        self.children.retain(|child| child.role != role);
    }

    /// Kills all processes at once.
    pub(crate) async fn kill_all(&mut self) {
        for child in &self.children {
            child.stop.send_replace(StopRequest::Now);
        }
        for child in &mut self.children {
            let _ = (&mut child.keeper).await;
        }
        self.children.clear();
    }
}

#[cfg(test)]
mod tests;
