//! The Prometheus metrics of a worker, made from its status at each scrape.
//!
//! Which metrics there are is defined in [`sluice_contract::metrics::worker`]; here they get their values.
//! Counters of messages and rows come from the cumulative counts in the manifests, so they survive
//! restarts: before the manifest is read they are absent, never 0, or each restart would look like
//! all messages at once. Who stands by says nothing of a chain that another process owns.

use prometheus::core::Collector;
use prometheus::{CounterVec, Encoder, GaugeVec, Opts, Registry, TextEncoder};
use sluice_contract::metrics::{Metric, MetricKind, worker};
use sluice_contract::report::{Phase, Report};

use super::process::{self, Usage};
use super::scoring::RuleSetStatus;
use super::state::Status;
use crate::clock::now_us;

const PHASES: [Phase; 5] = [Phase::Starting, Phase::Running, Phase::Standby, Phase::Blocked, Phase::Finished];

/// The metrics of this moment in Prometheus's text format.
pub fn render(status: &Status) -> String {
    let report = status.report();
    let mut page = Page::default();
    page.add_worker(&report);
    if let Some(usage) = process::usage() {
        page.add_process(usage);
    }
    for collector in status.durations().collectors() {
        page.register(collector);
    }
    page.add_written(status);
    if report.scoring.is_some() {
        page.register(status.durations().alerts());
        page.add_rule_set(status);
    }
    if report.epoch.is_some() && report.phase != Phase::Standby {
        page.add_messages(&report, status.possible_refusals());
        match status.rule_set() {
            Some(rule_set) => page.add_scoring(&report, &rule_set),
            None => page.add_ingested(&report),
        }
        page.add_progress(&report);
        page.add_partitions(&report, now_us());
        page.add_tables(&report);
        page.add_state(status);
        page.add_gold(&report);
    }
    page.text()
}

#[derive(Default)]
struct Page {
    registry: Registry,
}

impl Page {
    fn register(&mut self, collector: Box<dyn Collector>) {
        self.registry.register(collector).expect("every metric has a name of its own");
    }

