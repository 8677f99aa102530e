//! [`Durations`]: how long epochs, commits and their steps took, as histograms since the process started.

use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec};
use sluice_contract::metrics::{DURATION_BUCKETS, Metric, worker};

/// A step of the work whose duration is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commit: the data files are encoded and made durable.
    Files,
    /// Commit: what the epoch adds to the state is made durable.
    State,
    /// Commit: the broker has the alerts of the epoch's rows (scoring jobs).
    Alerts,
    /// Commit: the manifest is created.
    Manifest,
    /// Commit: every table gets its commit.
    Tables,
    /// Start: the chains of the generation before end, and what they knew is taken over.
    Inherit,
    /// Start: the chain is claimed.
    Claim,
    /// Start: the tables get what the process before left undone.
    Recover,
    /// Start: the state is read.
    Load,
}

impl Step {
    const COMMIT: [Self; 5] = [Self::Files, Self::State, Self::Alerts, Self::Manifest, Self::Tables];
    const START: [Self; 4] = [Self::Inherit, Self::Claim, Self::Recover, Self::Load];

    fn label(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::State => "state",
            Self::Alerts => "alerts",
            Self::Manifest => "manifest",
            Self::Tables => "tables",
            Self::Inherit => "inherit",
            Self::Claim => "claim",
            Self::Recover => "recover",
            Self::Load => "load",
        }
    }
}

/// How long things took.
#[derive(Debug)]
pub struct Durations {
    epoch: Histogram,
    commit: Histogram,
    freshness: Histogram,
    commit_steps: HistogramVec,
    start_steps: HistogramVec,
    alerts: Histogram,
    publication: Histogram,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            epoch: histogram(&worker::EPOCH_DURATION),
            commit: histogram(&worker::COMMIT_DURATION),
            freshness: histogram(&worker::EPOCH_FRESHNESS),
            commit_steps: step_histograms(&worker::COMMIT_STEP_DURATION, &Step::COMMIT),
            start_steps: step_histograms(&worker::START_STEP_DURATION, &Step::START),
            alerts: histogram(&worker::ALERT_LATENCY),
            publication: histogram(&worker::GOLD_PUBLICATION_DURATION),
        }
    }
}

impl Durations {
    /// Notes an epoch with messages: how long it was open, and its commit took, and how old its oldest message is.
    pub fn committed(&self, open_for: Duration, commit_took: Duration, freshness_ms: u64) {
        self.epoch.observe(open_for.as_secs_f64());
        self.commit.observe(commit_took.as_secs_f64());
        self.freshness.observe(freshness_ms as f64 / 1_000.0);
    }

    /// Notes how long it took from a message's arrival to the acknowledgement of its alert.
    pub fn alerted(&self, latency: Duration) {
        self.alerts.observe(latency.as_secs_f64());
    }

    /// How long alerts took; scoring jobs have it.
    pub fn alerts(&self) -> Box<dyn Collector> {
        Box::new(self.alerts.clone())
    }

    /// Notes how much of a core a publication of tables of windows took.
    pub fn published(&self, took: Duration) {
        self.publication.observe(took.as_secs_f64());
    }

    /// Does a step, and notes how long it took.
    pub async fn timed<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = work.await;
        let steps = if Step::START.contains(&step) { &self.start_steps } else { &self.commit_steps };
        steps.with_label_values(&[step.label()]).observe(started.elapsed().as_secs_f64());
        result
    }

    /// All histograms that every job has.
    pub fn collectors(&self) -> [Box<dyn Collector>; 6] {
        [
            Box::new(self.epoch.clone()),
            Box::new(self.commit.clone()),
            Box::new(self.freshness.clone()),
            Box::new(self.commit_steps.clone()),
            Box::new(self.start_steps.clone()),
            Box::new(self.publication.clone()),
        ]
    }
}

fn options(metric: &Metric) -> HistogramOpts {
    HistogramOpts::new(metric.name, metric.help).buckets(DURATION_BUCKETS.to_vec())
}

fn histogram(metric: &Metric) -> Histogram {
    Histogram::with_opts(options(metric)).expect("the name and buckets are valid")
}

fn step_histograms(metric: &Metric, steps: &[Step]) -> HistogramVec {
    let vector =
        HistogramVec::new(options(metric), &metric.label_names()).expect("the name and buckets are valid");
    for step in steps {
        // A series that begins at 0 lets the first observation count.
        vector.with_label_values(&[step.label()]);
    }
    vector
}
