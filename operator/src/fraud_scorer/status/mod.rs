//! The status of a scorer: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`crate::sharded_job::status`] | the conditions that every kind of job has |
//! | [`parts`] | rules, alerts, the label, the model |
//! | [`numbers`] | lag, latency, levels, rules: rounded, and not too often |
//!
//! The same inputs give the same document, so that an unchanged status writes nothing.

pub mod numbers;
pub mod parts;

use sluice_contract::scorer::RuleSet;
use sluice_crds::FraudScorerStatus;

use crate::conditions::merge;
use crate::sharded_job::status::{Inputs, replicas, statements};

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

/// A status, and whether its fast numbers are new.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The status.
    pub status: FraudScorerStatus,
    /// Whether fast numbers changed.
    pub has_new_numbers: bool,
}

/// The status after a pass.
pub fn status(inputs: &Inputs<'_>, previous: &FraudScorerStatus, asked: Asked<'_>) -> Outcome {
    let mut statements = statements(inputs);
    statements.extend(parts::statements(inputs, asked));
    let (numbers, has_new_numbers) = numbers::numbers(inputs, previous, asked.rules);
    let replicas = replicas(inputs, previous.shards);
    let status = FraudScorerStatus {
        observed_generation: inputs.generation,
        conditions: merge(inputs.previous, &statements, inputs.generation, inputs.now),
        shards: replicas.shards,
        replicas: Some(replicas.pods),
        ready_replicas: Some(replicas.ready),
        replica_summary: replicas.summary,
        selector: Some(replicas.selector),
        configuration: replicas.configuration.or_else(|| previous.configuration.clone()),
        rule_set: parts::rules_in_force(inputs.workers).or_else(|| previous.rule_set.clone()),
        model: None,
        ..numbers
    };
    Outcome { status, has_new_numbers }
}

#[cfg(test)]
mod tests;
