//! [`Snapshot`]: what runs, and what was last seen of it. `up` writes it, `get` and `status` read it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sluice_contract::report::{Phase, Report};
use sluice_crds::replay::{ReplayPhase, ReplayStatus};
use sluice_crds::{FraudScorer, StreamPipeline};
use snafu::{ResultExt, Snafu};

use crate::state_directory::{StateDirectory, StateError, replace_file};
use crate::supervise::ChildState;

/// Why there is no snapshot to be had.
#[derive(Debug, Snafu)]
pub(crate) enum SnapshotError {
    #[snafu(display("failed to write the snapshot: {source}"))]
    Write { source: StateError },
    #[snafu(display("failed to read {}: {source}", path.display()))]
    Read { path: PathBuf, source: io::Error },
    #[snafu(display(
        "failed to read {}: {source}; it is of another version of sluice: stop that one and remove the file",
        path.display()
    ))]
    Parse { path: PathBuf, source: serde_json::Error },
    #[snafu(display(
        "failed to find anything in {}: nothing has run there; start with `sluice up -f DIR --state {}`",
        state.display(), state.display()
    ))]
    NothingThere { state: PathBuf },
}

/// What runs, and what was last seen of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// When `sluice up` started.
    pub(crate) started_at_ms: i64,
    /// When this was seen.
    pub(crate) taken_at_ms: i64,
    pub(crate) services: Vec<ProcessSnapshot>,
    pub(crate) generators: Vec<ProcessSnapshot>,
    pub(crate) pipelines: Vec<PipelineSnapshot>,
    #[serde(default)]
    pub(crate) scorers: Vec<ScorerSnapshot>,
}

/// A process without a report.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessSnapshot {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<SocketAddr>,
    pub(crate) process: ChildState,
}

/// One pipeline.
pub(crate) type PipelineSnapshot = JobSnapshot<StreamPipeline>;
/// One scorer.
pub(crate) type ScorerSnapshot = JobSnapshot<FraudScorer>;

/// A resource and its workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobSnapshot<R> {
    pub(crate) resource: R,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Root of the lake in force.
    pub(crate) lake: String,
    /// Brokers in force.
    pub(crate) bootstrap_servers: String,
    /// Path of the workers' configuration; `None` while nothing runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configuration: Option<PathBuf>,
    /// Path of the rules that they read again, of a scorer; `None` while nothing runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rules: Option<PathBuf>,
    /// What has become of the newest replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<ReplayStatus>,
    /// Empty while nothing runs.
    pub(crate) workers: Vec<WorkerSnapshot>,
}

/// One worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerSnapshot {
    pub(crate) name: String,
    pub(crate) shard: u32,
    pub(crate) address: SocketAddr,
    pub(crate) process: ChildState,
    /// The newest report that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) report: Option<Report>,
}

impl<R> JobSnapshot<R> {
    /// `namespace/name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it has this name, which may be `namespace/name`.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.full_name() == name
    }

    /// Whether all workers are at work, and tables and positions are there.
    pub(crate) fn is_at_work(&self) -> bool {
        let is_at_work = |worker: &WorkerSnapshot| {
            matches!(worker.process, ChildState::Running { .. })
                && worker
                    .report
                    .as_ref()
                    .is_some_and(|report| report.phase == Phase::Running && report.epoch.is_some())
        };
        !self.workers.is_empty() && self.workers.iter().all(is_at_work)
    }

    /// The newest report of each worker that has one.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &Report> {
        self.workers.iter().filter_map(|worker| worker.report.as_ref())
    }
}

impl Snapshot {
    /// All workers, of pipelines and of scorers.
    pub(crate) fn workers_mut(&mut self) -> impl Iterator<Item = &mut WorkerSnapshot> {
        let of_pipelines = self.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.workers);
        of_pipelines.chain(self.scorers.iter_mut().flat_map(|scorer| &mut scorer.workers))
    }

    /// What has become of replays, of pipelines and of scorers.
    pub(crate) fn replays_mut(&mut self) -> impl Iterator<Item = &mut ReplayStatus> {
        let of_pipelines = self.pipelines.iter_mut().filter_map(|pipeline| pipeline.replay.as_mut());
        of_pipelines.chain(self.scorers.iter_mut().filter_map(|scorer| scorer.replay.as_mut()))
    }

    /// Nothing of it runs any more: what was not finished has stopped.
    pub(crate) fn stop_all(&mut self) {
        for replay in self.replays_mut().filter(|replay| replay.phase == ReplayPhase::Running) {
            replay.phase = ReplayPhase::Pending;
            replay.message = Some("stopped; the next `sluice up` begins it again".to_owned());
        }
        let stop = |state: &mut ChildState| {
            if !state.is_final() {
                *state = ChildState::Stopped;
            }
        };
        self.workers_mut().for_each(|worker| stop(&mut worker.process));
        let processes = self.services.iter_mut().chain(&mut self.generators);
        processes.for_each(|process| stop(&mut process.process));
    }

    /// Writes it where `get` and `status` look.
    pub(crate) fn write(&self, state: &StateDirectory) -> Result<(), SnapshotError> {
        let json = serde_json::to_vec_pretty(self).expect("a snapshot has string keys only");
        replace_file(&state.snapshot(), &json).context(WriteSnafu)
    }

    /// Reads the one of the `sluice up` that runs, or ran last.
    pub(crate) fn read(state: &StateDirectory) -> Result<Self, SnapshotError> {
        let path = state.snapshot();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return NothingThereSnafu { state: state.root() }.fail();
            }
            text => text.context(ReadSnafu { path: &path })?,
        };
        serde_json::from_slice(&text).context(ParseSnafu { path })
    }
}
