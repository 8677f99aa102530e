//! Reconcile: what a scorer decides about its job, what its status says, and which scorers a pipeline wakes.

use futures::channel::mpsc::UnboundedReceiver;
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use sluice_contract::scorer::RuleSet;
use sluice_crds::{FraudScorer, FraudScorerStatus};

use super::decide::{Decision, PipelineFound, Surroundings, judge};
use super::job::intent;
use super::status::{Asked, status};
use crate::apply::Owner;
use crate::context::Context;
use crate::controller::Guarded;
use crate::references::ReferenceError;
use crate::sharded_job::kind::{JobKind, SCORE};
use crate::sharded_job::pass::Reconciled;
use crate::sharded_job::plan::Intent;
use crate::sharded_job::seen::Seen;
use crate::sharded_job::status::{Inputs, Outcome};
use crate::stream_pipeline::observe::{SeenReferences, observe_references};
use crate::watched::Touched;

impl Reconciled for FraudScorer {
    const JOB: &'static JobKind = &SCORE;

    /// The rule set; `None` where the spec has faults.
    type Asked = Option<RuleSet>;

    fn replay(&self) -> Option<&str> {
        self.spec.replay.as_ref().map(|replay| replay.name.as_str())
    }

    async fn intend(
        &self,
        context: &Context,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<(Intent, Option<RuleSet>), ReferenceError> {
        let surroundings = observe_pipeline(context, self, owner, now).await?;
        let decision = judge(self, surroundings, &context.site);
        let rules = rules_of(&decision).cloned();
        Ok((intent(decision, &context.site), rules))
    }

    fn tell(
        &self,
        inputs: &Inputs<'_>,
        before: &FraudScorerStatus,
        _: &Seen,
        rules: Option<RuleSet>,
    ) -> Outcome<FraudScorerStatus> {
        let asked = Asked {
            rules: rules.as_ref(),
            alerts: self.spec.alerts.as_ref().map(|alerts| alerts.topic.as_str()),
            model: self.spec.model.as_ref().map(|model| model.model_deployment_ref.name.as_str()),
        };
        status(inputs, before, asked)
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
    let SeenReferences { observed, strimzi_trouble } = match pipeline.sound() {
        Some(pipeline) => observe_references(context, &owner.namespace, pipeline, now).await?,
        None => SeenReferences::default(),
    };
    Ok(Surroundings { pipeline, observed, strimzi_trouble })
}

fn rules_of(decision: &Decision) -> Option<&RuleSet> {
    match decision {
        Decision::Run(resolved) => Some(&resolved.scorer.rules),
        Decision::Suspend(scorer, _) | Decision::Wait(scorer, _) => Some(&scorer.rules),
        Decision::Refuse(_) => None,
    }
}
