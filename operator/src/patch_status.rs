//! Patches the status of a resource, and publishes an event for each transition. The same for every kind.
//!
//! The patch carries the resource's version: of two operators that act at once, one gets a conflict. A
//! status that does not change is not sent.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::events::{Event, EventType};
use serde::Serialize;
use serde_json::json;
use snafu::{ResultExt, Snafu};

use crate::conditions::cut;
use crate::context::Context;
use crate::metrics::Verb;
use crate::transitions::{Transition, transitions};

/// Events take at most so many bytes of text; a character has at most four.
const LONGEST_NOTE: usize = 250;

/// Why a status could not be written.
#[derive(Debug, Snafu)]
pub enum PatchStatusError {
    /// The request failed.
    #[snafu(display("failed to patch the status of '{name}': {source}"))]
    Patch {
        /// Name of the resource.
        name: String,
        /// What the API server says.
        #[snafu(source(from(kube::Error, Box::new)))]
        source: Box<kube::Error>,
    },
}

/// A status before and after.
#[derive(Debug)]
pub struct StatusPatch<'a, S> {
    /// The resource.
    pub metadata: &'a ObjectMeta,
    /// Who writes.
    pub field_manager: &'static str,
    /// The status that was read.
    pub before: &'a S,
    /// The status that shall be.
    pub after: &'a S,
    /// Its conditions before.
    pub conditions_before: &'a [Condition],
    /// Its conditions after.
    pub conditions_after: &'a [Condition],
}

/// Writes a status, if it has changed, and tells people what has.
pub async fn patch_status<K, S>(context: &Context, patch: &StatusPatch<'_, S>) -> Result<(), PatchStatusError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    S: Serialize + PartialEq + Sync,
{
    if patch.before == patch.after {
        return Ok(());
    }
    let name = patch.metadata.name.clone().unwrap_or_default();
    let namespace = patch.metadata.namespace.clone().unwrap_or_default();
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let document = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name,
            "uid": patch.metadata.uid,
            "resourceVersion": patch.metadata.resource_version,
        },
        "status": patch.after,
    });
    let parameters = PatchParams::apply(patch.field_manager).force();
    context.metrics.api_write(Verb::Patch);
    match api.patch_status(&name, &parameters, &Patch::Apply(&document)).await {
        Ok(_) => {}
        // It has changed or gone meanwhile: the watch starts another pass.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => return Ok(()),
        Err(error) => Err(error).context(PatchSnafu { name })?,
    }
    let about = patch.object_reference::<K>();
    for transition in transitions(patch.conditions_before, patch.conditions_after) {
        publish(context, &transition, &about).await;
    }
    Ok(())
}

impl<S> StatusPatch<'_, S> {
    fn object_reference<K>(&self) -> ObjectReference
    where
        K: Resource<DynamicType = ()>,
    {
        ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: self.metadata.name.clone(),
            namespace: self.metadata.namespace.clone(),
            uid: self.metadata.uid.clone(),
            ..ObjectReference::default()
        }
    }
}

/// Events are for people: one that cannot be published is lost, and nothing else.
async fn publish(context: &Context, transition: &Transition, about: &ObjectReference) {
    let event = Event {
        type_: if transition.is_warning { EventType::Warning } else { EventType::Normal },
        reason: transition.reason.clone(),
        note: Some(cut(&transition.note, LONGEST_NOTE)).filter(|note| !note.is_empty()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    context.metrics.api_write(Verb::Create);
    if let Err(error) = context.recorder.publish(&event, about).await {
        tracing::warn!(%error, reason = event.reason, "failed to publish an event");
    }
}
