//! [`PipelineView`]: what all workers of a pipeline say, added up. Pure.

use std::collections::BTreeMap;

use sluice_contract::manifest::Counts;
use sluice_contract::report::{Phase, Problem, TableReport};

use crate::snapshot::{PipelineSnapshot, WorkerSnapshot};
use crate::supervise::ChildState;

/// What all workers of a pipeline say, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PipelineView {
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
    /// What is wrong, without repetitions.
    pub(crate) problems: Vec<Problem>,
}

impl PipelineView {
    /// Adds up what the workers of a pipeline say.
    pub(crate) fn of(pipeline: &PipelineSnapshot) -> Self {
        let mut view =
            Self { name: pipeline.full_name(), state: state(&pipeline.workers), ..Self::default() };
        let mut tables: BTreeMap<&str, &TableReport> = BTreeMap::new();
        let mut lags = Vec::new();
        for worker in &pipeline.workers {
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
