//! What the operator counts of itself, for Prometheus. Labels are of fixed sets.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

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
    resources: IntGauge,
    leading: IntGauge,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect(VALID);
        let counters = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID)
        };
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect(VALID);
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let duration =
            HistogramOpts::new("sluice_operator_reconcile_seconds", "Time of one reconcile").buckets(buckets);
        let metrics = Self {
            registry: Registry::new(),
            reconciles: counter("sluice_operator_reconciles_total", "Reconciles, whatever their outcome"),
            errors: counters(
                "sluice_operator_reconcile_errors_total",
                "Reconciles that failed, by category",
                "category",
            ),
            duration: Histogram::with_opts(duration).expect(VALID),
            api_writes: counters(
                "sluice_operator_api_writes_total",
                "Mutating requests to the API server, by verb",
                "verb",
            ),
            resources: gauge("sluice_operator_resources", "Resources that the operator looks after"),
            leading: gauge("sluice_operator_leading", "Whether this process is the one that acts"),
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

    /// Says how many resources there are.
    pub fn resources(&self, number: usize) {
        self.resources.set(i64::try_from(number).unwrap_or(i64::MAX));
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

const VALID: &str = "the names of metrics are valid and unique";

#[cfg(test)]
mod tests {
    use super::{Metrics, Verb};

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
