//! Reconcile: one pass over one pipeline.

use jiff::Timestamp;
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use sluice_crds::{StreamPipeline, StreamPipelineStatus};
use snafu::{ResultExt, Snafu};

use super::observe::{ObserveError, observe};
use super::pace::pace;
use super::plan::{Plan, plan};
use super::status::{self, Inputs};
use super::workers::Workers;
use super::{decide, validate};
use crate::apply::{Applied, Applier, ApplyError, Owner};
use crate::context::Context;
use crate::labels;
use crate::patch_status::{PatchStatusError, StatusPatch, patch_status};
use crate::requeue::Pace;

/// Who writes, in `managedFields`.
pub const FIELD_MANAGER: &str = "sluice-operator/streampipeline";

/// Why a pass could not be finished. Whatever is wrong with the pipeline itself is not an error.
#[derive(Debug, Snafu)]
pub enum ReconcileError {
    /// Something could not be read.
    #[snafu(display("failed to observe: {source}"))]
    Observe {
        /// Why.
        source: ObserveError,
    },
    /// A child could not be written.
    #[snafu(display("{source}"))]
    Apply {
        /// Why.
        source: ApplyError,
    },
    /// The status could not be written.
    #[snafu(display("{source}"))]
    PatchStatus {
        /// Why.
        source: PatchStatusError,
    },
}

impl ReconcileError {
    /// The label of the metric.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Observe { .. } => "observe",
            Self::Apply { .. } => "apply",
            Self::PatchStatus { .. } => "status",
        }
    }
}

/// One pass: from what the pipeline says and what is there, to what shall be there.
pub async fn reconcile(context: &Context, pipeline: &StreamPipeline) -> Result<Pace, ReconcileError> {
    let now = Timestamp::now();
    let Some(owner) = owner_of(pipeline) else { return Ok(Pace::OnChange) };
    if is_paused(pipeline) {
        return keep_hands_off(context, pipeline, now).await;
    }
    let validated = validate(pipeline);
    let seen = observe(context, &owner, validated.as_ref().ok(), now).await.context(ObserveSnafu)?;
    let workers = Workers::of(&seen);
    let valid = validated.as_ref().ok().cloned();
    let decision = decide(validated, &seen.observed, &context.site);
    let plan = with_slot(context, &owner, plan(decision, valid.as_ref(), &seen, &context.site, now), now);
    let applied = applier(context)
        .apply(&owner, &plan.wanted, &seen.children, &plan.unwanted)
        .await
        .context(ApplySnafu)?;
    tell(context, pipeline, &owner, &plan, &applied, &workers, now).await?;
    Ok(pace(&plan, &applied))
}

/// Says of a resource that cannot be read that it cannot be read.
pub async fn reject(context: &Context, invalid: &InvalidObject) -> Result<Pace, ReconcileError> {
    let generation = invalid.metadata.generation;
    let conditions = status::unreadable(&[], &invalid.error, generation, Timestamp::now());
    let after = StreamPipelineStatus {
        observed_generation: generation,
        conditions,
        ..StreamPipelineStatus::default()
    };
    let metadata = &invalid.metadata;
    patch(context, metadata, &StreamPipelineStatus::default(), &after).await?;
    Ok(Pace::OnChange)
}

/// Whose children are made; `None` for a resource that is being deleted: what it owns goes with it.
fn owner_of(pipeline: &StreamPipeline) -> Option<Owner> {
    let metadata = pipeline.meta();
    if metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Owner {
        namespace: metadata.namespace.clone()?,
        name: pipeline.name_any(),
        uid: metadata.uid.clone()?,
    })
}

fn is_paused(pipeline: &StreamPipeline) -> bool {
    pipeline.annotations().get(labels::PAUSED).is_some_and(|value| value == "true")
}

async fn keep_hands_off(
    context: &Context,
    pipeline: &StreamPipeline,
    now: Timestamp,
) -> Result<Pace, ReconcileError> {
    let before = pipeline.status.clone().unwrap_or_default();
    let after = status::paused(&before, pipeline.metadata.generation, now);
    patch(context, &pipeline.metadata, &before, &after).await?;
    Ok(Pace::OnChange)
}

/// Adds the restart of a working shard, if the pipeline gets a slot for it.
fn with_slot(context: &Context, owner: &Owner, mut plan: Plan, now: Timestamp) -> Plan {
    match plan.restart.take() {
        Some(child) if context.restarts.take(&owner.key(), now) => plan.wanted.push(child),
        Some(_) => tracing::info!("waiting for a slot to restart a worker"),
        None if !plan.is_rolling() => context.restarts.give_back(&owner.key()),
        None => {}
    }
    plan
}

fn applier(context: &Context) -> Applier<'_> {
    Applier {
        client: &context.client,
        field_manager: FIELD_MANAGER,
        memory: &context.applied,
        metrics: &context.metrics,
    }
}

async fn tell(
    context: &Context,
    pipeline: &StreamPipeline,
    owner: &Owner,
    plan: &Plan,
    applied: &Applied,
    workers: &Workers,
    now: Timestamp,
) -> Result<(), ReconcileError> {
    let before = pipeline.status.clone().unwrap_or_default();
    let outcome = status::status(&Inputs {
        name: &owner.name,
        generation: pipeline.metadata.generation,
        previous: &before,
        plan,
        applied,
        workers,
        numbers_written: context.passes.numbers_written(&owner.key()),
        now,
    });
    patch(context, &pipeline.metadata, &before, &outcome.status).await?;
    if outcome.has_new_numbers {
        context.passes.write_numbers(&owner.key(), now);
    }
    Ok(())
}

async fn patch(
    context: &Context,
    metadata: &kube::api::ObjectMeta,
    before: &StreamPipelineStatus,
    after: &StreamPipelineStatus,
) -> Result<(), ReconcileError> {
    let patch = StatusPatch {
        metadata,
        field_manager: FIELD_MANAGER,
        before,
        after,
        conditions_before: &before.conditions,
        conditions_after: &after.conditions,
    };
    patch_status::<StreamPipeline, _>(context, &patch).await.context(PatchStatusSnafu)
}
