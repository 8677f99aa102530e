//! The replay of a resource that runs here: when it begins, and what is told of it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sluice_crds::replay::{ReplayPhase, ReplayStatus};
use sluice_operator::sharded_job::replay::has_ended;

use crate::plan::PlannedReplay;
use crate::supervise::ProcessSpec;

/// What is told of the newest replay of a resource when it starts: what `told` says of one that has ended before, or
/// that it is still to come. A name runs once.
pub(crate) fn at_start(planned: Option<&PlannedReplay>, told: Option<ReplayStatus>) -> Option<ReplayStatus> {
    let Some(PlannedReplay { name, .. }) = planned else {
        return told.filter(|told| told.phase.is_final());
    };
    if has_ended(name, told.as_ref()) {
        return told;
    }
    Some(ReplayStatus::pending(name, "waits until all workers are at work"))
}

/// The process of a replay that begins now: once, when all workers are at work.
pub(crate) fn begin(
    planned: &PlannedReplay,
    told: &mut ReplayStatus,
    workers_are_at_work: bool,
    now: Timestamp,
) -> Option<ProcessSpec> {
    if told.phase != ReplayPhase::Pending || !workers_are_at_work {
        return None;
    }
    told.phase = ReplayPhase::Running;
    told.message = None;
    told.started_at = Some(Time(now));
    Some(planned.process.clone())
}

/// Notes how a replay has ended; `words` are the last lines that it wrote.
pub(crate) fn end(replay: &mut ReplayStatus, phase: ReplayPhase, words: &[String], now: Timestamp) {
    replay.phase = phase;
    replay.message = words.last().map(|word| word.trim().to_owned());
    replay.finished_at = Some(Time(now));
}

/// One line for people.
pub(crate) fn line(replay: &ReplayStatus) -> String {
    let ReplayStatus { name, phase, message, .. } = replay;
    let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("replay {name} {phase:?}{message}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::progress::fixtures;
    use crate::supervise::{ChildState, Role};

    fn planned(name: &str) -> PlannedReplay {
        let process = ProcessSpec {
            name: "shop-stpl-replay-1".to_owned(),
            role: Role::Replay,
            program: PathBuf::from("sluice-worker"),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
        };
        PlannedReplay { process, name: name.to_owned() }
    }

    #[test]
    fn a_replay_begins_once_when_all_workers_are_at_work_and_a_name_runs_once() {
        let replay = planned("a");
        let mut told = at_start(Some(&replay), None).expect("it is to come");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(begin(&replay, &mut told, false, now), None, "one worker starts");
        assert_eq!(begin(&replay, &mut told, true, now).as_ref(), Some(&replay.process));
        assert_eq!(begin(&replay, &mut told, true, now), None, "it runs");
        end(&mut told, ReplayPhase::Succeeded, &["started".to_owned(), "silver: 3 changed".to_owned()], now);
        assert_eq!(line(&told), "replay a Succeeded: silver: 3 changed");
        let told = Some(told);
        assert_eq!(at_start(Some(&replay), told.clone()), told, "a later `sluice up` does not repeat it");
        assert_eq!(at_start(None, told.clone()), told, "it stays known");
        let another = at_start(Some(&planned("b")), told).expect("it is to come");
        assert_eq!((another.name.as_str(), another.phase), ("b", ReplayPhase::Pending));
    }

    #[test]
    fn workers_are_at_work_when_all_run_and_have_an_epoch() {
        let mut job = fixtures::pipeline();
        assert!(job.is_at_work());
        job.workers[1].process = ChildState::Starting;
        assert!(!job.is_at_work());
        job.workers[1].process = ChildState::Running { pid: 9 };
        job.workers[0].report.as_mut().expect("has one").epoch = None;
        assert!(!job.is_at_work());
        job.workers.clear();
        assert!(!job.is_at_work(), "it is suspended");
    }

    #[test]
    fn one_that_was_interrupted_begins_again_and_is_forgotten_where_nobody_asks_for_it() {
        let running = ReplayStatus {
            name: "a".to_owned(),
            phase: ReplayPhase::Running,
            message: None,
            started_at: None,
            finished_at: None,
        };
        let again = at_start(Some(&planned("a")), Some(running.clone())).expect("it is to come");
        assert_eq!(again.phase, ReplayPhase::Pending);
        assert_eq!(at_start(None, Some(running)), None);
    }
}
