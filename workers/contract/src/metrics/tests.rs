//! The definitions as Prometheus's own lint would judge them, and what else is made of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn all() -> Vec<Metric> {
    let groups = worker::GROUPS.iter().chain(operator::GROUPS);
    groups.flat_map(|group| group.metrics).copied().collect()
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !name.ends_with('_')
}

/// Words that the conventions forbid: kinds, and units that are not base units or are abbreviated.
const FORBIDDEN_WORDS: [&str; 24] = [
    "counter",
    "gauge",
    "histogram",
    "summary",
    "ms",
    "us",
    "ns",
    "milliseconds",
    "microseconds",
    "sec",
    "secs",
    "minutes",
    "hours",
    "days",
    "kb",
    "mb",
    "gb",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "percent",
    "percentage",
    "num",
    "cnt",
];

#[test]
fn the_written_reference_is_current() {
    let path = root().join(page::PATH);
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(current == page::text(), "{} is stale: run `make generate`", path.display());
}

#[test]
fn names_are_unique_and_follow_the_conventions_of_prometheus() {
    let mut names = BTreeSet::new();
    for metric in all() {
        let Metric { name, kind, .. } = metric;
        assert!(names.insert(name), "{name} is defined twice");
        assert!(is_snake_case(name), "{name}");
        assert!(name.starts_with("sluice_") || name.starts_with("process_"), "{name} has no namespace");
        for word in name.split('_') {
            assert!(!FORBIDDEN_WORDS.contains(&word), "{name} has the word {word}");
        }
        assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name} is a {kind:?}");
        for suffix in ["_count", "_sum", "_bucket", "_created"] {
            assert!(!name.ends_with(suffix), "{name} ends like a series of a histogram");
        }
        if kind == MetricKind::Histogram {
            assert!(name.ends_with("_seconds"), "{name}: every histogram has the buckets of durations");
        }
    }
}

#[test]
fn a_help_text_is_a_sentence_that_names_the_unit() {
    for Metric { name, help, .. } in all() {
        assert!(help.ends_with('.') && help.len() > 10 && !help.contains('\n'), "{name}: {help}");
        let names_unit = |unit: &str| help.to_lowercase().contains(unit);
        let base = name.trim_end_matches("_total");
        for (suffix, unit) in [("_seconds", "seconds"), ("_bytes", "bytes"), ("_messages", "messages")] {
            assert!(!base.ends_with(suffix) || names_unit(unit), "{name} does not say that it is in {unit}");
        }
    }
}

#[test]
fn labels_are_explained_and_not_those_of_prometheus_or_of_the_scraper() {
    for metric in all() {
        let names: BTreeSet<&str> = metric.label_names().into_iter().collect();
        assert_eq!(names.len(), metric.labels.len(), "{}: a label twice", metric.name);
        for Label { name, values } in metric.labels {
            assert!(is_snake_case(name) && !values.is_empty(), "{}: {name}", metric.name);
            let taken = ["le", "quantile", "job", "instance", "pod", "namespace", "container", "endpoint"];
            assert!(!taken.contains(name), "{}: {name} is taken", metric.name);
        }
    }
}

/// The metrics that a text names: words with our prefix that are not labels of the scraper.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("sluice_") && !word.starts_with("sluice_dev_"));
    ours.map(str::to_owned).collect()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Whether a series of this name exists, the three of each histogram included.
fn is_exposed(series: &str) -> bool {
    all().iter().any(|metric| match metric.kind {
        MetricKind::Histogram => {
            series.strip_prefix(metric.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        }
        MetricKind::Counter | MetricKind::Gauge => series == metric.name,
    })
}

#[test]
fn what_the_chart_alerts_on_and_shows_exists() {
    let mut files = Vec::new();
    files_below(&root().join("helm/sluice"), &mut files);
    let rules = root().join("helm/sluice/templates/prometheusrule.yaml");
    assert!(files.contains(&rules), "{} has moved: tell this test", rules.display());
    assert!(named_in(&fs::read_to_string(&rules).unwrap()).len() >= 5, "the rules name metrics");
    let is_dashboard = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "json");
    for file in files.into_iter().filter(|file| *file == rules || is_dashboard(file)) {
        for name in named_in(&fs::read_to_string(&file).unwrap()) {
            assert!(is_exposed(&name), "{} names {name}, which no program exposes", file.display());
        }
    }
}

#[test]
fn a_renamed_metric_in_a_rule_would_be_found() {
    let rule =
        "expr: sum by (sluice_dev_pipeline) (sluice_lag) > 0 and sluice_commit_duration_seconds_bucket";
    let named = named_in(rule);
    assert_eq!(named.len(), 2);
    assert!(!is_exposed("sluice_lag") && is_exposed("sluice_commit_duration_seconds_bucket"));
    assert!(!is_exposed("sluice_commit_duration_seconds"), "a histogram has no series of its own name");
}
