//! Observe: reads what a pipeline refers to. It judges nothing, and writes nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Observed;
use super::validated::{KafkaConnection, ValidatedPipeline};
use crate::context::Context;
use crate::problem::Missing;
use crate::references::{ReferenceError, References};

/// What was seen of what a pipeline refers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenReferences {
    /// What decides.
    pub(crate) observed: Observed,
    /// Why a Strimzi listener or its user cannot be used.
    pub(crate) strimzi_trouble: Option<Missing>,
}

/// Reads what a pipeline in a namespace refers to; nothing where it is suspended.
pub(crate) async fn observe_references(
    context: &Context,
    namespace: &str,
    pipeline: &ValidatedPipeline,
    now: Timestamp,
) -> Result<SeenReferences, ReferenceError> {
    let mut seen = SeenReferences::default();
    seen.observed.deployment_revision = u64::try_from(now.as_second()).unwrap_or_default();
    if pipeline.suspended {
        return Ok(seen);
    }
    let references = References { client: &context.client, namespace };
    let mut secrets: BTreeSet<String> = pipeline.storage.environment_secret.iter().cloned().collect();
    if let Some((username, password)) =
        pipeline.schema_registry.as_ref().and_then(|registry| registry.credentials.as_ref())
    {
        secrets.extend([username.secret.clone(), password.secret.clone()]);
    }
    match &pipeline.kafka {
        KafkaConnection::Direct { security, .. } => {
            secrets.extend(security.secret_keys().into_iter().map(|key| key.secret.clone()));
        }
        KafkaConnection::Strimzi { cluster, listener, user } => {
            secrets.insert(format!("{cluster}-cluster-ca-cert"));
            match references.listener(cluster, listener).await? {
                Ok(listener) => seen.observed.listener = Some(listener),
                Err(missing) => seen.strimzi_trouble = Some(missing),
            }
            if let (Some(user), None) = (user, &seen.strimzi_trouble) {
                secrets.insert(user.clone());
                seen.strimzi_trouble = references.user(user).await?;
            }
        }
    }
    seen.observed.secrets = references.secrets(&secrets).await?;
    let claims = pipeline.storage.volume.iter().map(|volume| volume.claim.clone()).collect();
    seen.observed.claims = references.claims(&claims).await?;
    Ok(seen)
}
