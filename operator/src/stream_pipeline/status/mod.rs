//! The status of a pipeline: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`crate::sharded_job::status`] | what the status of every kind of job says |
//! | [`stalled`] | the partitions that windows do not wait for |
//! | [`upkeep`] | whether the last maintenance of the tables succeeded |
//! | [`numbers`] | lag, freshness, tables, quarantine: rounded, and not too often |
//!
//! The same inputs give the same document, so that an unchanged status writes nothing.

pub mod numbers;
pub mod stalled;
pub mod upkeep;

use k8s_openapi::api::batch::v1::CronJob;
use sluice_crds::StreamPipelineStatus;

use crate::sharded_job::status::{Inputs, Outcome, complete};

/// The status after a pass, from what was seen of the job and of its upkeep.
pub fn status(
    inputs: &Inputs<'_>,
    previous: &StreamPipelineStatus,
    upkeep: Option<&CronJob>,
) -> Outcome<StreamPipelineStatus> {
    let upkeep = upkeep.and_then(|upkeep| upkeep::statement(upkeep, inputs.previous));
    let (numbers, has_new_numbers) = numbers::numbers(inputs, previous);
    let own = StreamPipelineStatus {
        configuration: previous.configuration.clone(),
        warehouse: previous.warehouse.clone(),
        lake: previous.lake.clone(),
        ..numbers
    };
    let statements = stalled::stalled_statement(inputs.workers.reports()).into_iter().chain(upkeep);
    Outcome { status: complete(inputs, previous.shards, statements, own), has_new_numbers }
}

#[cfg(test)]
mod tests;
