//! The status of a pipeline: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`verdict`] | `Ready`, `Reconciling`, `Stalled`, `Degraded` |
//! | [`parts`] | what the workers say of Kafka, of storage, of the schema |
//! | [`upkeep`] | whether the last maintenance of the tables succeeded |
//! | [`numbers`] | lag, freshness, tables, quarantine: rounded, and not too often |
//!
//! The same inputs give the same document, so that an unchanged status writes nothing.

pub mod numbers;
pub mod parts;
pub mod upkeep;
pub mod verdict;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::StreamPipelineStatus;
use sluice_crds::conditions::{reasons, types};

use super::build::INGEST;
use super::plan::{Plan, Stage};
use super::workers::Workers;
use crate::apply::Applied;
use crate::conditions::{Statement, Truth, find, merge};
use crate::labels;

/// What a status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Name of the pipeline.
    pub name: &'a str,
    /// The generation that was acted on.
    pub generation: Option<i64>,
    /// The status so far.
    pub previous: &'a StreamPipelineStatus,
    /// What was planned.
    pub plan: &'a Plan,
    /// What the apply did.
    pub applied: &'a Applied,
    /// What was seen of the workers.
    pub workers: &'a Workers,
    /// What was seen of the upkeep.
    pub upkeep: Option<&'a CronJob>,
    /// When fast numbers were last written.
    pub numbers_written: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// A status, and whether its fast numbers are new.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The status.
    pub status: StreamPipelineStatus,
    /// Whether fast numbers changed.
    pub has_new_numbers: bool,
}

/// The status after a pass.
pub fn status(inputs: &Inputs<'_>) -> Outcome {
    let Inputs { plan, workers, previous, .. } = inputs;
    let mut statements = verdict::statements(inputs);
    statements.extend(check_statement(inputs));
    statements.extend(parts::statements(plan, workers));
    statements.extend(inputs.upkeep.and_then(|upkeep| upkeep::statement(upkeep, &previous.conditions)));
    let (numbers, has_new_numbers) = numbers::numbers(inputs);
    let shards = plan.shards.or_else(|| previous.shards.and_then(|shards| u32::try_from(shards).ok()));
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let ready = workers.ready(shards.unwrap_or(0));
    let status = StreamPipelineStatus {
        observed_generation: inputs.generation,
        conditions: merge(&previous.conditions, &statements, inputs.generation, inputs.now),
        shards: shards.map(signed),
        replicas: Some(workers.pods()),
        ready_replicas: Some(signed(ready)),
        replica_summary: shards.map(|shards| format!("{ready}/{shards}")),
        selector: Some(selector(inputs.name)),
        configuration: configuration(workers).or_else(|| previous.configuration.clone()),
        warehouse: previous.warehouse.clone(),
        lake: previous.lake.clone(),
        ..numbers
    };
    Outcome { status, has_new_numbers }
}

/// The status of a resource that the operator was told to leave alone: everything stays as it was, and one
/// condition says so, with the generation that was applied last.
pub fn paused(
    previous: &StreamPipelineStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> StreamPipelineStatus {
    let applied = previous.observed_generation.filter(|generation| *generation > 0);
    let message = find(&previous.conditions, types::RECONCILIATION_PAUSED).map_or_else(
        || match applied {
            Some(generation) => format!(
                "generation {generation} is applied; remove the annotation {} to go on",
                labels::PAUSED
            ),
            None => format!("nothing is applied yet; remove the annotation {} to go on", labels::PAUSED),
        },
        |condition| condition.message.clone(),
    );
    let pause = [Statement::new(types::RECONCILIATION_PAUSED, Truth::True, reasons::PAUSED, message)];
    let pause = merge(&previous.conditions, &pause, generation, now);
    let mut status = previous.clone();
    status.observed_generation = generation;
    status.conditions.retain(|condition| condition.type_ != types::RECONCILIATION_PAUSED);
    if status.conditions.is_empty() {
        let unknown = [Statement::new(types::READY, Truth::Unknown, reasons::PAUSED, "")];
        status.conditions = merge(&[], &unknown, generation, now);
    }
    status.conditions.extend(pause);
    status
}

/// The conditions of a resource that cannot be read at all.
pub fn unreadable(
    previous: &[Condition],
    error: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let message = format!("{error}; correct the resource, or install the definition of this release");
    let ready = Statement::new(types::READY, Truth::False, reasons::INVALID_SPEC, message);
    let stalled = ready.also(types::STALLED, Truth::True);
    merge(previous, &[ready, stalled], generation, now)
}

/// A check that failed and is being repeated is not forgotten while it runs.
fn check_statement(inputs: &Inputs<'_>) -> Option<Statement> {
    use super::preflight::Check;

    let statement = |truth, reason: &str, message: &str| {
        Some(Statement::new(types::CONFIGURATION_CHECKED, truth, reason, message))
    };
    match &inputs.plan.stage {
        Stage::Running { .. } => statement(Truth::True, reasons::CHECK_PASSED, ""),
        Stage::Checking(Check::Passed | Check::Running) => match verdict::repeated_failure(inputs) {
            Some(failure) => statement(Truth::False, &failure.reason, &failure.message),
            None => statement(Truth::Unknown, reasons::CHECKING, ""),
        },
        Stage::Checking(Check::Hindered(trouble)) => {
            statement(Truth::Unknown, trouble.reason, &trouble.message)
        }
        Stage::Checking(Check::Failed { findings, is_lasting: true, .. }) => {
            statement(Truth::False, reasons::CONFIGURATION_REFUSED, findings)
        }
        Stage::Checking(Check::Failed { findings, .. }) => {
            statement(Truth::False, reasons::CHECK_FAILED, findings)
        }
        _ => None,
    }
}

/// The configuration of all shards, if they agree.
fn configuration(workers: &Workers) -> Option<String> {
    let mut all = workers.shards.values().map(|shard| shard.configuration.as_ref());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.clone())
}

fn selector(pipeline: &str) -> String {
    let pairs = labels::selector(pipeline, INGEST).into_iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
