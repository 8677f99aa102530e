//! What a scorer says of itself beside the rest: the rule set in force, the newest alerts, and how long alerts take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_contract::report::ScoringReport;
use sluice_engine::Rules;

use super::alerts::NewestAlerts;

/// So many of the newest alerts tell how long they take...
const NEWEST: usize = 4_096;
/// ... unless they are older than this.
const NEW_FOR: Duration = Duration::from_secs(60);
/// The share of alerts that are at least as fast as the latency told.
const PERCENTILE: usize = 99;

/// The rule set in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSetStatus {
    /// Its hash.
    pub hash: String,
    /// Names of its levels, from the lowest up.
    pub levels: Vec<String>,
    /// Names of its rules, those of velocity last.
    pub rules: Vec<String>,
    /// Names of its rules that read the label.
    pub reading_label: Vec<String>,
}

impl RuleSetStatus {
    /// What is shown of a rule set.
    pub fn of(rules: &Rules) -> Self {
        Self {
            hash: rules.hash().to_owned(),
            levels: rules.level_names().map(str::to_owned).collect(),
            rules: rules.rule_names().map(str::to_owned).collect(),
            reading_label: rules.reading_label().map(str::to_owned).collect(),
        }
    }
}

/// How scoring goes.
#[derive(Debug, Default)]
pub(super) struct Scoring {
    /// `None` before the first.
    pub(super) rule_set: Option<RuleSetStatus>,
    /// See [`ScoringReport::alert_share`].
    pub(super) alert_share: Option<f64>,
    /// Rows that are counted by their keys.
    pub(super) counted_rows: u64,
    /// See [`ScoringReport::newest_alerts`].
    pub(super) newest_alerts: NewestAlerts,
    latencies: VecDeque<(Instant, u64)>,
}

impl Scoring {
    /// Notes how long an alert took.
    pub(super) fn note(&mut self, now: Instant, latency_us: u64) {
        if self.latencies.len() == NEWEST {
            self.latencies.pop_front();
        }
        self.latencies.push_back((now, latency_us));
    }

    /// Notes the rows and the alerts of an epoch.
    pub(super) fn committed(&mut self, rows: u64, alerts: u64) {
        if rows > 0 {
            self.alert_share = Some(alerts as f64 / rows as f64);
        }
    }

    /// What the report says.
    pub(super) fn report(&self, now: Instant) -> ScoringReport {
        ScoringReport {
            rule_set: self.rule_set.as_ref().map(|rules| rules.hash.clone()),
            reading_label: self
                .rule_set
                .as_ref()
                .map(|rules| rules.reading_label.clone())
                .unwrap_or_default(),
            alert_latency_ms: self.latency_us(now).map(|latency_us| latency_us.div_ceil(1_000)),
            alert_share: self.alert_share,
            newest_alerts: self.newest_alerts.report(),
        }
    }

    /// The latency that 99 of 100 new alerts do not exceed.
    fn latency_us(&self, now: Instant) -> Option<u64> {
        let is_new = |(at, _): &&(Instant, u64)| now.duration_since(*at) <= NEW_FOR;
        let mut latencies: Vec<u64> =
            self.latencies.iter().filter(is_new).map(|(_, latency)| *latency).collect();
        let last = latencies.len().checked_sub(1)?;
        let rank = (latencies.len() * PERCENTILE).div_ceil(100).saturating_sub(1).min(last);
        Some(*latencies.select_nth_unstable(rank).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_is_that_of_the_slowest_but_for_one_of_a_hundred_new_alerts() {
        let start = Instant::now();
        let mut scoring = Scoring::default();
        assert_eq!(scoring.report(start).alert_latency_ms, None);
        scoring.note(start, 900_000);
        let later = start + NEW_FOR + Duration::from_secs(1);
        for latency_ms in 1..=100 {
            scoring.note(later, latency_ms * 1_000);
        }
        assert_eq!(scoring.report(later).alert_latency_ms, Some(99));
        assert_eq!(scoring.report(later + 2 * NEW_FOR).alert_latency_ms, None, "none is new");
    }

    #[test]
    fn the_share_of_alerts_is_that_of_the_newest_epoch_with_rows() {
        let mut scoring = Scoring::default();
        scoring.committed(0, 0);
        assert_eq!(scoring.report(Instant::now()).alert_share, None);
        scoring.committed(8, 2);
        scoring.committed(0, 0);
        assert_eq!(scoring.report(Instant::now()).alert_share, Some(0.25));
    }
}
