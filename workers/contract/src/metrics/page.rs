//! The reference of metrics for people, made of the definitions.

use std::fmt::Write as _;

use super::{DURATION_BUCKETS, Metric, MetricGroup, operator, worker};

/// Where the page is, below the root of the repository.
pub const PATH: &str = "docs/reference/metrics.md";

const INTRODUCTION: &str = "\
<!-- Generated from workers/contract/src/metrics by `crdgen`: do not edit. -->
# Metrics

Every worker and the operator serve their metrics in Prometheus's text format at `GET /metrics`. The chart has the
objects that have them scraped (`podMonitor.enabled`) and alert rules on them (`prometheusRule.enabled`).
";

const WORKERS: &str = "
## Workers

The scraper adds whose worker it is, from the labels of the pod: `sluice_dev_pipeline` or `sluice_dev_scorer`, `sluice_dev_role`,
`sluice_dev_shard`.
What describes the shard's chain is told by the process that owns it: who starts or stands by says nothing of it. The counters of
messages and rows are those of the manifests, so they go on where they were after a restart; the other counters and all
histograms begin at 0 with the process.
";

const OPERATOR: &str = "
## Operator
";

/// The text of the page.
pub fn text() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(WORKERS);
    add(&mut page, worker::GROUPS);
    page.push_str(OPERATOR);
    add(&mut page, operator::GROUPS);
    let bounds: Vec<String> = DURATION_BUCKETS.iter().map(f64::to_string).collect();
    line(&mut page, "\n## Buckets\n");
    line(&mut page, &format!("Every histogram has these upper bounds, in seconds: {}.", bounds.join(", ")));
    page
}

fn add(page: &mut String, groups: &[MetricGroup]) {
    for group in groups {
        line(page, &format!("\n### {}\n", group.title));
        line(page, "| metric | kind | what it says | labels |");
        line(page, "|---|---|---|---|");
        for Metric { name, kind, labels, help } in group.metrics {
            let labels: Vec<String> =
                labels.iter().map(|label| format!("`{}`: {}", label.name, label.values)).collect();
            line(page, &format!("| `{name}` | {} | {help} | {} |", kind.as_str(), labels.join("; ")));
        }
    }
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{text}");
}
