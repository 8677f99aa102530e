//! Reconcile: what a pipeline decides about its job, and what its status says.

use jiff::Timestamp;
use sluice_crds::{StreamPipeline, StreamPipelineStatus};

use super::job::intent;
use super::observe::{SeenReferences, observe_references};
use super::status::status;
use super::{decide, validate};
use crate::apply::Owner;
use crate::context::Context;
use crate::references::ReferenceError;
use crate::sharded_job::kind::{INGEST, JobKind};
use crate::sharded_job::pass::Reconciled;
use crate::sharded_job::plan::Intent;
use crate::sharded_job::seen::Seen;
use crate::sharded_job::status::{Inputs, Outcome};

impl Reconciled for StreamPipeline {
    const JOB: &'static JobKind = &INGEST;

    type Asked = ();

    fn replay(&self) -> Option<&str> {
        self.spec.replay.as_ref().map(|replay| replay.name.as_str())
    }

    async fn intend(
        &self,
        context: &Context,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<(Intent, ()), ReferenceError> {
        let validated = validate(self);
        let SeenReferences { observed, strimzi_trouble } = match &validated {
            Ok(pipeline) => observe_references(context, &owner.namespace, pipeline, now).await?,
            Err(_) => SeenReferences::default(),
        };
        let decision = decide(validated, &observed, &context.site);
        Ok((intent(decision, strimzi_trouble.as_ref(), &context.site), ()))
    }

    fn tell(
        &self,
        inputs: &Inputs<'_>,
        before: &StreamPipelineStatus,
        seen: &Seen,
        (): (),
    ) -> Outcome<StreamPipelineStatus> {
        status(inputs, before, seen.upkeep.as_deref())
    }
}
