//! [`Session`]: everything that one `sluice up` holds while it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use k8s_openapi::jiff::Timestamp;
use sluice_crds::replay::{ReplayPhase, ReplayStatus};
use snafu::ResultExt;

use crate::commands::up::prepare::{PlannedJob, Prepared};
use crate::commands::{CommandError, PrintSnafu};
use crate::manifest;
use crate::plan::{PlannedReplay, PlannedService};
use crate::progress::format;
use crate::progress::printer::Printer;
use crate::progress::view::JobView;
use crate::replay;
use crate::reports::{self, Reporters};
use crate::snapshot::{JobSnapshot, ProcessSnapshot, Snapshot, WorkerSnapshot};
use crate::state_directory::StateDirectory;
use crate::supervise::{
    ChildState, Event, EventKind, ProcessSpec, RestartPolicy, Role, Supervisor, last_lines,
};

/// Everything that one `sluice up` holds while it runs.
pub(super) struct Session {
    pub(super) prepared: Prepared,
    pub(super) state: StateDirectory,
    pub(super) until_caught_up: bool,
    pub(super) supervisor: Supervisor,
    pub(super) printer: Printer,
    pub(super) snapshot: Snapshot,
    /// Why processes failed for good, with their last lines.
    pub(super) failures: BTreeMap<String, (String, Vec<String>)>,
    reporters: Reporters,
}

impl Session {
    pub(super) fn new(prepared: Prepared, state: StateDirectory, until_caught_up: bool) -> Self {
        let now = Timestamp::now().as_millisecond();
        // Nothing may have run here before, or it was of another release.
        let before = Snapshot::read(&state).ok();
        let (pipelines, scorers) =
            before.map(|before| (before.pipelines, before.scorers)).unwrap_or_default();
        let snapshot = Snapshot {
            started_at_ms: now,
            taken_at_ms: now,
            services: prepared.services.iter().map(service).collect(),
            generators: prepared.generators.iter().map(|process| waiting(process, None)).collect(),
            pipelines: prepared.pipelines.iter().map(|planned| job(planned, &pipelines)).collect(),
            scorers: prepared.scorers.iter().map(|planned| job(planned, &scorers)).collect(),
        };
        Self {
            prepared,
            state,
            until_caught_up,
            supervisor: Supervisor::new(),
            printer: Printer::new(),
            snapshot,
            failures: BTreeMap::new(),
            reporters: Reporters::new(),
        }
    }

    /// Starts a process with its log below the state directory.
    pub(super) fn start(&mut self, process: ProcessSpec, policy: RestartPolicy) {
        let log = self.state.log(&process.name);
        self.supervisor.start(process, policy, log);
    }

    /// Starts every upkeep whose turn has come, unless it is still at work.
    pub(super) fn start_upkeep(&mut self) {
        let now = Timestamp::now();
        let upkeeps = self.prepared.pipelines.iter_mut().filter_map(|pipeline| pipeline.upkeep.as_mut());
        let mut due = Vec::new();
        for upkeep in upkeeps {
            let state = self.supervisor.state(&upkeep.process.name);
            let is_running = state.is_some_and(|state| !state.is_final());
            if upkeep.takes_its_turn(now, is_running) {
                due.push(upkeep.process.clone());
            }
        }
        for process in due {
            self.start(process, RestartPolicy::Once);
        }
    }

    /// Starts every replay whose resource's workers are all at work.
    pub(super) fn start_replays(&mut self) {
        let now = Timestamp::now();
        let begin = |(planned, told, is_at_work)| replay::begin(planned, told, is_at_work, now);
        let due: Vec<ProcessSpec> = self.replays().filter_map(begin).collect();
        for process in due {
            self.start(process, RestartPolicy::UntilSuccess);
        }
    }

