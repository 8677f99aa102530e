//! The status of a pipeline that runs here, in the words of the resource, made from reports. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluice_crds::conditions::{reasons, types};
use sluice_crds::stream_pipeline::{QuarantineStatus, TableStatus};
use sluice_crds::{StreamPipeline, StreamPipelineStatus};

use crate::progress::format;
use crate::progress::view::PipelineView;
use crate::snapshot::{PipelineSnapshot, Snapshot};
use crate::supervise::ChildState;

/// The resource with the status that an operator would write, as far as one machine can tell.
pub(crate) fn with_status(snapshot: &Snapshot, pipeline: &PipelineSnapshot) -> StreamPipeline {
    let view = PipelineView::of(pipeline);
    let started = time(snapshot.started_at_ms);
    let mut resource = pipeline.resource.clone();
    resource.metadata.namespace.get_or_insert_with(|| pipeline.namespace.clone());
    resource.metadata.creation_timestamp = Some(started.clone());
    let wanted = pipeline.workers.len();
    let running =
        pipeline.workers.iter().filter(|worker| matches!(worker.process, ChildState::Running { .. }));
    let ready =
        running.filter(|worker| worker.report.as_ref().is_some_and(|report| report.problems.is_empty()));
    let ready = ready.count();
    resource.status = Some(StreamPipelineStatus {
        observed_generation: Some(resource.metadata.generation.unwrap_or_default()),
        conditions: vec![ready_condition(&view, started)],
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
        ..StreamPipelineStatus::default()
    });
    resource
}

/// | workers | `Ready` | reason |
/// |---|---|---|
/// | none: suspended | True | `Suspended` |
/// | all run without a problem | True | `Running` |
/// | all have finished | True | `Finished` |
/// | one has a problem | False | that of the problem |
/// | one is starting | False | `Starting` |
/// | stopped | False | `Stopped` |
fn ready_condition(view: &PipelineView, started: Time) -> Condition {
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

fn layers(view: &PipelineView) -> String {
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

fn tables(view: &PipelineView) -> Vec<TableStatus> {
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

fn quarantine(view: &PipelineView) -> Vec<QuarantineStatus> {
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
    use sluice_contract::report::Problem;

    use super::with_status;
    use crate::progress::fixtures::pipeline;
    use crate::snapshot::{PipelineSnapshot, Snapshot};
    use crate::supervise::ChildState;

    fn ready(pipeline: PipelineSnapshot) -> (String, String, String) {
        let snapshot = Snapshot {
            started_at_ms: 0,
            taken_at_ms: 0,
            services: Vec::new(),
            generators: Vec::new(),
            pipelines: Vec::new(),
        };
        let status = with_status(&snapshot, &pipeline).status.expect("made");
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
}
