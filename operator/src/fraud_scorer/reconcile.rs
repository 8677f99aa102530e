//! Reconcile: one pass over one scorer, and which scorers a pipeline wakes.

use futures::channel::mpsc::UnboundedReceiver;
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::{ObjectRef, Store};
use sluice_crds::{FraudScorer, FraudScorerStatus};
use snafu::ResultExt;

use super::decide::{Decision, PipelineFound, Surroundings, judge};
use super::job::intent;
use super::status::{Asked, status};
use crate::apply::{Applied, Owner};
use crate::context::Context;
use crate::controller::Guarded;
use crate::references::ReferenceError;
use crate::requeue::Pace;
use crate::sharded_job::kind::{JobKind, SCORE};
use crate::sharded_job::observe::observe;
use crate::sharded_job::pace::pace;
use crate::sharded_job::pass::{
    JobStatus, ObserveSnafu, ReconcileError, Reconciled, ReferenceSnafu, carry_out, patch,
};
use crate::sharded_job::plan::Plan;
use crate::sharded_job::seen::Seen;
use crate::sharded_job::status::Inputs;
use crate::sharded_job::workers::Workers;
use crate::stream_pipeline::observe::{SeenReferences, observe_references};
use crate::watched::Touched;

impl Reconciled for FraudScorer {
    const JOB: &'static JobKind = &SCORE;

    async fn reconcile(
        &self,
        context: &Context,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Pace, ReconcileError> {
        let surroundings = observe_pipeline(context, self, owner, now).await.context(ReferenceSnafu)?;
        let seen = observe(context, &SCORE, owner).await.context(ObserveSnafu)?;
        let decision = judge(self, surroundings, &context.site);
        let rules = rules_of(&decision).cloned();
        let intent = intent(decision, &context.site);
        let (plan, applied) = carry_out::<Self>(context, owner, intent, &seen, now).await?;
        let asked = Asked {
            rules: rules.as_ref(),
            alerts: self.spec.alerts.as_ref().map(|alerts| alerts.topic.as_str()),
            model: self.spec.model.as_ref().map(|model| model.model_deployment_ref.name.as_str()),
        };
        tell(context, self, owner, asked, (&plan, &applied, &seen), now).await?;
        Ok(pace(&plan, &applied))
    }
}

impl JobStatus for FraudScorerStatus {
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

/// The scorers that must be looked at when pipelines change.
pub fn followers(
    scorers: Store<Guarded<FraudScorer>>,
    pipelines: UnboundedReceiver<Touched>,
) -> impl Stream<Item = Touched> + Send + 'static {
    pipelines.flat_map(move |pipeline| {
        let followers = scorers.state().into_iter().filter_map(move |scorer| {
            let scorer = scorer.0.as_ref().ok()?;
            let namespace = scorer.metadata.namespace.clone()?;
            let follows = namespace == pipeline.namespace && scorer.spec.pipeline_ref.name == pipeline.name;
            follows.then_some(Touched { namespace, name: scorer.metadata.name.clone()? })
        });
        stream::iter(followers.collect::<Vec<_>>())
    })
}

async fn observe_pipeline(
    context: &Context,
    scorer: &FraudScorer,
    owner: &Owner,
    now: Timestamp,
) -> Result<Surroundings, ReferenceError> {
    // Until all pipelines are known, it would look as if there were none. The writer lives as long as its controller.
    let _ = context.pipelines.wait_until_ready().await;
    let name = &scorer.spec.pipeline_ref.name;
    let found = context.pipelines.get(&ObjectRef::new(name).within(&owner.namespace));
    let pipeline = PipelineFound::of(found.as_ref().map(|found| match &found.0 {
        Ok(pipeline) => Ok(pipeline),
        Err(invalid) => Err(invalid.error.clone()),
    }));
    let revision = u64::try_from(now.as_second()).unwrap_or_default();
    let references = match pipeline.sound() {
        Some(pipeline) => observe_references(context, &owner.namespace, pipeline, revision).await?,
        None => SeenReferences::default(),
    };
    let SeenReferences { observed, strimzi_trouble } = references;
    Ok(Surroundings { pipeline, observed, strimzi_trouble })
}

fn rules_of(decision: &Decision) -> Option<&sluice_contract::scorer::RuleSet> {
    match decision {
        Decision::Run(resolved) => Some(&resolved.scorer.rules),
        Decision::Suspend(scorer, _) | Decision::Wait(scorer, _) => Some(&scorer.rules),
        Decision::Refuse(_) => None,
    }
}

async fn tell(
    context: &Context,
    scorer: &FraudScorer,
    owner: &Owner,
    asked: Asked<'_>,
    (plan, applied, seen): (&Plan, &Applied, &Seen),
    now: Timestamp,
) -> Result<(), ReconcileError> {
    let before = scorer.status.clone().unwrap_or_default();
    let inputs = Inputs {
        kind: &SCORE,
        name: &owner.name,
        generation: scorer.metadata.generation,
        previous: &before.conditions,
        plan,
        applied,
        workers: &Workers::of(seen),
        numbers_written: context.passes.numbers_written(&owner.key()),
        now,
    };
    let outcome = status(&inputs, &before, asked);
    patch::<FraudScorer>(context, &scorer.metadata, &before, &outcome.status).await?;
    if outcome.has_new_numbers {
        context.passes.write_numbers(&owner.key(), now);
    }
    Ok(())
}
