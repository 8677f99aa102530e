//! [`JobView`]: what all workers of a pipeline or a scorer say, added up. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use sluice_contract::manifest::Counts;
use sluice_contract::report::{AlertReport, GoldReport, Phase, Problem, TableReport};

use crate::snapshot::{JobSnapshot, PipelineSnapshot, ScorerSnapshot, WorkerSnapshot};
use crate::supervise::ChildState;

/// So many of the newest alerts are shown.
const MOST_ALERTS: usize = 5;

/// What all workers of a pipeline or a scorer say, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct JobView {
    /// `pipeline` or `scorer`.
    pub(crate) noun: &'static str,
    /// `namespace/name`.
    pub(crate) name: String,
    /// In one word: the state of the worker that is furthest from running.
    pub(crate) state: &'static str,
    pub(crate) messages_per_second: f64,
    /// Unknown as long as one worker does not know.
    pub(crate) lag: Option<u64>,
    /// Of the worker that is furthest behind.
    pub(crate) freshness_ms: Option<u64>,
    /// By shard.
    pub(crate) epochs: Vec<Option<u64>>,
    /// When the worker that committed last did so.
    pub(crate) committed_at_ms: Option<i64>,
    pub(crate) counts: Counts,
    /// Each table as the worker sees it that knows the newest version.
    pub(crate) tables: Vec<TableReport>,
    /// The tables of windows, as the worker tells that publishes them.
    pub(crate) gold: Option<GoldReport>,
    /// How scoring goes; `None` for a pipeline.
    pub(crate) scoring: Option<ScoringView>,
    /// What is wrong, without repetitions.
    pub(crate) problems: Vec<Problem>,
}

/// How scoring goes, over all workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScoringView {
    /// The rule sets in force: one, but while a new one is on its way.
    pub(crate) rule_sets: Vec<String>,
    /// Levels with their rows, the highest first.
    pub(crate) levels: Vec<(String, u64)>,
    /// Of the worker that is slowest.
    pub(crate) alert_latency_ms: Option<u64>,
    /// The newest first.
    pub(crate) newest_alerts: Vec<AlertReport>,
}

impl JobView {
    /// Adds up what the workers of a pipeline say.
    pub(crate) fn of(pipeline: &PipelineSnapshot) -> Self {
        Self::add_up("pipeline", pipeline)
    }

    /// Adds up what the workers of a scorer say.
    pub(crate) fn of_scorer(scorer: &ScorerSnapshot) -> Self {
        let mut view = Self::add_up("scorer", scorer);
        view.scoring = Some(scoring(scorer, &view.counts));
        view
    }

    /// Partitions that windows do not wait for, because they trail far behind the others.
    pub(crate) fn stalled_partitions(&self) -> BTreeSet<i32> {
        self.gold.iter().flat_map(|gold| &gold.stalled_partitions).copied().collect()
    }

    fn add_up<R>(noun: &'static str, job: &JobSnapshot<R>) -> Self {
        let mut view = Self { noun, name: job.full_name(), state: state(&job.workers), ..Self::default() };
        let mut tables: BTreeMap<&str, &TableReport> = BTreeMap::new();
        let mut lags = Vec::new();
        for worker in &job.workers {
            if let ChildState::Waiting { reason } | ChildState::Failed { reason } = &worker.process {
                let message = format!("{} {reason}; its log says why", worker.name);
                view.problems.push(Problem { reason: "WorkerCrashed".to_owned(), message });
            }
            let report = worker.report.as_ref();
            lags.push(report.and_then(|report| report.lag));
            view.epochs.push(report.and_then(|report| report.epoch));
            let Some(report) = report else { continue };
            if matches!(worker.process, ChildState::Running { .. }) {
                view.messages_per_second += report.messages_per_second;
                let new = report.problems.iter().filter(|problem| !view.problems.contains(problem));
                let new: Vec<Problem> = new.cloned().collect();
                view.problems.extend(new);
            }
            view.freshness_ms = view.freshness_ms.max(report.freshness_ms);
            view.committed_at_ms = view.committed_at_ms.max(report.committed_at_ms);
            view.counts.add(&report.counts);
            view.gold = view.gold.or_else(|| report.gold.clone());
            for table in &report.tables {
                let newest = tables.entry(&table.name).or_insert(table);
                if table.version > newest.version {
                    *newest = table;
                }
            }
        }
        view.lag = lags.into_iter().sum();
        view.tables = tables.into_values().cloned().collect();
        view.tables.sort_by_key(|table| (position(&table.name), table.name.clone()));
        view
    }
}

fn scoring(scorer: &ScorerSnapshot, counts: &Counts) -> ScoringView {
    let mut levels = scorer.resource.spec.levels.clone();
    levels.sort_by_key(|level| Reverse(level.min_score));
    let rows = |name: &String| counts.scoring.levels.get(name).copied().unwrap_or_default();
    let reports = || scorer.reports().filter_map(|report| report.scoring.as_ref());
    let mut alerts: Vec<AlertReport> = reports().flat_map(|scoring| scoring.newest_alerts.clone()).collect();
    alerts.sort_by_key(|alert| Reverse(alert.acknowledged_at_ms));
    alerts.truncate(MOST_ALERTS);
    let rule_sets: BTreeSet<&String> = reports().filter_map(|scoring| scoring.rule_set.as_ref()).collect();
    ScoringView {
        rule_sets: rule_sets.into_iter().cloned().collect(),
        levels: levels.iter().map(|level| (level.name.clone(), rows(&level.name))).collect(),
        alert_latency_ms: reports().filter_map(|scoring| scoring.alert_latency_ms).max(),
        newest_alerts: alerts,
    }
}

/// The order in which rows flow.
fn position(table: &str) -> u8 {
    match table {
        "bronze" => 0,
        "silver" => 1,
        "quarantine" => 3,
        _ => 2,
    }
}

/// The state of the worker that is furthest from running, in one word.
fn state(workers: &[WorkerSnapshot]) -> &'static str {
    let rank = |worker: &WorkerSnapshot| match (
        &worker.process,
        worker.report.as_ref().map(|report| report.phase),
    ) {
        (ChildState::Failed { .. }, _) => (0, "Failed"),
        (ChildState::Waiting { .. }, _) => (1, "Crashed"),
        (ChildState::Starting, _) | (ChildState::Running { .. }, None | Some(Phase::Starting)) => {
            (3, "Starting")
        }
        (ChildState::Running { .. }, Some(Phase::Blocked)) => (2, "Blocked"),
        (ChildState::Running { .. }, Some(Phase::Standby)) => (4, "Standby"),
        (ChildState::Running { .. }, Some(Phase::Running)) => (5, "Running"),
        (ChildState::Finished, _) | (ChildState::Running { .. }, Some(Phase::Finished)) => (7, "Finished"),
        (ChildState::Stopped, _) => (6, "Stopped"),
    };
    workers.iter().map(rank).min().map_or("Suspended", |(_, word)| word)
}

#[cfg(test)]
mod tests;
