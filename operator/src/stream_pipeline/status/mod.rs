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
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::StreamPipelineStatus;
use sluice_crds::replay::ReplayStatus;

use crate::sharded_job::status::{Inputs, JobStatus, Outcome, Replicas, complete};

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

impl JobStatus for StreamPipelineStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn observed_generation(&self) -> Option<i64> {
        self.observed_generation
    }

    fn shards(&self) -> Option<i32> {
        self.shards
    }

    fn with(self, conditions: Vec<Condition>, observed_generation: Option<i64>) -> Self {
        Self { conditions, observed_generation, ..self }
    }

    fn replay(&self) -> Option<&ReplayStatus> {
        self.replay.as_ref()
    }

    fn with_pods(self, replicas: Replicas, replay: Option<ReplayStatus>) -> Self {
        Self {
            replay,
            shards: replicas.shards,
            replicas: replicas.pods,
            ready_replicas: replicas.ready,
            replica_summary: replicas.summary,
            selector: replicas.selector,
            configuration: replicas.configuration.or(self.configuration),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
