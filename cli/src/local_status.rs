//! The status of what runs here, in the words of the resource, made from reports. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluice_contract::report::Report;
use sluice_crds::conditions::{reasons, types};
use sluice_crds::stream_pipeline::{QuarantineStatus, TableStatus};
use sluice_crds::{FraudScorer, FraudScorerStatus, StreamPipeline, StreamPipelineStatus};
use sluice_operator::conditions::{Statement, merge};
use sluice_operator::fraud_scorer;
use sluice_operator::fraud_scorer::status::numbers::of_reports;
use sluice_operator::fraud_scorer::status::parts::{label_statement, model_statement};
use sluice_operator::sharded_job::replay;
use sluice_operator::stream_pipeline::status::stalled::stalled_statement;

use crate::progress::format;
use crate::progress::view::JobView;
use crate::snapshot::{PipelineSnapshot, ScorerSnapshot, Snapshot, WorkerSnapshot};
use crate::supervise::ChildState;

/// The resource with the status that an operator would write, as far as one machine can tell.
pub(crate) fn with_status(snapshot: &Snapshot, pipeline: &PipelineSnapshot) -> StreamPipeline {
    let view = JobView::of(pipeline);
    let started = time(snapshot.started_at_ms);
    let mut resource = pipeline.resource.clone();
    resource.metadata.namespace.get_or_insert_with(|| pipeline.namespace.clone());
    resource.metadata.creation_timestamp = Some(started.clone());
    let (ready, wanted) = (ready(&pipeline.workers), pipeline.workers.len());
    let mut conditions = vec![ready_condition(&view, started.clone())];
    let replayed = pipeline.replay.as_ref().map(replay::statement);
    let parts: Vec<Statement> = stalled_statement(pipeline.reports()).into_iter().chain(replayed).collect();
    conditions.extend(merge(&[], &parts, None, started.0));
    resource.status = Some(StreamPipelineStatus {
        observed_generation: Some(resource.metadata.generation.unwrap_or_default()),
        conditions,
        shards: i32::try_from(wanted).ok(),
        replicas: i32::try_from(wanted).ok(),
        ready_replicas: i32::try_from(ready).ok(),
        replica_summary: Some(format!("{ready}/{wanted}")),
        configuration: pipeline.reports().next().map(|report| report.configuration.clone()),
        lag: view.lag.and_then(|lag| i64::try_from(lag).ok()),
        freshness: view.freshness_ms.map(|freshness| format::duration(Duration::from_millis(freshness))),
        last_commit_time: view.committed_at_ms.map(time),
        layers: Some(layers(&view)),
        tables: tables(&view),
        quarantine: quarantine(&view),
        replay: pipeline.replay.clone(),
        ..StreamPipelineStatus::default()
    });
    resource
}

/// The scorer with the status that an operator would write, as far as one machine can tell.
pub(crate) fn scorer_with_status(snapshot: &Snapshot, scorer: &ScorerSnapshot) -> FraudScorer {
    let view = JobView::of_scorer(scorer);
    let started = time(snapshot.started_at_ms);
    let mut resource = scorer.resource.clone();
    resource.metadata.namespace.get_or_insert_with(|| scorer.namespace.clone());
    resource.metadata.creation_timestamp = Some(started.clone());
    let (ready, wanted) = (ready(&scorer.workers), scorer.workers.len());
    let model = resource.spec.model.as_ref().map(|model| model_statement(&model.model_deployment_ref.name));
    let mut statements: Vec<Statement> = model.into_iter().chain(label_statement(scorer.reports())).collect();
    statements.extend(scorer.replay.iter().map(replay::statement));
    let mut conditions = vec![ready_condition(&view, started.clone())];
    conditions.extend(merge(&[], &statements, None, started.0));
    let rules = fraud_scorer::validate(&resource, None).ok().map(|scorer| scorer.rules);
    let reports: Vec<&Report> = scorer.reports().collect();
    resource.status = Some(FraudScorerStatus {
        observed_generation: Some(resource.metadata.generation.unwrap_or_default()),
        conditions,
        shards: i32::try_from(wanted).ok(),
        replicas: i32::try_from(wanted).ok(),
        ready_replicas: i32::try_from(ready).ok(),
        replica_summary: Some(format!("{ready}/{wanted}")),
        configuration: reports.first().map(|report| report.configuration.clone()),
        rule_set: view.scoring.and_then(|scoring| scoring.rule_sets.into_iter().next()),
        replay: scorer.replay.clone(),
        ..of_reports(&reports, rules.as_ref())
    });
    resource
}

/// Workers that run without a problem.
fn ready(workers: &[WorkerSnapshot]) -> usize {
    let running = workers.iter().filter(|worker| matches!(worker.process, ChildState::Running { .. }));
    running.filter(|worker| worker.report.as_ref().is_some_and(|report| report.problems.is_empty())).count()
}

