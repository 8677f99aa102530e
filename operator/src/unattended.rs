//! Kinds that this release defines and does not act on yet: their status says so, so that nobody waits.

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sluice_crds::ModelDeployment;
use sluice_crds::conditions::{reasons, types};
use tokio_util::sync::CancellationToken;

use crate::conditions::{Statement, Truth, merge};
use crate::metrics::{Metrics, Verb};

/// A kind, and who will write its status one day: a later release takes over what this one has written.
struct Kind {
    resource: ApiResource,
    field_manager: &'static str,
}

fn kinds() -> [Kind; 1] {
    [Kind {
        resource: ApiResource::erase::<ModelDeployment>(&()),
        field_manager: "sluice-operator/modeldeployment",
    }]
}

/// Tells the truth about resources of a namespace, or of all, until it is stopped.
pub async fn run(client: Client, namespace: Option<String>, metrics: Metrics, stop: CancellationToken) {
    let watches = kinds().map(|kind| watch(client.clone(), namespace.clone(), kind, metrics.clone()));
    stop.run_until_cancelled_owned(join_all(watches)).await;
}

async fn watch(client: Client, namespace: Option<String>, kind: Kind, metrics: Metrics) {
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.resource),
        None => Api::all_with(client.clone(), &kind.resource),
    };
    let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
    let mut objects = std::pin::pin!(events.inspect_err(|error| {
        tracing::debug!(kind = kind.resource.kind, %error, "a watch failed, trying again");
    }));
    while let Some(object) = objects.next().await {
        let Ok(object) = object else { continue };
        let Some(status) = status(&object, &kind.resource.kind, Timestamp::now()) else { continue };
        metrics.api_write(Verb::Patch);
        if let Err(error) = patch(&client, &kind, &object, status).await {
            tracing::warn!(kind = kind.resource.kind, name = object.name_any(), %error, "failed to patch a status");
        }
    }
}

/// What the status shall be; `None` if it is that already. Pure.
fn status(object: &DynamicObject, kind: &str, now: Timestamp) -> Option<Value> {
    let before = object.data.get("status");
    let conditions = before.and_then(|status| status.get("conditions")).cloned().unwrap_or_default();
    let conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
    let message = format!("this release defines {kind} and does not act on it; install one that does");
    let ready = Statement::new(types::READY, Truth::False, reasons::NOT_SUPPORTED, message);
    let stalled = ready.also(types::STALLED, Truth::True);
    let generation = object.metadata.generation;
    let after = merge(&conditions, &[ready, stalled], generation, now);
    let observed = before.and_then(|status| status.get("observedGeneration")).and_then(Value::as_i64);
    (conditions != after || observed != generation)
        .then(|| json!({ "observedGeneration": generation, "conditions": after }))
}

async fn patch(
    client: &Client,
    kind: &Kind,
    object: &DynamicObject,
    status: Value,
) -> Result<(), kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &kind.resource);
    let document = json!({
        "apiVersion": kind.resource.api_version,
        "kind": kind.resource.kind,
        "metadata": { "name": object.name_any(), "uid": object.metadata.uid },
        "status": status,
    });
    let parameters = PatchParams::apply(kind.field_manager).force();
    match api.patch_status(&object.name_any(), &parameters, &Patch::Apply(&document)).await {
        Ok(_) => Ok(()),
        // It has gone, or another has its name.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kube::core::DynamicObject;
    use serde_json::{Value, json};

    use super::status;

    fn object(generation: i64, status: Value) -> DynamicObject {
        let document = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ModelDeployment",
            "metadata": { "name": "shop", "generation": generation }, "status": status,
        });
        serde_json::from_value(document).expect("an object")
    }

    #[test]
    fn a_resource_is_told_once_for_each_generation_that_nobody_acts_on_it() {
        let now = Timestamp::UNIX_EPOCH;
        let said = status(&object(1, Value::Null), "ModelDeployment", now).expect("it is new");
        assert_eq!(said["observedGeneration"], 1);
        let conditions: Vec<_> = said["conditions"].as_array().expect("a list").iter().collect();
        assert_eq!((&conditions[0]["type"], &conditions[0]["status"]), (&json!("Ready"), &json!("False")));
        assert_eq!((&conditions[1]["type"], &conditions[1]["status"]), (&json!("Stalled"), &json!("True")));
        assert_eq!(status(&object(1, said.clone()), "ModelDeployment", now), None);
        assert!(status(&object(2, said), "ModelDeployment", now).is_some());
    }
}
