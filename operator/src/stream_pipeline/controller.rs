//! The controller of pipelines: watches, a queue, and a pass for whatever is in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, stream};
use kube::api::Api;
use kube::core::error_boundary::DeserializeGuard;
use kube::runtime::controller::{Action, ReconcileRequest, applier, trigger_self};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, reflector};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{Config, WatchStreamExt, controller};
use kube::{Client, Resource};
use sluice_crds::StreamPipeline;
use snafu::Snafu;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::reconcile::{ReconcileError, reconcile, reject};
use crate::context::Context;
use crate::requeue;
use crate::watched::Touched;

/// A pipeline, or what is left of one that cannot be read.
type Guarded = DeserializeGuard<StreamPipeline>;

/// As many pipelines are looked at at once.
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

/// Looks after the pipelines of a namespace, or of all, until it is stopped. Passes that have begun are
/// finished.
pub async fn run(
    context: Arc<Context>,
    namespace: Option<String>,
    touched: UnboundedReceiver<Touched>,
    stop: CancellationToken,
) {
    let client: Client = context.client.clone();
    let api: Api<Guarded> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let writer = Writer::<Guarded>::new(());
    let store = writer.as_reader();
    // Who manages which field is more than half of a pipeline, and nothing that the operator asks.
    let events =
        watcher(api, watcher::Config::default()).modify(|pipeline| pipeline.meta_mut().managed_fields = None);
    let pipelines = reflector(writer, events.default_backoff());
    let own = trigger_self(pipelines.touched_objects(), ());
    // Until everything that was made earlier is known, it would look as if nothing were there.
    if stop.run_until_cancelled(context.watched.ready()).await.is_none() {
        return;
    }
    let queue = stream::select(own, children(touched)).take_until(stop.cancelled_owned());
    let config = Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let resources = store.clone();
    let passes = applier(pass, after_failure, Arc::clone(&context), store, queue, config);
    passes
        .for_each(|outcome| {
            context.metrics.resources(resources.len());
            match outcome {
                Ok(_) => {}
                Err(controller::Error::ObjectNotFound(gone)) => {
                    let namespace = gone.namespace.as_deref().unwrap_or_default();
                    context.forget(&format!("{namespace}/{}", gone.name));
                }
                Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(error) => tracing::warn!(%error, "a watch failed, trying again"),
            }
            std::future::ready(())
        })
        .await;
}

fn children(
    touched: UnboundedReceiver<Touched>,
) -> impl Stream<Item = Result<ReconcileRequest<Guarded>, watcher::Error>> {
    touched.map(|Touched { namespace, pipeline }| {
        Ok(ObjectRef::<Guarded>::new(&pipeline).within(&namespace).into())
    })
}

/// One pass, on a task of its own.
fn pass(resource: Arc<Guarded>, context: Arc<Context>) -> BoxFuture<'static, Result<Action, PassError>> {
    let metadata = Resource::meta(resource.as_ref()).clone();
    let namespace = metadata.namespace.unwrap_or_default();
    let name = metadata.name.unwrap_or_default();
    let span = tracing::info_span!("reconcile", kind = "StreamPipeline", namespace, object = name);
    let key = format!("{namespace}/{name}");
    let work = async move {
        let started = Instant::now();
        let outcome = match &resource.0 {
            Ok(pipeline) => reconcile(&context, pipeline).await,
            Err(invalid) => reject(&context, invalid).await,
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

fn after_failure(resource: Arc<Guarded>, _: &PassError, context: Arc<Context>) -> Action {
    let metadata = Resource::meta(resource.as_ref());
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let key = format!("{namespace}/{}", metadata.name.as_deref().unwrap_or_default());
    Action::requeue(requeue::backoff(context.passes.fail(&key)))
}

/// The channel on which changes of children are told.
pub fn channel() -> (mpsc::UnboundedSender<Touched>, UnboundedReceiver<Touched>) {
    mpsc::unbounded()
}