    /// Each replay that is planned, with what is told of it, and whether all workers of its resource are at work.
    fn replays(&mut self) -> impl Iterator<Item = (&PlannedReplay, &mut ReplayStatus, bool)> {
        fn of<'a, R>(
            (planned, job): (&'a PlannedJob<R>, &'a mut JobSnapshot<R>),
        ) -> Option<(&'a PlannedReplay, &'a mut ReplayStatus, bool)> {
            let is_at_work = job.is_at_work();
            Some((planned.replay.as_ref()?, job.replay.as_mut()?, is_at_work))
        }
        let pipelines = self.prepared.pipelines.iter().zip(&mut self.snapshot.pipelines).filter_map(of);
        let scorers = self.prepared.scorers.iter().zip(&mut self.snapshot.scorers).filter_map(of);
        pipelines.chain(scorers)
    }

    /// Looks at all processes and asks the workers for their reports.
    pub(super) async fn look(&mut self) {
        self.note_states();
        self.reporters.refresh(&mut self.snapshot).await;
        self.snapshot.taken_at_ms = Timestamp::now().as_millisecond();
    }

    /// What all workers say, by pipeline and scorer.
    pub(super) fn views(&self) -> Vec<JobView> {
        let pipelines = self.snapshot.pipelines.iter().map(JobView::of);
        pipelines.chain(self.snapshot.scorers.iter().map(JobView::of_scorer)).collect()
    }

    /// Says what happened, remembers failures, and lets `get` and `status` see the new state.
    pub(super) fn note(&mut self, event: Event) -> Result<(), CommandError> {
        let Event { process, kind } = event;
        let say = |printer: &mut Printer, text: &str, lines: &[String]| {
            printer.say(text)?;
            lines.iter().try_for_each(|line| printer.say(&format!("    {line}")))
        };
        let upkeeps = self.prepared.pipelines.iter().filter_map(|pipeline| pipeline.upkeep.as_ref());
        let is_upkeep = upkeeps.into_iter().any(|upkeep| upkeep.process.name == process);
        let printer = &mut self.printer;
        let said = match &kind {
            EventKind::Crashed { reason, restart_in, last_lines } => {
                let pause = format::duration(*restart_in);
                say(printer, &format!("{process} {reason}; it starts again in {pause}"), last_lines)
            }
            EventKind::Failed { reason, last_lines } => {
                let again =
                    if is_upkeep { "it has another turn by its schedule" } else { "it is not started again" };
                say(printer, &format!("{process} {reason}; {again}"), last_lines)
            }
            EventKind::Killed => {
                say(printer, &format!("{process} did not stop within 20 s and was killed"), &[])
            }
            EventKind::Finished => Ok(()),
        };
        said.context(PrintSnafu)?;
        match kind {
            EventKind::Failed { reason, last_lines } => {
                self.note_end_of_replay(&process, ReplayPhase::Failed, &last_lines)?;
                self.failures.insert(process, (reason, last_lines));
            }
            EventKind::Finished => {
                self.take_last_report(&process);
                let last_lines = last_lines(&self.state.log(&process), 0);
                self.note_end_of_replay(&process, ReplayPhase::Succeeded, &last_lines)?;
            }
            EventKind::Crashed { .. } | EventKind::Killed => {}
        }
        self.note_states();
        Ok(self.snapshot.write(&self.state)?)
    }

    /// If the process was a replay, says how it has ended.
    fn note_end_of_replay(
        &mut self,
        process: &str,
        phase: ReplayPhase,
        last_lines: &[String],
    ) -> Result<(), CommandError> {
        let now = Timestamp::now();
        let mut lines = Vec::new();
        for (_, told, _) in self.replays().filter(|(planned, ..)| planned.process.name == process) {
            replay::end(told, phase, last_lines, now);
            lines.push(replay::line(told));
        }
        lines.iter().try_for_each(|line| self.printer.say(line)).context(PrintSnafu)
    }

    /// A worker that has finished answers no more; its log ends with its last report.
    fn take_last_report(&mut self, process: &str) {
        let report = reports::last_in_log(&self.state.log(process));
        for worker in self.snapshot.workers_mut().filter(|worker| worker.name == process) {
            if let Some(report) = report.clone() {
                worker.report = Some(report);
            }
        }
    }

    /// Stops upkeep, replays, workers, traffic and services, in this order, and says so to `get` and `status`.
    pub(super) async fn stop(&mut self) -> Result<(), CommandError> {
        for role in [Role::Upkeep, Role::Replay, Role::Worker, Role::Generator, Role::Service] {
            self.supervisor.stop(role).await;
            for event in self.supervisor.pending_events() {
                self.note(event)?;
            }
        }
        self.close()
    }

    /// Kills everything at once. The tables stay whole: that is what they are made for.
    pub(super) async fn kill(&mut self) -> Result<(), CommandError> {
        self.supervisor.kill_all().await;
        self.close()
    }

    fn close(&mut self) -> Result<(), CommandError> {
        self.snapshot.stop_all();
        Ok(self.snapshot.write(&self.state)?)
    }

    fn note_states(&mut self) {
        for worker in self.snapshot.workers_mut() {
            if let Some(state) = self.supervisor.state(&worker.name) {
                worker.process = state;
            }
        }
        for process in self.snapshot.services.iter_mut().chain(&mut self.snapshot.generators) {
            if let Some(state) = self.supervisor.state(&process.name) {
                process.process = state;
            }
        }
    }
}

fn service(service: &PlannedService) -> ProcessSnapshot {
    waiting(&service.process, Some(service.address))
}

fn waiting(process: &ProcessSpec, address: Option<SocketAddr>) -> ProcessSnapshot {
    ProcessSnapshot { name: process.name.clone(), address, process: ChildState::Starting }
}

/// A job before its processes start; `before` are those of its kind that ran here before.
fn job<R: Clone + manifest::Named>(job: &PlannedJob<R>, before: &[JobSnapshot<R>]) -> JobSnapshot<R> {
    let (namespace, name) = (manifest::namespace(&job.resource), manifest::name(&job.resource));
    let before = before.iter().find(|other| other.namespace == namespace && other.name == name);
    let workers = job.workers.iter().map(|worker| WorkerSnapshot {
        name: worker.process.name.clone(),
        shard: worker.shard,
        address: worker.address,
        process: ChildState::Starting,
        report: None,
    });
    JobSnapshot {
        resource: job.resource.clone(),
        namespace,
        name,
        lake: job.lake.clone(),
        bootstrap_servers: job.bootstrap_servers.clone(),
        configuration: job.documents.as_ref().map(|documents| documents.configuration.clone()),
        rules: job.documents.as_ref().and_then(|documents| documents.hot.clone()),
        replay: replay::at_start(job.replay.as_ref(), before.and_then(|before| before.replay.clone())),
        workers: workers.collect(),
    }
}