/// | workers | `Ready` | reason |
/// |---|---|---|
/// | none: suspended | True | `Suspended` |
/// | all run without a problem | True | `Running` |
/// | all have finished | True | `Finished` |
/// | one has a problem | False | that of the problem |
/// | one is starting | False | `Starting` |
/// | stopped | False | `Stopped` |
fn ready_condition(view: &JobView, started: Time) -> Condition {
    let (status, reason, message) = match (view.problems.first(), view.state) {
        (Some(problem), _) => ("False", problem.reason.clone(), problem.message.clone()),
        (None, "Suspended") => ("True", reasons::SUSPENDED.to_owned(), String::new()),
        (None, state @ ("Running" | "Finished")) => ("True", state.to_owned(), String::new()),
        (None, state) => ("False", state.to_owned(), String::new()),
    };
    Condition {
        type_: types::READY.to_owned(),
        status: status.to_owned(),
        reason,
        message,
        last_transition_time: started,
        observed_generation: None,
    }
}

fn layers(view: &JobView) -> String {
    let mark = |letter: &str, is_layer: fn(&str) -> bool| {
        let has_rows = view.tables.iter().any(|table| is_layer(&table.name) && table.rows > 0);
        format!("{letter}{}", if has_rows { "✓" } else { "-" })
    };
    let marks = [
        mark("b", |name| name == "bronze"),
        mark("s", |name| name == "silver"),
        mark("g", |name| name.starts_with("gold/")),
    ];
    marks.join(" ")
}

fn tables(view: &JobView) -> Vec<TableStatus> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let tables = view.tables.iter().map(|table| TableStatus {
        name: table.name.clone(),
        version: signed(table.version),
        rows: signed(table.rows),
        files: signed(table.files),
        bytes: signed(table.bytes),
    });
    tables.collect()
}

fn quarantine(view: &JobView) -> Vec<QuarantineStatus> {
    let mut entries = Vec::new();
    for (stage, reasons) in &view.counts.refused {
        for (reason, messages) in reasons {
            let messages = i64::try_from(*messages).unwrap_or(i64::MAX);
            entries.push(QuarantineStatus { stage: stage.clone(), reason: reason.clone(), messages });
        }
    }
    entries
}

fn time(milliseconds: i64) -> Time {
    Time(Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use sluice_contract::report::{GoldReport, Problem};

    use super::{scorer_with_status, with_status};
    use crate::progress::fixtures::{gold, pipeline, scorer};
    use crate::snapshot::{PipelineSnapshot, Snapshot};
    use crate::supervise::ChildState;

    fn nothing() -> Snapshot {
        Snapshot {
            started_at_ms: 0,
            taken_at_ms: 0,
            services: Vec::new(),
            generators: Vec::new(),
            pipelines: Vec::new(),
            scorers: Vec::new(),
        }
    }

    fn ready(pipeline: PipelineSnapshot) -> (String, String, String) {
        let status = with_status(&nothing(), &pipeline).status.expect("made");
        let condition = status.conditions.into_iter().next().expect("Ready");
        (condition.status, condition.reason, status.replica_summary.expect("made"))
    }

    fn expected(status: &str, reason: &str, summary: &str) -> (String, String, String) {
        (status.to_owned(), reason.to_owned(), summary.to_owned())
    }

    #[test]
    fn ready_says_what_the_workers_say() {
        assert_eq!(ready(pipeline()), expected("True", "Running", "2/2"));
        let mut blocked = pipeline();
        let problem = Problem { reason: "TopicMissing".to_owned(), message: "create it".to_owned() };
        blocked.workers[0].report.as_mut().expect("has one").problems.push(problem);
        assert_eq!(ready(blocked), expected("False", "TopicMissing", "1/2"));
        let mut stopped = pipeline();
        stopped.workers.iter_mut().for_each(|worker| worker.process = ChildState::Stopped);
        assert_eq!(ready(stopped), expected("False", "Stopped", "0/2"));
        let mut suspended = pipeline();
        suspended.workers.clear();
        assert_eq!(ready(suspended), expected("True", "Suspended", "0/0"));
    }

    #[test]
    fn partitions_that_windows_do_not_wait_for_are_a_condition() {
        let types = |stalled: Vec<i32>| {
            let mut pipeline = pipeline();
            let report = pipeline.workers[0].report.as_mut().expect("has one");
            report.gold = Some(GoldReport { stalled_partitions: stalled, ..gold() });
            let status = with_status(&nothing(), &pipeline).status.expect("made");
            status.conditions.into_iter().map(|one| one.type_).collect::<Vec<_>>()
        };
        assert_eq!(types(vec![1]), ["Ready", "PartitionsStalled"]);
        assert_eq!(types(vec![]), ["Ready"]);
    }

    #[test]
    fn a_scorer_says_in_its_columns_and_conditions_what_its_workers_say() {
        let status = scorer_with_status(&nothing(), &scorer()).status.expect("made");
        assert_eq!((status.lag, status.latency.as_deref()), (Some(600), Some("8ms")));
        assert_eq!((status.alert_rate.as_deref(), status.rule_set.as_deref()), (Some("0.4%"), Some("5afe")));
        assert_eq!((status.levels[0].name.as_str(), status.levels[0].rows), ("LOW", 1_800));
        let said: Vec<(&str, &str)> =
            status.conditions.iter().map(|one| (one.type_.as_str(), one.status.as_str())).collect();
        assert_eq!(said, [("Ready", "True"), ("ModelAvailable", "False"), ("LabelUsedInScoring", "True")]);
    }
}
