//! A pass over a resource, whatever its kind: who is looked after, what is written, what is told.

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use snafu::{ResultExt, Snafu};

use super::kind::JobKind;
use super::observe::{ObserveError, observe};
use super::pace::pace;
use super::plan::{Intent, Plan, plan};
use super::seen::Seen;
use super::status::{Inputs, JobStatus, Outcome, paused, unreadable};
use super::workers::Workers;
use crate::apply::{Applied, Applier, ApplyError, Owner};
use crate::context::Context;
use crate::labels;
use crate::patch_status::{PatchStatusError, StatusPatch, patch_status};
use crate::references::ReferenceError;
use crate::requeue::Pace;

/// Why a pass could not be finished. Whatever is wrong with the resource itself is not an error.
#[derive(Debug, Snafu)]
pub(crate) enum ReconcileError {
    /// Something that the resource refers to could not be read.
    #[snafu(display("failed to observe: {source}"))]
    Reference {
        /// Why.
        source: ReferenceError,
    },
    /// Something that was made for it could not be read.
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
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Reference { .. } | Self::Observe { .. } => "observe",
            Self::Apply { .. } => "apply",
            Self::PatchStatus { .. } => "status",
        }
    }
}

/// A kind of resource that the operator looks after.
pub trait Reconciled:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + HasStatus<Status: JobStatus>
    + Clone
    + std::fmt::Debug
    + serde::de::DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its jobs.
    const JOB: &'static JobKind;

    /// What is decided and its status speaks of, beside the job.
    type Asked: Send + Sync;

    /// Name of the replay that the spec asks for.
    fn replay(&self) -> Option<&str>;

    /// Decides about the job, from what the spec says and what that refers to.
    fn intend(
        &self,
        context: &Context,
        owner: &Owner,
        now: Timestamp,
    ) -> impl Future<Output = Result<(Intent, Self::Asked), ReferenceError>> + Send;

    /// The status after a pass. Pure.
    fn tell(
        &self,
        inputs: &Inputs<'_>,
        before: &Self::Status,
        seen: &Seen,
        asked: Self::Asked,
    ) -> Outcome<Self::Status>;
}

/// One pass over a resource: from what it says and what is there, to what shall be there.
pub(crate) async fn reconcile<K: Reconciled>(
    context: &Context,
    resource: &K,
) -> Result<Pace, ReconcileError> {
    let now = Timestamp::now();
    let Some(owner) = owner_of(resource) else { return Ok(Pace::OnChange) };
    if is_paused(resource) {
        return keep_hands_off(context, resource, now).await;
    }
    let (intent, asked) = resource.intend(context, &owner, now).await.context(ReferenceSnafu)?;
    let before = resource.status().cloned().unwrap_or_default();
    let seen = observe(context, K::JOB, &owner).await.context(ObserveSnafu)?;
    let seen = Seen { replayed: before.replay().cloned(), ..seen };
    let (plan, applied) = carry_out::<K>(context, &owner, intent, &seen, now).await?;
    let replay = seen.replay(K::JOB, &owner.name, resource.replay(), &plan.stage, now);
    let inputs = Inputs {
        kind: K::JOB,
        name: &owner.name,
        generation: resource.meta().generation,
        previous: before.conditions(),
        plan: &plan,
        applied: &applied,
        workers: &Workers::of(&seen),
        replay: replay.as_ref(),
        numbers_written: context.passes.numbers_written(&owner.key()),
        now,
    };
    let outcome = resource.tell(&inputs, &before, &seen, asked);
    patch::<K>(context, resource.meta(), &before, &outcome.status).await?;
    if outcome.has_new_numbers {
        context.passes.write_numbers(&owner.key(), now);
    }
    Ok(pace(&plan, &applied))
}

/// Says of a resource that cannot be read that it cannot be read.
pub(crate) async fn reject<K: Reconciled>(
    context: &Context,
    invalid: &InvalidObject,
) -> Result<Pace, ReconcileError> {
    let generation = invalid.metadata.generation;
    let conditions = unreadable(&[], &invalid.error, generation, Timestamp::now());
    let before = K::Status::default();
    let after = before.clone().with(conditions, generation);
    patch::<K>(context, &invalid.metadata, &before, &after).await?;
    Ok(Pace::OnChange)
}

/// Plans and writes.
async fn carry_out<K: Reconciled>(
    context: &Context,
    owner: &Owner,
    intent: Intent,
    seen: &Seen,
    now: Timestamp,
) -> Result<(Plan, Applied), ReconcileError> {
    let plan = with_slot(context, owner, plan(intent, seen, &context.site, now), now);
    let applier = Applier {
        client: &context.client,
        field_manager: K::JOB.field_manager,
        memory: &context.applied,
        metrics: &context.metrics,
    };
    let applied = applier.apply(owner, &plan.wanted, &seen.children, &plan.unwanted).await;
    Ok((plan, applied.context(ApplySnafu)?))
}

/// Writes a status, if it has changed, and tells people what has.
async fn patch<K: Reconciled>(
    context: &Context,
    metadata: &ObjectMeta,
    before: &K::Status,
    after: &K::Status,
) -> Result<(), ReconcileError> {
    let patch = StatusPatch {
        metadata,
        field_manager: K::JOB.field_manager,
        before,
        after,
        conditions_before: before.conditions(),
        conditions_after: after.conditions(),
    };
    patch_status::<K, _>(context, &patch).await.context(PatchStatusSnafu)
}

/// Whose children are made; `None` for a resource that is being deleted: what it owns goes with it.
fn owner_of<K: Reconciled>(resource: &K) -> Option<Owner> {
    let metadata = resource.meta();
    if metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Owner {
        kind: K::JOB.kind,
        namespace: metadata.namespace.clone()?,
        name: resource.name_any(),
        uid: metadata.uid.clone()?,
    })
}

fn is_paused(resource: &impl Resource) -> bool {
    resource.annotations().get(labels::PAUSED).is_some_and(|value| value == "true")
}

async fn keep_hands_off<K: Reconciled>(
    context: &Context,
    resource: &K,
    now: Timestamp,
) -> Result<Pace, ReconcileError> {
    let before = resource.status().cloned().unwrap_or_default();
    let generation = resource.meta().generation;
    let conditions = paused(before.conditions(), before.observed_generation(), generation, now);
    let after = before.clone().with(conditions, generation);
    patch::<K>(context, resource.meta(), &before, &after).await?;
    Ok(Pace::OnChange)
}

/// Adds the restart of a working shard, if there is a slot for it.
fn with_slot(context: &Context, owner: &Owner, mut plan: Plan, now: Timestamp) -> Plan {
    match plan.restart.take() {
        Some(child) if context.restarts.take(&owner.key(), now) => plan.wanted.push(child),
        Some(_) => tracing::info!("waiting for a slot to restart a worker"),
        None if !plan.is_rolling() => context.restarts.give_back(&owner.key()),
        None => {}
    }
    plan
}
