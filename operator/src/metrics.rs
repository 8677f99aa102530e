//! What the operator counts of itself, for Prometheus. Which metrics there are is defined in
//! [`sluice_contract::metrics::operator`].

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use sluice_contract::metrics::{DURATION_BUCKETS, Metric, operator};

/// A kind of write to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new object.
    Create,
    /// A change.
    Patch,
    /// A removal.
    Delete,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// The operator's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounter,
    errors: IntCounterVec,
    duration: Histogram,
    api_writes: IntCounterVec,
    resources: IntGaugeVec,
    leading: IntGauge,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let counter = |metric: &Metric| IntCounter::new(metric.name, metric.help).expect(VALID);
        let counters =
            |metric: &Metric| IntCounterVec::new(options(metric), &metric.label_names()).expect(VALID);
        let gauge = |metric: &Metric| IntGauge::new(metric.name, metric.help).expect(VALID);
        let gauges = |metric: &Metric| IntGaugeVec::new(options(metric), &metric.label_names()).expect(VALID);
        let histogram = |metric: &Metric| {
            let options = HistogramOpts::from(options(metric)).buckets(DURATION_BUCKETS.to_vec());
            Histogram::with_opts(options).expect(VALID)
        };
        let metrics = Self {
            registry: Registry::new(),
            reconciles: counter(&operator::RECONCILES),
            errors: counters(&operator::RECONCILE_ERRORS),
            duration: histogram(&operator::RECONCILE_DURATION),
            api_writes: counters(&operator::API_WRITES),
            resources: gauges(&operator::RESOURCES),
            leading: gauge(&operator::LEADING),
        };
        let collectors: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.reconciles.clone()),
            Box::new(metrics.errors.clone()),
            Box::new(metrics.duration.clone()),
            Box::new(metrics.api_writes.clone()),
            Box::new(metrics.resources.clone()),
            Box::new(metrics.leading.clone()),
        ];
        for collector in collectors {
            metrics.registry.register(collector).expect(VALID);
        }
        for verb in [Verb::Create, Verb::Patch, Verb::Delete] {
            metrics.api_writes.with_label_values(&[verb.as_str()]);
        }
        metrics
    }

    /// Counts a reconcile and how long it took.
    pub fn reconciled(&self, seconds: f64) {
        self.reconciles.inc();
        self.duration.observe(seconds);
    }

    /// Counts a reconcile that failed.
    pub fn failed(&self, category: &'static str) {
        self.errors.with_label_values(&[category]).inc();
    }

    /// Counts a mutating request.
    pub fn api_write(&self, verb: Verb) {
        self.api_writes.with_label_values(&[verb.as_str()]).inc();
    }

    /// Says how many resources of a kind there are.
    pub fn resources(&self, kind: &'static str, number: usize) {
        self.resources.with_label_values(&[kind]).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Says whether this process acts.
    pub fn leading(&self, is_leading: bool) {
        self.leading.set(i64::from(is_leading));
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail, and all names are valid.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn options(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

const VALID: &str = "the names of metrics are valid and unique";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Metrics, Verb, operator};

    #[test]
    fn every_metric_that_is_defined_is_exposed_and_no_other() {
        let metrics = Metrics::new();
        metrics.failed("apply");
        metrics.resources("StreamPipeline", 1);
        let text = metrics.text();
        let exposed: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let defined = operator::GROUPS.iter().flat_map(|group| group.metrics);
        assert_eq!(exposed, defined.map(|metric| metric.name).collect());
    }

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        metrics.reconciled(0.02);
        metrics.failed("apply");
        metrics.api_write(Verb::Patch);
        let text = metrics.text();
        for line in [
            "sluice_operator_reconciles_total 1",
            "sluice_operator_reconcile_errors_total{category=\"apply\"} 1",
            "sluice_operator_api_writes_total{verb=\"patch\"} 1",
            "sluice_operator_api_writes_total{verb=\"delete\"} 0",
            "sluice_operator_reconcile_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
