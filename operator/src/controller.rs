//! The controller of a kind: watches, a queue, and a pass for whatever is in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, stream};
use kube::api::Api;
use kube::core::error_boundary::DeserializeGuard;
use kube::runtime::controller::{Action, ReconcileRequest, applier, trigger_self};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, reflector};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{Config, WatchStreamExt, controller};
use kube::{Client, Resource};
use snafu::Snafu;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::apply::key;
use crate::context::Context;
use crate::requeue;
use crate::sharded_job::pass::{ReconcileError, Reconciled, reconcile, reject};
use crate::watched::Touched;

/// A resource, or what is left of one that cannot be read.
pub type Guarded<K> = DeserializeGuard<K>;

/// As many resources of a kind are looked at at once.
const CONCURRENCY: u16 = 16;
/// A burst of changes makes one pass.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// What ends a pass without success.
#[derive(Debug, Snafu)]
enum PassError {
    /// The pass failed.
    #[snafu(display("{source}"))]
    Failed { source: ReconcileError },
    /// The pass panicked.
    #[snafu(display("the pass ended early: {source}"))]
    Ended { source: tokio::task::JoinError },
}

/// The resources of a kind, kept up to date as long as its changes are taken.
pub struct Resources<K: Reconciled> {
    /// All of them.
    pub store: Store<Guarded<K>>,
    /// Those that change.
    pub changes: BoxStream<'static, Result<Guarded<K>, watcher::Error>>,
}

impl<K: Reconciled> Resources<K> {
    /// Tells of every resource that changes.
    pub fn telling(self, listener: UnboundedSender<Touched>) -> Self {
        let tell = move |change: &Result<Guarded<K>, watcher::Error>| {
            let Ok(resource) = change else { return };
            let metadata = Resource::meta(resource);
            if let (Some(namespace), Some(name)) = (metadata.namespace.clone(), metadata.name.clone()) {
                // Nobody listens any more when the operator ends.
                let _ = listener.unbounded_send(Touched { namespace, name });
            }
        };
        Self { changes: self.changes.inspect(tell).boxed(), ..self }
    }
}

/// Watches the resources of a kind in a namespace, or in all.
pub fn resources<K: Reconciled>(client: &Client, namespace: Option<&str>) -> Resources<K> {
    let api: Api<Guarded<K>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let writer = Writer::<Guarded<K>>::new(());
    let store = writer.as_reader();
    // Who manages which field is more than half of a resource, and nothing that the operator asks.
    let events =
        watcher(api, watcher::Config::default()).modify(|resource| resource.meta_mut().managed_fields = None);
    let changes = reflector(writer, events.default_backoff()).touched_objects().boxed();
    Resources { store, changes }
}

/// Looks after the resources of a kind until it is stopped. Passes that have begun are finished.
pub async fn run<K: Reconciled>(
    context: Arc<Context>,
    resources: Resources<K>,
    touched: impl Stream<Item = Touched> + Send + 'static,
    stop: CancellationToken,
) {
    let Resources { store, changes } = resources;
    let own = trigger_self(changes, ());
    // Until everything that was made earlier is known, it would look as if nothing were there.
    if stop.run_until_cancelled(context.watched.ready()).await.is_none() {
        return;
    }
    let queue = stream::select(own, requests(touched)).take_until(stop.cancelled_owned());
    let config = Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let resources = store.clone();
    let passes = applier(pass::<K>, after_failure::<K>, Arc::clone(&context), store, queue, config);
    passes
        .for_each(|outcome| {
            context.metrics.resources(K::JOB.kind, resources.len());
            match outcome {
                Ok(_) => {}
                Err(controller::Error::ObjectNotFound(gone)) => {
                    let namespace = gone.namespace.as_deref().unwrap_or_default();
                    context.forget(&key(K::JOB.kind, namespace, &gone.name));
                }
                Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(error) => tracing::warn!(%error, "a watch failed, trying again"),
            }
            std::future::ready(())
        })
        .await;
}

fn requests<K: Reconciled>(
    touched: impl Stream<Item = Touched>,
) -> impl Stream<Item = Result<ReconcileRequest<Guarded<K>>, watcher::Error>> {
    touched
        .map(|Touched { namespace, name }| Ok(ObjectRef::<Guarded<K>>::new(&name).within(&namespace).into()))
}

/// One pass, on a task of its own.
fn pass<K: Reconciled>(
    resource: Arc<Guarded<K>>,
    context: Arc<Context>,
) -> BoxFuture<'static, Result<Action, PassError>> {
    let key = key_of(resource.as_ref());
    let metadata = Resource::meta(resource.as_ref()).clone();
    let namespace = metadata.namespace.unwrap_or_default();
    let name = metadata.name.unwrap_or_default();
    let span = tracing::info_span!("reconcile", kind = K::JOB.kind, namespace, object = name);
    let work = async move {
        let started = Instant::now();
        let outcome = match &resource.0 {
            Ok(resource) => reconcile(&context, resource).await,
            Err(invalid) => reject::<K>(&context, invalid).await,
        };
        context.metrics.reconciled(started.elapsed().as_secs_f64());
        let pace = outcome.inspect_err(|error| {
            context.metrics.failed(error.category());
            tracing::warn!(%error, "a pass failed, trying again");
        })?;
        context.passes.succeed(&key);
        Ok(requeue::after(pace, &key).map_or_else(Action::await_change, Action::requeue))
    };
    tokio::spawn(work.instrument(span))
        .map(|ended| match ended {
            Ok(outcome) => outcome.map_err(|source| PassError::Failed { source }),
            Err(source) => Err(PassError::Ended { source }),
        })
        .boxed()
}

fn after_failure<K: Reconciled>(resource: Arc<Guarded<K>>, _: &PassError, context: Arc<Context>) -> Action {
    Action::requeue(requeue::backoff(context.passes.fail(&key_of(resource.as_ref()))))
}

fn key_of<K: Reconciled>(resource: &Guarded<K>) -> String {
    let metadata = Resource::meta(resource);
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    key(K::JOB.kind, namespace, metadata.name.as_deref().unwrap_or_default())
}

/// Passes on what is told to a listener.
pub fn channel() -> (UnboundedSender<Touched>, UnboundedReceiver<Touched>) {
    mpsc::unbounded()
}
