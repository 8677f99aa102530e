//! The parts `spec.rules`, `spec.velocity` and `spec.levels`.
//!
//! Names, points and levels are checked by the schema; expressions by `sluice-worker check`.

use sluice_contract::scorer::{
    Level, RULE_SET_FORMAT_VERSION, RuleSet, ScoringRule, VelocityCount, VelocityRule,
};
use sluice_crds::FraudScorerSpec;
use sluice_crds::fraud_scorer as crd;

use super::table::refuse_unknown;
use crate::problem::Faults;
use crate::stream_pipeline::ValidatedPipeline;
use crate::validation::measure::{DAY, SECOND, milliseconds};

/// Rows are remembered for as many windows, where the spec does not say how long.
const KEPT_WINDOWS: u64 = 2;

pub(super) fn validate_velocity(
    rules: &[crd::Velocity],
    pipeline: Option<&ValidatedPipeline>,
    faults: &mut Faults,
) -> Vec<VelocityCount> {
    let named = rules.iter().enumerate();
    named
        .map(|(index, rule)| {
            let field = |name: &str| format!("spec.velocity[{index}].{name}");
            if let Some(pipeline) = pipeline {
                validate_key(&field("key"), &rule.key, pipeline, faults);
            }
            let window = &field("window");
            let window_ms = milliseconds(window, Some(&rule.window), SECOND, SECOND..=30 * DAY, faults);
            let keep = rule.keep.as_deref();
            let default = KEPT_WINDOWS * window_ms;
            let keep_ms = milliseconds(&field("keep"), keep, default, SECOND..=90 * DAY, faults);
            if keep_ms < window_ms {
                faults.add(
                    field("keep"),
                    format!("{} is shorter than the window, {}", keep.unwrap_or_default(), rule.window),
                    "remember rows for at least the window",
                );
            }
            VelocityCount { name: rule.name.clone(), key: rule.key.clone(), window_ms, keep_ms }
        })
        .collect()
}

/// Only if the topic is keyed by what is counted are all rows of a key in one partition.
fn validate_key(field: &str, key: &str, pipeline: &ValidatedPipeline, faults: &mut Faults) {
    let name = &pipeline.name;
    match &pipeline.key_column {
        None => faults.add(
            field,
            format!("StreamPipeline '{name}' does not say what its topic is keyed by"),
            format!("set its spec.source.kafka.keyColumn to '{key}', if the producers key by it"),
        ),
        Some(column) if column != key => faults.add(
            field,
            format!("the topic of StreamPipeline '{name}' is keyed by '{column}', not by '{key}'"),
            format!("count by '{column}', or score a pipeline whose topic is keyed by '{key}'"),
        ),
        Some(_) => {
            refuse_unknown(field, key, pipeline, faults);
            let mut columns = pipeline.silver.columns.iter();
            if columns.any(|column| column.name == key && column.expr.is_some()) {
                faults.add(
                    field,
                    format!("silver of StreamPipeline '{name}' computes '{key}', so it is not the key"),
                    format!("pass '{key}' through as it is there, and give the computed column another name"),
                );
            }
        }
    }
}

/// The rule set in the worker's terms.
pub(super) fn rule_set(spec: &FraudScorerSpec) -> RuleSet {
    let rule = |rule: &crd::ScoringRule| ScoringRule {
        name: rule.name.clone(),
        when: rule.when.clone(),
        points: unsigned(rule.points),
    };
    let velocity = |rule: &crd::Velocity| VelocityRule {
        name: rule.name.clone(),
        more_than: unsigned(rule.more_than),
        points: unsigned(rule.points),
    };
    let level = |level: &crd::Level| Level { name: level.name.clone(), min_score: unsigned(level.min_score) };
    RuleSet {
        format_version: RULE_SET_FORMAT_VERSION,
        rules: spec.rules.iter().map(rule).collect(),
        velocity: spec.velocity.iter().map(velocity).collect(),
        levels: spec.levels.iter().map(level).collect(),
        review_at: spec.review_at.clone(),
        alert_at: spec.alerts.as_ref().map(|alerts| alerts.alert_at.clone()),
    }
}

/// The schema lets no negative number pass.
fn unsigned(number: i32) -> u32 {
    number.unsigned_abs()
}
