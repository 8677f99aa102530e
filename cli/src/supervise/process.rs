//! [`ProcessSpec`]: what is run, and how a process is started, asked to end and killed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// What a process is for. Stopping goes by role: upkeep, replays, workers, generators, then services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// A broker or registry: the others need it.
    Service,
    /// Traffic.
    Generator,
    /// What the pipelines are run by.
    Worker,
    /// What tends their tables from time to time.
    Upkeep,
    /// What makes their tables again, once.
    Replay,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessSpec {
    /// Unique name, also of its log.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Variables beside those of `sluice` itself.
    pub(crate) environment: BTreeMap<String, String>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With code 0.
    Success,
    /// With another code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It could not be started.
    NotStarted(String),
}

impl Exit {
    pub(super) fn of(status: io::Result<ExitStatus>) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => Self::Success,
                (Some(code), _) => Self::Code(code),
                (None, signal) => Self::Signal(signal.unwrap_or_default()),
            },
            Err(error) => Self::NotStarted(error.to_string()),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Success => "ended".to_owned(),
            Self::Code(code) => format!("failed with exit code {code}"),
            Self::Signal(signal) => format!("was killed by signal {signal}"),
            Self::NotStarted(error) => format!("could not be started: {error}"),
        }
    }
}

/// Moves the log of the run before out of the way.
pub(super) fn rotate_log(log: &Path) -> io::Result<()> {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory)?;
    }
    match fs::rename(log, log.with_extension("previous.log")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn open_log(log: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(log)
}

/// Starts a process in a group of its own, so that Ctrl-C reaches `sluice` alone, which stops the others in
/// order. Its standard input is a pipe that closes when `sluice` dies.
pub(super) fn spawn(spec: &ProcessSpec, log: &File) -> io::Result<Child> {
    Command::new(&spec.program)
        .args(&spec.arguments)
        .envs(&spec.environment)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Sends a signal to a process that was started here and not waited for yet, and to what it started.
pub(super) fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id
        && let Err(error) = kill_process_group(id, signal)
    {
        tracing::debug!(%error, ?signal, "the process was gone");
    }
}
