//! How two reports add up, and what is said when one is missing.

use sluice_contract::report::{Phase, Problem};

use super::JobView;
use crate::progress::fixtures::{alert, gold, pipeline, scorer, worker};
use crate::supervise::ChildState;

#[test]
fn reports_are_added_up() {
    let view = JobView::of(&pipeline());
    assert_eq!(view.state, "Running");
    assert_eq!(view.lag, Some(1_201));
    assert_eq!(view.freshness_ms, Some(2_100));
    assert_eq!(view.epochs, [Some(40), Some(41)]);
    assert!((view.messages_per_second - 10_012.0).abs() < 0.001);
    assert_eq!(view.counts.messages, 2_000);
    assert_eq!(view.counts.refused["decode"]["MalformedJson"], 20);
}

#[test]
fn tables_are_those_of_the_newest_version_in_the_order_of_the_flow() {
    let view = JobView::of(&pipeline());
    let tables: Vec<_> = view.tables.iter().map(|table| (table.name.as_str(), table.version)).collect();
    assert_eq!(tables, [("bronze", 81), ("silver", 81), ("quarantine", 7)]);
}

#[test]
fn the_lag_is_unknown_while_a_worker_has_not_reported() {
    let mut pipeline = pipeline();
    pipeline.workers[1].report = None;
    let view = JobView::of(&pipeline);
    assert_eq!((view.state, view.lag), ("Starting", None));
}

#[test]
fn a_crashed_worker_is_a_problem_and_its_rate_does_not_count() {
    let mut pipeline = pipeline();
    pipeline.workers[0].process = ChildState::Waiting { reason: "was killed by signal 9".to_owned() };
    let view = JobView::of(&pipeline);
    assert_eq!(view.state, "Crashed");
    assert!((view.messages_per_second - 5_006.0).abs() < 0.001);
    assert!(view.problems[0].message.contains("was killed by signal 9"), "{:?}", view.problems);
}

#[test]
fn a_problem_that_all_workers_have_is_shown_once() {
    let mut pipeline = pipeline();
    for worker in &mut pipeline.workers {
        let report = worker.report.as_mut().expect("has one");
        report.phase = Phase::Blocked;
        report.problems =
            vec![Problem { reason: "KafkaUnreachable".to_owned(), message: "start the broker".to_owned() }];
    }
    let view = JobView::of(&pipeline);
    assert_eq!((view.state, view.problems.len()), ("Blocked", 1));
}

#[test]
fn windows_are_told_by_the_worker_that_publishes_them() {
    let mut pipeline = pipeline();
    assert_eq!(JobView::of(&pipeline).gold, None);
    pipeline.workers[0].report.as_mut().expect("has one").gold = Some(gold());
    assert_eq!(JobView::of(&pipeline).gold, Some(gold()));
}

#[test]
fn the_newest_alerts_of_all_workers_are_shown_whoever_sent_them() {
    let mut scorer = scorer();
    let mut other = worker(1);
    let report = other.report.as_mut().expect("has one");
    report.scoring = scorer.workers[0].report.as_ref().and_then(|report| report.scoring.clone());
    let scoring = report.scoring.as_mut().expect("has one");
    scoring.newest_alerts = (0..5).rev().map(|number| alert(100 + number, 1_500 + number)).collect();
    scorer.workers.push(other);
    let newest = JobView::of_scorer(&scorer).scoring.expect("it scores").newest_alerts;
    let identities: Vec<&str> = newest.iter().map(|alert| alert.alert_id.as_str()).collect();
    assert_eq!(identities, ["sales/0/7", "sales/0/104", "sales/0/103", "sales/0/102", "sales/0/101"]);
}
