//! The status of a scorer: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`crate::sharded_job::status`] | what the status of every kind of job says |
//! | [`parts`] | rules, alerts, the label, the model |
//! | [`numbers`] | lag, latency, levels, rules: rounded, and not too often |
//!
//! The same inputs give the same document, so that an unchanged status writes nothing.

pub mod numbers;
pub mod parts;

use sluice_contract::scorer::RuleSet;
use sluice_crds::FraudScorerStatus;

use crate::sharded_job::status::{Inputs, Outcome, complete};

/// What the spec asks for, as far as the status speaks of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The rule set; `None` where the spec has faults.
    pub rules: Option<&'a RuleSet>,
    /// The topic of alerts, if there is one.
    pub alerts: Option<&'a str>,
    /// Name of the ModelDeployment, if there is one.
    pub model: Option<&'a str>,
}

/// The status after a pass.
pub fn status(
    inputs: &Inputs<'_>,
    previous: &FraudScorerStatus,
    asked: Asked<'_>,
) -> Outcome<FraudScorerStatus> {
    let (numbers, has_new_numbers) = numbers::numbers(inputs, previous, asked.rules);
    let own = FraudScorerStatus {
        configuration: previous.configuration.clone(),
        rule_set: parts::rules_in_force(inputs.workers).or_else(|| previous.rule_set.clone()),
        model: None,
        ..numbers
    };
    let status = complete(inputs, previous.shards, parts::statements(inputs, asked), own);
    Outcome { status, has_new_numbers }
}

#[cfg(test)]
mod tests;
