//! Reconcile: one pass over one pipeline.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::{StreamPipeline, StreamPipelineStatus};
use snafu::ResultExt;

use super::job::intent;
use super::observe::{SeenReferences, observe_references};
use super::status::status;
use super::{decide, validate};
use crate::apply::{Applied, Owner};
use crate::context::Context;
use crate::requeue::Pace;
use crate::sharded_job::kind::{INGEST, JobKind};
use crate::sharded_job::observe::observe;
use crate::sharded_job::pace::pace;
use crate::sharded_job::pass::{
    JobStatus, ObserveSnafu, ReconcileError, Reconciled, ReferenceSnafu, carry_out, patch,
};
use crate::sharded_job::plan::Plan;
use crate::sharded_job::seen::Seen;
use crate::sharded_job::status::Inputs;
use crate::sharded_job::workers::Workers;

impl Reconciled for StreamPipeline {
    const JOB: &'static JobKind = &INGEST;

    async fn reconcile(
        &self,
        context: &Context,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Pace, ReconcileError> {
        let validated = validate(self);
        let revision = u64::try_from(now.as_second()).unwrap_or_default();
        let references = match &validated {
            Ok(pipeline) => observe_references(context, &owner.namespace, pipeline, revision).await,
            Err(_) => Ok(SeenReferences::default()),
        };
        let references = references.context(ReferenceSnafu)?;
        let seen = observe(context, &INGEST, owner).await.context(ObserveSnafu)?;
        let decision = decide(validated, &references.observed, &context.site);
        let intent = intent(decision, references.strimzi_trouble.as_ref(), &context.site);
        let (plan, applied) = carry_out::<Self>(context, owner, intent, &seen, now).await?;
        tell(context, self, owner, &plan, &applied, &seen, now).await?;
        Ok(pace(&plan, &applied))
    }
}

impl JobStatus for StreamPipelineStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn observed_generation(&self) -> Option<i64> {
        self.observed_generation
    }

    fn with(self, conditions: Vec<Condition>, observed_generation: Option<i64>) -> Self {
        Self { conditions, observed_generation, ..self }
    }
}

async fn tell(
    context: &Context,
    pipeline: &StreamPipeline,
    owner: &Owner,
    plan: &Plan,
    applied: &Applied,
    seen: &Seen,
    now: Timestamp,
) -> Result<(), ReconcileError> {
    let before = pipeline.status.clone().unwrap_or_default();
    let inputs = Inputs {
        kind: &INGEST,
        name: &owner.name,
        generation: pipeline.metadata.generation,
        previous: &before.conditions,
        plan,
        applied,
        workers: &Workers::of(seen),
        numbers_written: context.passes.numbers_written(&owner.key()),
        now,
    };
    let outcome = status(&inputs, &before, seen.upkeep.as_deref());
    patch::<StreamPipeline>(context, &pipeline.metadata, &before, &outcome.status).await?;
    if outcome.has_new_numbers {
        context.passes.write_numbers(&owner.key(), now);
    }
    Ok(())
}
