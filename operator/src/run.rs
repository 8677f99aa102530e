//! Run: the operator from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use futures::future::{join_all, join3};
use futures::stream;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::events::{Recorder, Reporter};
use sluice_crds::{FraudScorer, StreamPipeline};
use snafu::{ResultExt, Snafu};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::apply::memory::AppliedMemory;
use crate::context::{Context, Passes};
use crate::controller;
use crate::fraud_scorer::followers;
use crate::http::{self, Readiness, ServeError};
use crate::labels;
use crate::leadership::{Leadership, LeadershipError};
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::reports::{ReportError, Reporters};
use crate::restarts::Restarts;
use crate::settings::Settings;
use crate::site::{KubernetesSite, Site};
use crate::unattended;
use crate::watched::{Listeners, Watched};

/// Time between two looks for something that the operator waits for.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// Why the operator ended.
#[derive(Debug, Snafu)]
pub enum RunError {
    /// There is no cluster to talk to.
    #[snafu(display("failed to find a cluster: {source}; set KUBECONFIG, or run inside a cluster"))]
    Configuration {
        /// Why.
        #[snafu(source(from(kube::config::InferConfigError, Box::new)))]
        source: Box<kube::config::InferConfigError>,
    },
    /// The client cannot be made.
    #[snafu(display("failed to make a client for the cluster: {source}"))]
    Connect {
        /// Why.
        #[snafu(source(from(kube::Error, Box::new)))]
        source: Box<kube::Error>,
    },
    /// The HTTP server cannot run.
    #[snafu(display("{source}"))]
    Http {
        /// Why.
        source: ServeError,
    },
    /// There is no client for the workers' reports.
    #[snafu(display("{source}"))]
    Reports {
        /// Why.
        source: ReportError,
    },
    /// Signals cannot be received.
    #[snafu(display("failed to listen for signals: {source}"))]
    Signals {
        /// Why.
        source: std::io::Error,
    },
    /// There is no leadership to be had.
    #[snafu(display("{source}"))]
    Leading {
        /// Why.
        source: LeadershipError,
    },
    /// Another process acts now.
    #[snafu(display("the lease is lost: another operator may act now"))]
    LeaseLost,
}

/// Runs the operator until it is told to stop, or loses its lease.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    cancel_on_signals(&stop)?;
    let (readiness, metrics) = (Readiness::new(), Metrics::new());
    let listening = http::serve(settings.listen, readiness.clone(), metrics.clone(), stop.clone());
    let address = listening.await.context(HttpSnafu)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving /healthz, /readyz and /metrics");
    let client = connect().await?;

    let Some(Some(cluster)) =
        stop.run_until_cancelled(wait_for_cluster(&client, &settings, &readiness)).await
    else {
        return Ok(());
    };
    readiness.ready();
    let mut leadership = Leadership::new(&client, &settings).await.context(LeadingSnafu)?;
    if stop.run_until_cancelled(leadership.won()).await.is_none() {
        leadership.release().await;
        return Ok(());
    }
    metrics.leading(true);
    tracing::info!("acting");
    let work = look_after(&client, &settings, cluster, &metrics, &stop)?;
    let lost = tokio::select! {
        () = work => false,
        () = leadership.lost() => true,
    };
    if lost {
        return LeaseLostSnafu.fail();
    }
    leadership.release().await;
    tracing::info!("stopped");
    Ok(())
}

/// A client that tells the API server's audit log who it is.
async fn connect() -> Result<Client, RunError> {
    // Dependencies bring two, between which rustls does not choose by itself; it matters where a cluster is
    // trusted like any web site. An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut configuration = kube::Config::infer().await.context(ConfigurationSnafu)?;
    let name = HeaderValue::from_static(concat!("sluice-operator/", env!("CARGO_PKG_VERSION")));
    configuration.headers.push((USER_AGENT, name));
    Client::try_from(configuration).context(ConnectSnafu)
}

fn cancel_on_signals(stop: &CancellationToken) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).context(SignalsSnafu)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(SignalsSnafu)?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}

