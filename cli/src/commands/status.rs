//! `sluice status`: everything that the workers say of themselves, as text or JSON.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use sluice_contract::report::{AlertReport, PartitionReport, Report};
use snafu::ensure;

use crate::args::{StateArguments, StatusArguments, StatusOutput};
use crate::commands::{CommandError, NoSuchPipelineSnafu};
use crate::progress::block;
use crate::progress::format::{count, duration, harmless, moment, table};
use crate::progress::view::JobView;
use crate::replay;
use crate::reports::Reporters;
use crate::snapshot::{PipelineSnapshot, ScorerSnapshot, Snapshot, WorkerSnapshot};
use crate::state_directory::StateDirectory;
use crate::supervise::ChildState;

pub(super) async fn run(arguments: StatusArguments) -> Result<ExitCode, CommandError> {
    let mut snapshot = current(&arguments.state).await?;
    retain(&mut snapshot, arguments.name.as_deref())?;
    match arguments.output {
        StatusOutput::Json => {
            let json = serde_json::to_string_pretty(&snapshot).expect("a snapshot has string keys only");
            println!("{json}");
        }
        StatusOutput::Text => render(&snapshot).iter().for_each(|line| println!("{line}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs, with fresh reports; or what ran last.
pub(super) async fn current(arguments: &StateArguments) -> Result<Snapshot, CommandError> {
    let state = StateDirectory::new(&arguments.state)?;
    let mut snapshot = Snapshot::read(&state)?;
    if state.owner()?.is_some() {
        Reporters::new().refresh(&mut snapshot).await;
        snapshot.taken_at_ms = Timestamp::now().as_millisecond();
    } else {
        snapshot.stop_all();
    }
    Ok(snapshot)
}

/// Keeps what has a name, which may be `namespace/name`.
fn retain(snapshot: &mut Snapshot, name: Option<&str>) -> Result<(), CommandError> {
    let Some(name) = name else { return Ok(()) };
    let names = names(snapshot);
    snapshot.pipelines.retain(|pipeline| pipeline.is_called(name));
    snapshot.scorers.retain(|scorer| scorer.is_called(name));
    let is_there = !snapshot.pipelines.is_empty() || !snapshot.scorers.is_empty();
    ensure!(is_there, NoSuchPipelineSnafu { name, names });
    Ok(())
}

/// The names of all pipelines and scorers.
pub(super) fn names(snapshot: &Snapshot) -> Vec<String> {
    let pipelines = snapshot.pipelines.iter().map(PipelineSnapshot::full_name);
    let mut names: Vec<String> =
        pipelines.chain(snapshot.scorers.iter().map(ScorerSnapshot::full_name)).collect();
    // A scorer may be called as its pipeline.
    names.dedup();
    names
}

fn render(snapshot: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for process in snapshot.services.iter().chain(&snapshot.generators) {
        let address = process.address.map(|address| format!(" at {address}")).unwrap_or_default();
        lines.push(format!("{}{address}: {}", process.name, describe(&process.process)));
    }
    for pipeline in &snapshot.pipelines {
        lines.push(String::new());
        let view = JobView::of(pipeline);
        lines.extend(block::render(&view, usize::MAX).into_iter().map(|line| line.text));
        lines.push(format!("  lake {}", pipeline.lake));
        lines.push(format!(
            "  topic {} at {}",
            pipeline.resource.spec.source.kafka.topic, pipeline.bootstrap_servers
        ));
        lines.extend(pipeline.replay.iter().map(|status| format!("  {}", replay::line(status))));
        lines.extend(workers(&pipeline.workers, &view.stalled_partitions(), snapshot.taken_at_ms));
    }
    for scorer in &snapshot.scorers {
        lines.push(String::new());
        let view = JobView::of_scorer(scorer);
        lines.extend(block::render(&view, usize::MAX).into_iter().map(|line| line.text));
        let spec = &scorer.resource.spec;
        lines.push(format!("  table {}/fraud/{}", scorer.lake, spec.table.name));
        if let Some(alerts) = &spec.alerts {
            lines.push(format!(
                "  alerts of {} and above to topic {} at {}",
                alerts.alert_at, alerts.topic, scorer.bootstrap_servers
            ));
        }
        lines.extend(view.scoring.iter().flat_map(|scoring| alerts(&scoring.newest_alerts)));
        lines.extend(scorer.replay.iter().map(|status| format!("  {}", replay::line(status))));
        lines.extend(workers(&scorer.workers, &view.stalled_partitions(), snapshot.taken_at_ms));
    }
    lines
}

/// The newest alerts; nothing where there are none.
fn alerts(alerts: &[AlertReport]) -> Vec<String> {
    if alerts.is_empty() {
        return Vec::new();
    }
    let header = ["event time", "key", "level", "score", "reasons", "alert"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let unknown = || "-".to_owned();
    rows.extend(alerts.iter().map(|alert| {
        vec![
            alert.event_time_us.map_or_else(unknown, moment),
            alert.key.as_deref().map_or_else(unknown, harmless),
            harmless(&alert.level),
            alert.score.to_string(),
            harmless(&alert.reasons.join(", ")),
            harmless(&alert.alert_id),
        ]
    }));
    let table = table(&rows, &[false, false, false, true]);
    let lines = table.into_iter().map(|line| format!("    {line}"));
    ["  newest alerts:".to_owned()].into_iter().chain(lines).collect()
}

fn workers(workers: &[WorkerSnapshot], stalled: &BTreeSet<i32>, now_ms: i64) -> Vec<String> {
    let mut lines = Vec::new();
    for worker in workers {
        let state = describe(&worker.process);
        lines.push(format!("  {} at http://{}: {state}", worker.name, worker.address));
        lines.extend(worker.report.iter().flat_map(|report| partitions(report, stalled, now_ms)));
    }
    lines
}

fn describe(state: &ChildState) -> String {
    match state {
        ChildState::Starting => "starting".to_owned(),
        ChildState::Running { pid } => format!("running, process {pid}"),
        ChildState::Waiting { reason } => format!("{reason}; starts again soon"),
        ChildState::Finished => "finished".to_owned(),
        ChildState::Failed { reason } => format!("{reason}; is not started again"),
        ChildState::Stopped => "stopped".to_owned(),
    }
}

fn partitions(report: &Report, stalled: &BTreeSet<i32>, now_ms: i64) -> Vec<String> {
    let header = ["partition", "next offset", "end", "behind", "watermark age", ""];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.partitions.iter().map(|partition| row(partition, stalled, now_ms)));
    table(&rows, &[true, true, true, true, true]).into_iter().map(|line| format!("    {line}")).collect()
}

fn row(partition: &PartitionReport, stalled: &BTreeSet<i32>, now_ms: i64) -> Vec<String> {
    let count = |offset: i64| count(u64::try_from(offset).unwrap_or(0));
    let unknown = || "-".to_owned();
    let age = partition.watermark_us.map(|watermark| now_ms.saturating_sub(watermark / 1_000));
    vec![
        partition.partition.to_string(),
        count(partition.next_offset),
        partition.end_offset.map_or_else(unknown, count),
        partition.end_offset.map_or_else(unknown, |end| count(end - partition.next_offset)),
        age.map_or_else(unknown, |age| duration(Duration::from_millis(u64::try_from(age).unwrap_or(0)))),
        if partition.idle {
            "idle".to_owned()
        } else if stalled.contains(&partition.partition) {
            "stalled".to_owned()
        } else {
            String::new()
        },
    ]
}

#[cfg(test)]
mod tests {
    use sluice_contract::report::{AlertReport, GoldReport};

    use super::render;
    use crate::progress::fixtures::{alert, gold, pipeline, scorer};
    use crate::snapshot::{ScorerSnapshot, Snapshot};

    fn snapshot() -> Snapshot {
        Snapshot {
            started_at_ms: 0,
            taken_at_ms: 100_000,
            services: Vec::new(),
            generators: Vec::new(),
            pipelines: vec![pipeline()],
            scorers: Vec::new(),
        }
    }

    #[test]
    fn a_partition_that_windows_do_not_wait_for_is_marked() {
        let mut snapshot = snapshot();
        let report = snapshot.pipelines[0].workers[0].report.as_mut().expect("has one");
        report.gold = Some(GoldReport { stalled_partitions: vec![1], ..gold() });
        let text = render(&snapshot).join("\n");
        assert!(text.contains("! PartitionsStalled: windows do not wait for partition 1"), "{text}");
        assert!(text.contains("1        1,000  1,600     600          20.0s  stalled"), "{text}");
        assert_eq!(text.matches("  stalled").count(), 1, "{text}");
    }

    #[test]
    fn every_partition_of_every_worker_is_shown() {
        let text = render(&snapshot()).join("\n");
        assert!(
            text.contains("shop-stpl-ingest-1 at http://127.0.0.1:20001: running, process 101"),
            "{text}"
        );
        assert!(text.contains("        1        1,000  1,600     600          20.0s"), "{text}");
    }

    #[test]
    fn the_newest_alerts_tell_who_raised_them_and_why() {
        let mut scorer = scorer();
        let text = |scorer: &ScorerSnapshot| {
            render(&Snapshot { scorers: vec![scorer.clone()], ..snapshot() }).join("\n")
        };
        let expected = "  newest alerts:\n    event time            key     level  score  reasons  alert\n    \
                        2026-01-05T20:00:00Z  user-7  HIGH      10  old      sales/0/7\n    \
                        2026-01-05T20:00:00Z  user-3  HIGH      10  old      sales/0/3\n";
        assert!(text(&scorer).contains(expected), "{}", text(&scorer));
        let scoring = scorer.workers[0].report.as_mut().and_then(|report| report.scoring.as_mut());
        let nobody = AlertReport { key: None, event_time_us: None, ..alert(1, 0) };
        scoring.expect("it scores").newest_alerts = vec![nobody];
        assert!(
            text(&scorer).contains("    -           -    HIGH      10  old      sales/0/1"),
            "{}",
            text(&scorer)
        );
        let scoring = scorer.workers[0].report.as_mut().and_then(|report| report.scoring.as_mut());
        scoring.expect("it scores").newest_alerts.clear();
        assert!(!text(&scorer).contains("newest alerts"), "{}", text(&scorer));
    }
}
