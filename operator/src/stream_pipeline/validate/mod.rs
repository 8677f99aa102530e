//! Validate: a resource without faults in base units, or all its faults. Pure.
//!
//! The schema of the resource has refused what CEL can state. Here is what needs arithmetic or the meaning of
//! two fields, and every default, in this one place. Whether an expression compiles is `sluice-worker check`'s
//! to say.
//!
//! Each part goes on after a fault with a value that no one will see, so that a user reads all faults at once.

mod avro;
mod columns;
mod cron;
mod gold;
mod operations;
mod silver;
mod source;
mod storage;

use kube::ResourceExt;
use sluice_crds::StreamPipeline;

pub(crate) use self::source::start_from;
use crate::problem::{Faults, Invalid};
use crate::stream_pipeline::validated::ValidatedPipeline;
use crate::validation::{commit, pods};

/// Validates a resource that the API server, or [`sluice_crds::admit`], has admitted.
pub fn validate(pipeline: &StreamPipeline) -> Result<ValidatedPipeline, Vec<Invalid>> {
    let spec = &pipeline.spec;
    let mut faults = Faults::default();
    let keep_value = spec.bronze.and_then(|bronze| bronze.keep_value).unwrap_or(false);
    let fields = source::validate_schema(&spec.source, keep_value, &mut faults);
    let event_time = source::validate_event_time(&spec.source.event_time, fields.as_ref(), &mut faults);
    source::validate_key_column(&spec.source.kafka, fields.as_ref(), &mut faults);
    let silver = silver::validate_silver(&spec.silver, fields.as_ref(), &mut faults);
    let gold = gold::validate_gold(&spec.gold, &silver, &mut faults);
    operations::validate_warehouse(spec.warehouse.as_ref(), &spec.gold, &mut faults);
    let validated = ValidatedPipeline {
        namespace: pipeline.namespace().unwrap_or_else(|| "default".to_owned()),
        name: pipeline.name_any(),
        uid: pipeline.uid(),
        kafka: source::validate_connection(&spec.source.kafka, &mut faults),
        topic: spec.source.kafka.topic.clone(),
        key_column: spec.source.kafka.key_column.clone(),
        start_from: start_from(spec.source.kafka.start_from.unwrap_or_default()),
        format: source::format(spec.source.format),
        schema: spec.source.schema.clone(),
        schema_registry: source::schema_registry(spec.source.schema_registry.as_ref()),
        event_time,
        storage: storage::validate_storage(&spec.storage, &mut faults),
        shards: operations::validate_shards(spec.shards, spec.autoscaling.as_ref(), &mut faults),
        commit: commit::validate_commit(spec.commit.as_ref(), commit::DEFAULT, &mut faults),
        bronze: sluice_contract::config::Bronze { keep_value },
        silver,
        gold,
        maintenance: operations::validate_maintenance(spec.maintenance.as_ref(), &mut faults),
        replay: operations::validate_table_replay(spec.replay.as_ref(), &spec.gold, &mut faults),
        pods: pods::validate_pods(spec.pod_template.as_ref(), &mut faults),
        suspended: spec.suspend.unwrap_or(false),
    };
    let found = faults.into_found();
    if found.is_empty() { Ok(validated) } else { Err(found) }
}