/// Waits for the API server and for our definition. Returns the uid of the cluster.
async fn wait_for_cluster(client: &Client, settings: &Settings, readiness: &Readiness) -> Option<String> {
    loop {
        match find_cluster(client, settings).await {
            Ok(cluster) => return Some(cluster),
            Err(what) => {
                tracing::warn!("waiting for {what}");
                readiness.wait_for(what);
            }
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// The uid of the cluster, or what is missing of it.
async fn find_cluster(client: &Client, settings: &Settings) -> Result<String, String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = namespaces
        .get_metadata("kube-system")
        .await
        .map_err(|error| format!("the namespace 'kube-system', whose uid names the cluster: {error}"))?;
    for resource in [ApiResource::erase::<StreamPipeline>(&()), ApiResource::erase::<FraudScorer>(&())] {
        for scope in settings.scopes() {
            find_definition(client, scope.as_deref(), &resource).await?;
        }
    }
    Ok(system.metadata.uid.unwrap_or_default())
}

/// Whether a kind can be listed; or what is missing for it.
async fn find_definition(
    client: &Client,
    namespace: Option<&str>,
    resource: &ApiResource,
) -> Result<(), String> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    let plural = &resource.plural;
    let listed = api.list_metadata(&ListParams::default().limit(1)).await;
    listed.map(|_| ()).map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => format!(
            "the CRD '{plural}.{}': install it with kubectl apply -f crds/ or the chart sluice-crds",
            sluice_crds::GROUP
        ),
        error => format!("the right to list {plural}: {error}"),
    })
}

/// Looks after all namespaces that the operator shall look after.
fn look_after(
    client: &Client,
    settings: &Settings,
    cluster: String,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, RunError> {
    let site = Site::Kubernetes(KubernetesSite {
        cluster,
        worker_image: settings.worker_image.clone(),
        operator_namespace: settings.operator_namespace.clone(),
        monitoring_namespaces: settings.monitoring_namespaces.clone(),
    });
    let restarts = Arc::new(Restarts::new(settings.max_concurrent_restarts as usize));
    let reporter = Reporter { controller: "sluice-operator".to_owned(), instance: None };
    let recorder = Recorder::new(client.clone(), reporter);
    let reporters = Reporters::new().context(ReportsSnafu)?;
    let controllers = settings.scopes().into_iter().map(|namespace| {
        let scope = namespace.as_deref();
        let (of_pipelines, touched_pipelines) = controller::channel();
        let (of_scorers, touched_scorers) = controller::channel();
        let listeners = Listeners::from([(labels::PIPELINE, of_pipelines), (labels::SCORER, of_scorers)]);
        let (changed, changed_pipelines) = controller::channel();
        let pipelines = controller::resources::<StreamPipeline>(client, scope).telling(changed);
        let scorers = controller::resources::<FraudScorer>(client, scope);
        let followers = followers(scorers.store.clone(), changed_pipelines);
        let context = Context {
            pipelines: pipelines.store.clone(),
            watched: Watched::start(client, scope, &listeners, stop),
            client: client.clone(),
            site: site.clone(),
            applied: AppliedMemory::default(),
            restarts: Arc::clone(&restarts),
            reporters: reporters.clone(),
            recorder: recorder.clone(),
            metrics: metrics.clone(),
            deployments: Mirror::default(),
            pods: Mirror::default(),
            jobs: Mirror::default(),
            job_pods: Mirror::default(),
            upkeep: Mirror::default(),
            passes: Passes::default(),
        };
        let context = Arc::new(context);
        let pipelines = controller::run(Arc::clone(&context), pipelines, touched_pipelines, stop.clone());
        let touched_scorers = stream::select(touched_scorers, followers);
        let scorers = controller::run(context, scorers, touched_scorers, stop.clone());
        let others = unattended::run(client.clone(), namespace, metrics.clone(), stop.clone());
        join3(pipelines, scorers, others)
    });
    let controllers = join_all(controllers.collect::<Vec<_>>());
    Ok(async move {
        controllers.await;
    })
}
