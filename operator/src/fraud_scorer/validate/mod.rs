//! Validate: a resource without faults in base units, or all its faults. Pure.
//!
//! What refers to the pipeline's columns is judged by the pipeline that was found; without one it is taken at
//! its word. Whether a rule compiles is `sluice-worker check`'s to say.

mod rules;
mod table;

use kube::ResourceExt;
use sluice_contract::scorer::Alerts;
use sluice_crds::FraudScorer;
use sluice_crds::replay::SCORES;

use super::validated::ValidatedScorer;
use crate::problem::{Faults, Invalid};
use crate::stream_pipeline::ValidatedPipeline;
use crate::stream_pipeline::validate::start_from;
use crate::validation::replay::validate_replay;
use crate::validation::{commit, pods};

/// Validates a resource that the API server, or [`sluice_crds::admit`], has admitted.
pub fn validate(
    scorer: &FraudScorer,
    pipeline: Option<&ValidatedPipeline>,
) -> Result<ValidatedScorer, Vec<Invalid>> {
    let spec = &scorer.spec;
    let mut faults = Faults::default();
    let table = table::validate_table(spec, pipeline, &mut faults);
    let velocity = rules::validate_velocity(&spec.velocity, pipeline, &mut faults);
    let label = spec.label.as_ref().map(|label| label.column.clone());
    if let (Some(label), Some(pipeline)) = (&label, pipeline) {
        table::refuse_unknown("spec.label.column", label, pipeline, &mut faults);
    }
    if let (Some(alerts), Some(pipeline)) = (&spec.alerts, pipeline) {
        refuse_loop(&alerts.topic, pipeline, &mut faults);
    }
    let default = pipeline.map_or(commit::DEFAULT, |pipeline| pipeline.commit);
    let validated = ValidatedScorer {
        namespace: scorer.namespace().unwrap_or_else(|| "default".to_owned()),
        name: scorer.name_any(),
        uid: scorer.uid(),
        pipeline: spec.pipeline_ref.name.clone(),
        table,
        velocity,
        rules: rules::rule_set(spec),
        label,
        alerts: spec.alerts.as_ref().map(|alerts| Alerts { topic: alerts.topic.clone() }),
        model: spec.model.as_ref().map(|model| model.model_deployment_ref.name.clone()),
        start_from: start_from(spec.start_from.unwrap_or_default()),
        shards: u32::try_from(spec.shards.unwrap_or(1)).unwrap_or(1),
        commit: commit::validate_commit(spec.commit.as_ref(), default, &mut faults),
        replay: spec.replay.as_ref().map(|replay| {
            let range = (replay.from.as_deref(), replay.until.as_deref());
            validate_replay(&replay.name, vec![SCORES.to_owned()], range, replay.workers, &mut faults)
        }),
        pods: pods::validate_pods(spec.pod_template.as_ref(), &mut faults),
        suspended: spec.suspend.unwrap_or(false),
    };
    let found = faults.into_found();
    if found.is_empty() { Ok(validated) } else { Err(found) }
}

/// Alerts in the topic that is scored would be scored themselves.
fn refuse_loop(topic: &str, pipeline: &ValidatedPipeline, faults: &mut Faults) {
    if topic == pipeline.topic {
        faults.add(
            "spec.alerts.topic",
            format!("'{topic}' is the topic that StreamPipeline '{}' reads", pipeline.name),
            "send alerts to a topic of their own",
        );
    }
}
