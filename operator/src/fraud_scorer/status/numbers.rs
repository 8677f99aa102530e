//! Lag, latency, alerts, levels and rules: from the reports, rounded, and not too often. Pure.

use std::collections::BTreeMap;

use sluice_contract::manifest::Counts;
use sluice_contract::report::Report;
use sluice_contract::scorer::RuleSet;
use sluice_crds::FraudScorerStatus;
use sluice_crds::fraud_scorer::{LevelStatus, RuleStatus};

use crate::rounding::{differ, is_due, is_old, is_significant, moment, percent, time_of, two_digits};
use crate::sharded_job::status::Inputs;

/// As many levels as the status holds.
const MOST_LEVELS: usize = 16;
/// As many rules as the status holds.
const MOST_RULES: usize = 72;

/// A status with the numbers only, and whether they are new.
pub(super) fn numbers(
    inputs: &Inputs<'_>,
    previous: &FraudScorerStatus,
    rules: Option<&RuleSet>,
) -> (FraudScorerStatus, bool) {
    let before = FraudScorerStatus {
        lag: previous.lag,
        latency: previous.latency.clone(),
        alert_rate: previous.alert_rate.clone(),
        last_commit_time: previous.last_commit_time.clone(),
        levels: previous.levels.clone(),
        rules: previous.rules.clone(),
        ..FraudScorerStatus::default()
    };
    let Some(reports) = inputs.reports() else { return (before, false) };
    let after = of_reports(&reports, rules);
    let is_first = before.levels.is_empty() && !after.levels.is_empty();
    let is_news =
        is_first || (is_due(inputs.numbers_written, inputs.now) && is_worth_telling(&before, &after, inputs));
    if is_news && before != after { (after, true) } else { (before, false) }
}

/// What all shards say together; names in the order of the rule set, those of earlier ones after them.
pub fn of_reports(reports: &[&Report], rules: Option<&RuleSet>) -> FraudScorerStatus {
    let lags: Option<Vec<u64>> = reports.iter().map(|report| report.lag).collect();
    let scoring = || reports.iter().filter_map(|report| report.scoring.as_ref());
    let latency = scoring().filter_map(|scoring| scoring.alert_latency_ms).max();
    let shares: Vec<f64> = scoring().filter_map(|scoring| scoring.alert_share).collect();
    let committed = reports.iter().filter_map(|report| report.committed_at_ms).max();
    let mut counts = Counts::default();
    for report in reports {
        counts.add(&report.counts);
    }
    let levels = rules.into_iter().flat_map(|rules| &rules.levels).map(|level| level.name.as_str());
    let fired = rules.into_iter().flat_map(|rules| {
        let velocity = rules.velocity.iter().map(|rule| rule.name.as_str());
        rules.rules.iter().map(|rule| rule.name.as_str()).chain(velocity)
    });
    FraudScorerStatus {
        lag: lags.map(|lags| two_digits(lags.iter().fold(0, |sum, lag| sum.saturating_add(*lag)))),
        latency: latency.map(moment),
        alert_rate: mean(&shares).map(percent),
        last_commit_time: committed.and_then(time_of),
        levels: in_order(levels, &counts.scoring.levels, MOST_LEVELS)
            .map(|(name, rows)| LevelStatus { name, rows })
            .collect(),
        rules: in_order(fired, &counts.scoring.rules, MOST_RULES)
            .map(|(name, rows)| RuleStatus { name, rows })
            .collect(),
        ..FraudScorerStatus::default()
    }
}

/// Counts by name: first those of the names in their order, then all others that are not 0.
fn in_order<'a>(
    names: impl Iterator<Item = &'a str>,
    counts: &BTreeMap<String, u64>,
    most: usize,
) -> impl Iterator<Item = (String, i64)> {
    let mut found: Vec<(String, i64)> = names
        .map(|name| (name.to_owned(), two_digits(counts.get(name).copied().unwrap_or_default())))
        .collect();
    for (name, rows) in counts {
        if *rows > 0 && !found.iter().any(|(known, _)| known == name) {
            found.push((name.clone(), two_digits(*rows)));
        }
    }
    found.into_iter().take(most)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Whether a number has changed by a tenth, or all have stood long enough to be confirmed.
fn is_worth_telling(before: &FraudScorerStatus, after: &FraudScorerStatus, inputs: &Inputs<'_>) -> bool {
    let levels = |status: &FraudScorerStatus| -> BTreeMap<String, i64> {
        status.levels.iter().map(|level| (level.name.clone(), level.rows)).collect()
    };
    let rules = |status: &FraudScorerStatus| -> BTreeMap<String, i64> {
        status.rules.iter().map(|rule| (rule.name.clone(), rule.rows)).collect()
    };
    is_old(inputs.numbers_written, inputs.now)
        || is_significant(before.lag, after.lag)
        || before.latency != after.latency
        || before.alert_rate != after.alert_rate
        || differ(&levels(before), &levels(after))
        || differ(&rules(before), &rules(after))
}
