//! [`Watched`]: the metadata of everything that the operator has made, kept up to date by watches.
//!
//! Only metadata is watched, and only of objects with our label: what a resource's neighbours do costs
//! nothing. A change of an object that a resource owns wakes that resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::ApiResource;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, watcher};
use kube::{Client, Resource};
use tokio_util::sync::CancellationToken;

use crate::apply::child::{Metadata, Owned, Ownership, ownership};
use crate::labels;

/// The kinds that the operator makes, and the pods that follow from them.
fn kinds() -> [ApiResource; 9] {
    [
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<CronJob>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<Pod>(&()),
    ]
}

/// A resource that should be looked at, because something has changed that concerns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Who is told of changes: for each kind of job, by the label that names its resource.
pub type Listeners = BTreeMap<&'static str, UnboundedSender<Touched>>;

/// The metadata of everything that the operator has made.
#[derive(Clone)]
pub struct Watched {
    stores: BTreeMap<String, (ApiResource, Store<Metadata>)>,
}

impl Watched {
    /// Starts a watch for each kind. Whatever changes is told to the listener of the kind that it was made for.
    pub fn start(
        client: &Client,
        namespace: Option<&str>,
        listeners: &Listeners,
        stop: &CancellationToken,
    ) -> Self {
        let mut stores = BTreeMap::new();
        for resource in kinds() {
            let api: Api<Metadata> = match namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let writer = Writer::new(resource.clone());
            stores.insert(resource.kind.clone(), (resource.clone(), writer.as_reader()));
            let watch = watch(api, writer, resource.kind.clone(), listeners.clone());
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled_owned(watch).await });
        }
        Self { stores }
    }

    /// Returns when every kind has been listed once.
    pub async fn ready(&self) {
        for (_, store) in self.stores.values() {
            // The writer lives in a task of its own until the process ends.
            let _ = store.wait_until_ready().await;
        }
    }

    /// Everything that a resource owns, by uid.
    pub fn owned_by(&self, namespace: &str, uid: &str) -> Vec<Owned> {
        self.find(|metadata| {
            metadata.namespace.as_deref() == Some(namespace) && ownership(metadata, uid) == Ownership::Ours
        })
    }

    /// The pods of a role of the job whose resource the label names.
    pub fn pods(&self, namespace: &str, label: &str, name: &str, role: &str) -> Vec<Owned> {
        let has = |metadata: &ObjectMeta, name: &str, value: &str| {
            metadata.labels.as_ref().and_then(|labels| labels.get(name)).is_some_and(|found| found == value)
        };
        self.find_kind(&Pod::kind(&()), |metadata| {
            metadata.namespace.as_deref() == Some(namespace)
                && has(metadata, label, name)
                && has(metadata, labels::ROLE, role)
        })
    }

    fn find(&self, wanted: impl Fn(&ObjectMeta) -> bool) -> Vec<Owned> {
        self.stores.keys().flat_map(|kind| self.find_kind(kind, &wanted)).collect()
    }

    fn find_kind(&self, kind: &str, wanted: impl Fn(&ObjectMeta) -> bool) -> Vec<Owned> {
        let Some((resource, store)) = self.stores.get(kind) else { return Vec::new() };
        let found: Vec<Arc<Metadata>> = store.state_filter(|object| wanted(&object.metadata));
        let owned = found
            .into_iter()
            .map(|object| Owned { resource: resource.clone(), metadata: object.metadata.clone() });
        owned.collect()
    }
}

async fn watch(api: Api<Metadata>, writer: Writer<Metadata>, kind: String, listeners: Listeners) {
    let ours = format!("{}={}", labels::MANAGED_BY, labels::OPERATOR);
    let events = watcher(api, watcher::Config::default().labels(&ours)).modify(|object| {
        object.metadata.managed_fields = None;
    });
    let mut changes =
        std::pin::pin!(reflector::reflector(writer, events.default_backoff()).touched_objects());
    while let Some(change) = changes.next().await {
        match change {
            Ok(object) => tell(&object.metadata, &listeners),
            Err(error) => tracing::warn!(kind, %error, "a watch failed, trying again"),
        }
    }
}

fn tell(metadata: &ObjectMeta, listeners: &Listeners) {
    let (Some(namespace), Some(labels)) = (&metadata.namespace, &metadata.labels) else { return };
    for (label, listener) in listeners {
        if let Some(name) = labels.get(*label) {
            // Nobody listens any more when the operator ends.
            let _ = listener.unbounded_send(Touched { namespace: namespace.clone(), name: name.clone() });
        }
    }
}
