//! The status of a pipeline: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`crate::sharded_job::status`] | the conditions that every kind of job has |
//! | [`upkeep`] | whether the last maintenance of the tables succeeded |
//! | [`numbers`] | lag, freshness, tables, quarantine: rounded, and not too often |
//!
//! The same inputs give the same document, so that an unchanged status writes nothing.

pub mod numbers;
pub mod upkeep;

use k8s_openapi::api::batch::v1::CronJob;
use sluice_crds::StreamPipelineStatus;

use crate::conditions::merge;
use crate::sharded_job::status::{Inputs, replicas, statements};

/// A status, and whether its fast numbers are new.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The status.
    pub status: StreamPipelineStatus,
    /// Whether fast numbers changed.
    pub has_new_numbers: bool,
}

/// The status after a pass, from what was seen of the job and of its upkeep.
pub fn status(inputs: &Inputs<'_>, previous: &StreamPipelineStatus, upkeep: Option<&CronJob>) -> Outcome {
    let mut statements = statements(inputs);
    statements.extend(upkeep.and_then(|upkeep| upkeep::statement(upkeep, inputs.previous)));
    let (numbers, has_new_numbers) = numbers::numbers(inputs, previous);
    let replicas = replicas(inputs, previous.shards);
    let status = StreamPipelineStatus {
        observed_generation: inputs.generation,
        conditions: merge(inputs.previous, &statements, inputs.generation, inputs.now),
        shards: replicas.shards,
        replicas: Some(replicas.pods),
        ready_replicas: Some(replicas.ready),
        replica_summary: replicas.summary,
        selector: Some(replicas.selector),
        configuration: replicas.configuration.or_else(|| previous.configuration.clone()),
        warehouse: previous.warehouse.clone(),
        lake: previous.lake.clone(),
        ..numbers
    };
    Outcome { status, has_new_numbers }
}

#[cfg(test)]
mod tests;