    /// A metric with the values of its series, each by its labels.
    fn add<'a, const LABELS: usize>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = ([&'a str; LABELS], f64)>,
    ) {
        let options = Opts::new(metric.name, metric.help);
        let labels = metric.label_names();
        match metric.kind {
            MetricKind::Counter => {
                let vector = CounterVec::new(options, &labels).expect("the definition is valid");
                for (labels, value) in series {
                    vector.with_label_values(&labels).inc_by(value);
                }
                self.register(Box::new(vector));
            }
            MetricKind::Gauge => {
                let vector = GaugeVec::new(options, &labels).expect("the definition is valid");
                for (labels, value) in series {
                    vector.with_label_values(&labels).set(value);
                }
                self.register(Box::new(vector));
            }
            // It is more than a number: `Durations` has them.
            MetricKind::Histogram => {}
        }
    }

    /// A metric without labels; without a value it is absent.
    fn add_one(&mut self, metric: &Metric, value: impl Into<Option<f64>>) {
        self.add(metric, value.into().map(|value| ([], value)));
    }

    fn add_worker(&mut self, report: &Report) {
        let phases = PHASES.map(|phase| (format!("{phase:?}"), f64::from(u8::from(phase == report.phase))));
        self.add(&worker::PHASE_NOW, phases.iter().map(|(phase, value)| ([phase.as_str()], *value)));
        let problems = report.problems.iter().map(|problem| ([problem.reason.as_str()], 1.0));
        self.add(&worker::PROBLEM_NOW, problems);
        self.add(&worker::INFO, [([env!("CARGO_PKG_VERSION"), report.configuration.as_str()], 1.0)]);
    }

    fn add_process(&mut self, usage: Usage) {
        self.add_one(&worker::CPU, usage.cpu_seconds);
        self.add_one(&worker::RESIDENT_MEMORY, usage.resident_bytes as f64);
        self.add_one(&worker::VIRTUAL_MEMORY, usage.virtual_bytes as f64);
        self.add_one(&worker::START_TIME, usage.started_at_seconds);
        self.add_one(&worker::THREADS, usage.threads as f64);
        self.add_one(&worker::OPEN_FILES, usage.open_files as f64);
    }

    fn add_written(&mut self, status: &Status) {
        let written = status.written();
        let files = written.iter().map(|(table, written)| ([table.as_str()], written.files as f64));
        self.add(&worker::WRITTEN_FILES, files);
        let bytes = written.iter().map(|(table, written)| ([table.as_str()], written.bytes as f64));
        self.add(&worker::WRITTEN_BYTES, bytes);
    }

    fn add_messages(&mut self, report: &Report, possible_refusals: &[(&'static str, String)]) {
        let counts = &report.counts;
        self.add_one(&worker::MESSAGES, counts.messages as f64);
        self.add_one(&worker::MESSAGE_BYTES, counts.bytes as f64);
        let possible = possible_refusals.iter().map(|(stage, reason)| ([*stage, reason.as_str()], 0.0));
        let refused = counts.refused.iter().flat_map(|(stage, reasons)| {
            reasons.iter().map(|(reason, count)| ([stage.as_str(), reason.as_str()], *count as f64))
        });
        self.add(&worker::REFUSED, possible.chain(refused));
        self.add_one(&worker::DUPLICATES, counts.duplicates as f64);
        self.add_one(&worker::KEY_MISMATCHES, counts.key_mismatches as f64);
    }

    fn add_ingested(&mut self, report: &Report) {
        let counts = &report.counts;
        let refused: u64 = counts.refused.values().flat_map(|reasons| reasons.values()).sum();
        let rows = [("bronze", counts.bronze), ("silver", counts.silver), ("quarantine", refused)];
        self.add(&worker::ROWS, rows.map(|(table, rows)| ([table], rows as f64)));
    }

    fn add_rule_set(&mut self, status: &Status) {
        let rule_set = status.rule_set();
        self.add(&worker::RULE_SET_NOW, rule_set.iter().map(|rules| ([rules.hash.as_str()], 1.0)));
        self.add_one(&worker::COUNTED_ROWS, status.counted_rows().map(|rows| rows as f64));
    }

    fn add_scoring(&mut self, report: &Report, rule_set: &RuleSetStatus) {
        let counts = &report.counts.scoring;
        let tables = report.tables.iter().map(|table| ([table.name.as_str()], report.counts.silver as f64));
        self.add(&worker::ROWS, tables);
        self.add_one(&worker::ALERTS, counts.alerts as f64);
        let metrics = [
            (&worker::SCORED_ROWS, &rule_set.levels, &counts.levels),
            (&worker::RULE_HITS, &rule_set.rules, &counts.rules),
            (&worker::RULE_FAILURES, &rule_set.rules, &counts.failed),
        ];
        for (metric, possible, counted) in metrics {
            // What can occur begins at 0; what occurred by earlier rules stays.
            let possible = possible.iter().map(|name| ([name.as_str()], 0.0));
            let counted = counted.iter().map(|(name, count)| ([name.as_str()], *count as f64));
            self.add(metric, possible.chain(counted));
        }
    }

    fn add_progress(&mut self, report: &Report) {
        self.add_one(&worker::LAG, report.lag.map(|lag| lag as f64));
        self.add_one(&worker::FRESHNESS, report.freshness_ms.map(|age| age as f64 / 1_000.0));
        self.add_one(&worker::EPOCH, report.epoch.map(|epoch| epoch as f64));
        self.add_one(&worker::COMMITTED_AT, report.committed_at_ms.map(|at| at as f64 / 1_000.0));
    }

    fn add_partitions(&mut self, report: &Report, now_us: i64) {
        let numbers: Vec<String> =
            report.partitions.iter().map(|partition| partition.partition.to_string()).collect();
        let all =
            || numbers.iter().zip(&report.partitions).map(|(number, report)| ([number.as_str()], report));
        let seconds = |us: i64| us as f64 / 1e6;
        self.add(&worker::NEXT_OFFSET, all().map(|(label, report)| (label, report.next_offset as f64)));
        let ends = all().filter_map(|(label, report)| Some((label, report.end_offset? as f64)));
        self.add(&worker::END_OFFSET, ends);
        let watermarks = all().filter_map(|(label, report)| Some((label, seconds(report.watermark_us?))));
        self.add(&worker::WATERMARK, watermarks);
        let delays =
            all().filter_map(|(label, report)| Some((label, seconds(now_us - report.watermark_us?))));
        self.add(&worker::WATERMARK_DELAY, delays);
        self.add(&worker::IDLE, all().map(|(label, report)| (label, f64::from(u8::from(report.idle)))));
    }

    fn add_tables(&mut self, report: &Report) {
        let all = || report.tables.iter().map(|table| ([table.name.as_str()], table));
        self.add(&worker::TABLE_VERSION, all().map(|(label, table)| (label, table.version as f64)));
        self.add(&worker::TABLE_ROWS, all().map(|(label, table)| (label, table.rows as f64)));
        self.add(&worker::TABLE_FILES, all().map(|(label, table)| (label, table.files as f64)));
        self.add(&worker::TABLE_BYTES, all().map(|(label, table)| (label, table.bytes as f64)));
    }

    fn add_state(&mut self, status: &Status) {
        let Some(state) = status.state_size() else { return };
        self.add_one(&worker::REMEMBERED_ROWS, state.memory.rows as f64);
        self.add_one(&worker::REMEMBERED_BYTES, state.memory.bytes as f64);
        self.add_one(&worker::STATE_FILES, state.files as f64);
        self.add_one(&worker::STATE_BYTES, state.bytes as f64);
    }

    fn add_gold(&mut self, report: &Report) {
        let Some(gold) = &report.gold else { return };
        self.add_one(&worker::GOLD_EPOCH, gold.epoch as f64);
        self.add_one(&worker::GOLD_PUBLISHED_AT, gold.published_at_ms.map(|at| at as f64 / 1_000.0));
        self.add_one(&worker::GOLD_OPEN_WINDOWS, gold.open_windows as f64);
        self.add_one(&worker::GOLD_GROUPS, gold.groups as f64);
        self.add_one(&worker::GOLD_MEMORY_BYTES, gold.memory_bytes as f64);
        self.add_one(&worker::GOLD_SPILLED_FILES, gold.spilled_files as f64);
        self.add_one(&worker::GOLD_STALLED_PARTITIONS, gold.stalled_partitions.len() as f64);
        let all = || gold.tables.iter().map(|table| ([table.name.as_str()], table));
        let intervals = all().map(|(label, table)| (label, table.interval_ms as f64 / 1_000.0));
        self.add(&worker::GOLD_EMIT_INTERVAL, intervals);
        let rows = all().map(|(label, table)| (label, table.published_rows as f64));
        self.add(&worker::GOLD_PUBLISHED_ROWS, rows);
        let corrections = all().map(|(label, table)| (label, table.corrections as f64));
        self.add(&worker::GOLD_CORRECTIONS, corrections);
    }

    fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a vector takes all writes");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}

#[cfg(test)]
mod tests;
