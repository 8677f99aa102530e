//! Lag, freshness, layers, tables and quarantine: from the reports, rounded, and not too often. Pure.

use std::collections::BTreeMap;

use sluice_contract::manifest::Counts;
use sluice_contract::report::{Report, TableReport};
use sluice_crds::StreamPipelineStatus;
use sluice_crds::stream_pipeline::{QuarantineStatus, TableStatus};

use crate::rounding::{differ, is_due, is_old, is_significant, span, time_of, two_digits};
use crate::sharded_job::status::Inputs;

/// As many reasons as the status holds.
const MOST_REASONS: usize = 128;

/// A status with the numbers only, and whether they are new.
pub(super) fn numbers(inputs: &Inputs<'_>, previous: &StreamPipelineStatus) -> (StreamPipelineStatus, bool) {
    let before = StreamPipelineStatus {
        lag: previous.lag,
        freshness: previous.freshness.clone(),
        last_commit_time: previous.last_commit_time.clone(),
        layers: previous.layers.clone(),
        tables: previous.tables.clone(),
        quarantine: previous.quarantine.clone(),
        ..StreamPipelineStatus::default()
    };
    let Some(reports) = inputs.reports() else { return (before, false) };
    let after = of_reports(&reports);
    let has_new_layer = before.layers != after.layers;
    let is_news = has_new_layer
        || (is_due(inputs.numbers_written, inputs.now) && is_worth_telling(&before, &after, inputs));
    if is_news && before != after { (after, true) } else { (before, false) }
}

fn of_reports(reports: &[&Report]) -> StreamPipelineStatus {
    let lags: Option<Vec<u64>> = reports.iter().map(|report| report.lag).collect();
    let freshness = reports.iter().filter_map(|report| report.freshness_ms).max();
    let committed = reports.iter().filter_map(|report| report.committed_at_ms).max();
    let tables = newest_tables(reports);
    let mut counts = Counts::default();
    for report in reports {
        counts.add(&report.counts);
    }
    StreamPipelineStatus {
        lag: lags.map(|lags| two_digits(lags.iter().fold(0, |sum, lag| sum.saturating_add(*lag)))),
        freshness: freshness.map(span),
        last_commit_time: committed.and_then(time_of),
        layers: Some(layers(&tables)),
        tables: tables.into_values().map(table).collect(),
        quarantine: quarantine(&counts),
        ..StreamPipelineStatus::default()
    }
}

/// All shards write the same tables; the one that has seen the newest version knows most.
fn newest_tables<'a>(reports: &[&'a Report]) -> BTreeMap<&'a str, &'a TableReport> {
    let mut newest: BTreeMap<&str, &TableReport> = BTreeMap::new();
    for table in reports.iter().flat_map(|report| &report.tables) {
        let known = newest.entry(&table.name).or_insert(table);
        if table.version > known.version {
            *known = table;
        }
    }
    newest
}

fn table(report: &TableReport) -> TableStatus {
    TableStatus {
        name: report.name.clone(),
        version: i64::try_from(report.version).unwrap_or(i64::MAX),
        rows: two_digits(report.rows),
        files: two_digits(report.files),
        bytes: two_digits(report.bytes),
    }
}

/// For the eye: `b✓ s✓ g-`.
fn layers(tables: &BTreeMap<&str, &TableReport>) -> String {
    let mark = |letter: &str, is_layer: fn(&str) -> bool| {
        let has_rows = tables.values().any(|table| is_layer(&table.name) && table.rows > 0);
        format!("{letter}{}", if has_rows { "✓" } else { "-" })
    };
    let marks = [
        mark("b", |name| name == "bronze"),
        mark("s", |name| name == "silver"),
        mark("g", |name| name.starts_with("gold/")),
    ];
    marks.join(" ")
}

fn quarantine(counts: &Counts) -> Vec<QuarantineStatus> {
    let entries = counts.refused.iter().flat_map(|(stage, reasons)| {
        reasons.iter().map(move |(reason, messages)| QuarantineStatus {
            stage: stage.clone(),
            reason: reason.clone(),
            messages: two_digits(*messages),
        })
    });
    entries.take(MOST_REASONS).collect()
}

/// Whether a number has changed by a tenth, or all have stood long enough to be confirmed.
fn is_worth_telling(
    before: &StreamPipelineStatus,
    after: &StreamPipelineStatus,
    inputs: &Inputs<'_>,
) -> bool {
    let rows = |status: &StreamPipelineStatus| -> BTreeMap<String, i64> {
        status.tables.iter().map(|table| (table.name.clone(), table.rows)).collect()
    };
    let refused = |status: &StreamPipelineStatus| -> BTreeMap<String, i64> {
        let entries = status.quarantine.iter();
        entries.map(|entry| (format!("{}/{}", entry.stage, entry.reason), entry.messages)).collect()
    };
    is_old(inputs.numbers_written, inputs.now)
        || is_significant(before.lag, after.lag)
        || before.freshness != after.freshness
        || differ(&rows(before), &rows(after))
        || differ(&refused(before), &refused(after))
}
