//! The Prometheus metrics of a worker, made from its report at each scrape.
//!
//! Counters come from the cumulative counts in the manifests, so they survive restarts.

use prometheus::core::Collector;
use prometheus::{Encoder, Gauge, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use sluice_contract::report::{Phase, Report};

use super::state::Status;

const PHASES: [Phase; 5] = [Phase::Starting, Phase::Running, Phase::Standby, Phase::Blocked, Phase::Finished];

/// The metrics of this moment in Prometheus's text format.
pub fn render(status: &Status) -> String {
    let report = status.report();
    let mut page = Page::default();
    for duration in status.durations() {
        page.register(duration.clone());
    }
    page.add_totals(&report);
    page.add_state(&report);
    page.add_partitions(&report);
    page.add_tables(&report);
    page.text()
}

#[derive(Default)]
struct Page {
    registry: Registry,
}

impl Page {
    fn register(&mut self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("every metric has a name of its own");
    }

    fn total(&mut self, name: &str, help: &str, value: u64) {
        let counter = IntCounter::new(name, help).expect("the name is valid");
        counter.inc_by(value);
        self.register(counter);
    }

    fn value(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::new(name, help).expect("the name is valid");
        gauge.set(value);
        self.register(gauge);
    }

    fn add_totals(&mut self, report: &Report) {
        let counts = &report.counts;
        self.total("sluice_messages_total", "Messages read and committed.", counts.messages);
        self.total("sluice_message_bytes_total", "Bytes of their values.", counts.bytes);
        self.total("sluice_bronze_rows_total", "Bronze rows.", counts.bronze);
        self.total("sluice_silver_rows_total", "Silver rows.", counts.silver);
        self.total(
            "sluice_duplicates_total",
            "Bronze rows left out of silver as copies of an earlier row.",
            counts.duplicates,
        );
        self.total(
            "sluice_key_mismatches_total",
            "Bronze rows whose key column is not the text of the message key.",
            counts.key_mismatches,
        );
        let refused = IntCounterVec::new(
            Opts::new("sluice_refused_total", "Messages in quarantine."),
            &["stage", "reason"],
        )
        .expect("the name is valid");
        for (stage, reasons) in &counts.refused {
            for (reason, count) in reasons {
                refused.with_label_values(&[stage, reason]).inc_by(*count);
            }
        }
        self.register(refused);
    }

    fn add_state(&mut self, report: &Report) {
        self.value("sluice_messages_per_second", "Over the last ten seconds.", report.messages_per_second);
        if let Some(lag) = report.lag {
            self.value(
                "sluice_lag_messages",
                "Messages in the topic that are not committed yet.",
                lag as f64,
            );
        }
        if let Some(freshness) = report.freshness_ms {
            let help = "Age, at its commit, of the oldest message of the newest epoch.";
            self.value("sluice_freshness_seconds", help, freshness as f64 / 1_000.0);
        }
        if let Some(epoch) = report.epoch {
            self.value("sluice_epoch", "Newest epoch that all tables have.", epoch as f64);
        }
        if let Some(at) = report.committed_at_ms {
            let help = "When the newest epoch was committed.";
            self.value("sluice_committed_timestamp_seconds", help, at as f64 / 1_000.0);
        }
        let phases = gauges("sluice_phase", "1 for what the worker is doing.", &["phase"]);
        for phase in PHASES {
            phases.with_label_values(&[&format!("{phase:?}")]).set(i64::from(phase == report.phase));
        }
        self.register(phases);
        let problems = gauges("sluice_problem", "1 for each problem of the worker.", &["reason"]);
        for problem in &report.problems {
            problems.with_label_values(&[&problem.reason]).set(1);
        }
        self.register(problems);
    }

    fn add_partitions(&mut self, report: &Report) {
        let next = gauges("sluice_next_offset", "First offset that is not committed yet.", &["partition"]);
        let end = gauges("sluice_end_offset", "Offset that the next message will get.", &["partition"]);
        let watermark = gauges("sluice_watermark_us", "Watermark, in Unix microseconds.", &["partition"]);
        let idle = gauges("sluice_idle", "1 if the partition is idle.", &["partition"]);
        for partition in &report.partitions {
            let labels = [partition.partition.to_string()];
            next.with_label_values(&labels).set(partition.next_offset);
            idle.with_label_values(&labels).set(i64::from(partition.idle));
            if let Some(offset) = partition.end_offset {
                end.with_label_values(&labels).set(offset);
            }
            if let Some(time) = partition.watermark_us {
                watermark.with_label_values(&labels).set(time);
            }
        }
        for vector in [next, end, watermark, idle] {
            self.register(vector);
        }
    }

    fn add_tables(&mut self, report: &Report) {
        let version = gauges("sluice_table_version", "Newest version of the table.", &["table"]);
        let rows = gauges("sluice_table_rows", "Rows of the table.", &["table"]);
        let files = gauges("sluice_table_files", "Live files of the table.", &["table"]);
        let bytes = gauges("sluice_table_bytes", "Bytes of the live files.", &["table"]);
        for table in &report.tables {
            let labels = [table.name.as_str()];
            version.with_label_values(&labels).set(table.version as i64);
            rows.with_label_values(&labels).set(table.rows as i64);
            files.with_label_values(&labels).set(table.files as i64);
            bytes.with_label_values(&labels).set(table.bytes as i64);
        }
        for vector in [version, rows, files, bytes] {
            self.register(vector);
        }
    }

    fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a vector takes all writes");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect("the name is valid")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_contract::manifest::{Counts, PartitionProgress};
    use sluice_contract::report::TableReport;

    use super::*;
    use crate::report::Subject;

    #[test]
    fn counts_partitions_and_tables_become_metrics() {
        let status = Status::new(Subject {
            shard: 0,
            shards: 1,
            writer: "worker".to_owned(),
            configuration: "r1".to_owned(),
            max_out_of_orderness_us: 0,
        });
        let mut counts = Counts { messages: 10, bronze: 9, duplicates: 2, ..Counts::default() };
        counts.add_refused("decode", "EmptyValue", 1);
        let progress = PartitionProgress { next_offset: 10, max_event_time_us: Some(5), idle: true, counts };
        let table = TableReport { name: "bronze".to_owned(), version: 3, rows: 9, files: 1, bytes: 1_000 };
        status.restore(4, BTreeMap::from([(6, progress)]), vec![table]);
        let text = render(&status);
        for line in [
            "sluice_messages_total 10",
            "sluice_duplicates_total 2",
            "sluice_refused_total{reason=\"EmptyValue\",stage=\"decode\"} 1",
            "sluice_next_offset{partition=\"6\"} 10",
            "sluice_idle{partition=\"6\"} 1",
            "sluice_watermark_us{partition=\"6\"} 5",
            "sluice_table_bytes{table=\"bronze\"} 1000",
            "sluice_phase{phase=\"Starting\"} 1",
            "sluice_phase{phase=\"Running\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
