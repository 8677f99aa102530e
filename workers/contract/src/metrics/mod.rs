//! Every metric that a program exposes to Prometheus: its name, kind, labels and meaning.
//!
//! The programs make their pages from these definitions, and so is the reference that people read
//! ([`page`]): a metric that is not defined here cannot be exposed, and one that is cannot be forgotten.
//! Names follow the conventions of Prometheus: base units as suffixes, `_total` for counters.

pub mod operator;
pub mod page;
pub mod worker;

#[cfg(test)]
mod tests;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name of the family.
    pub name: &'static str,
    /// How its values behave.
    pub kind: MetricKind,
    /// What tells its series apart.
    pub labels: &'static [Label],
    /// What it says and in which unit: a sentence for people.
    pub help: &'static str,
}

impl Metric {
    /// Names of its labels, in order.
    pub fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

/// How the values of a metric behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises, except when its program starts again.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

impl MetricKind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What tells the series of one metric apart. All values are of a bounded set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Which values it takes.
    pub values: &'static str,
}

/// Metrics that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricGroup {
    /// A heading.
    pub title: &'static str,
    /// Its metrics, in the order of the reference.
    pub metrics: &'static [Metric],
}

/// Upper bounds of the buckets of every duration, in seconds; the last bucket has none.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0];

/// Defines metrics as constants, and `GROUPS` with all of them, so that none can be left out.
macro_rules! metrics {
    ($($title:literal { $($constant:ident: $kind:ident $name:literal [$($label:ident),*] $help:literal;)* })*) => {
        $($(
            #[doc = $help]
            pub const $constant: $crate::metrics::Metric = $crate::metrics::Metric {
                name: $name,
                kind: $crate::metrics::MetricKind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*)*

        /// All of them, in the order of the reference.
        pub const GROUPS: &[$crate::metrics::MetricGroup] = &[$(
            $crate::metrics::MetricGroup { title: $title, metrics: &[$($constant),*] }
        ),*];
    };
}
pub(crate) use metrics;
