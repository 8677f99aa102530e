//! Observe: reads everything that was made for a job. It judges nothing, and writes nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use sluice_contract::report::Report;
use snafu::{ResultExt, Snafu};

use super::build::{CHECK, REPLAY};
use super::ending::has_ended;
use super::kind::JobKind;
use super::names;
use super::seen::{JobSeen, Seen};
use super::workers::shard_of;
use crate::apply::Owner;
use crate::apply::child::{Owned, Ownership, ownership};
use crate::context::Context;
use crate::labels;
use crate::site::WORKER_PORT;

/// Why something that was made for a job could not be read.
#[derive(Debug, Snafu)]
#[snafu(display("failed to read {what}: {source}"))]
pub(crate) struct ObserveError {
    /// What.
    what: &'static str,
    /// What the API server says.
    #[snafu(source(from(kube::Error, Box::new)))]
    source: Box<kube::Error>,
}

/// Reads everything that earlier passes have made for a job, and asks its workers.
pub(crate) async fn observe(context: &Context, kind: &JobKind, owner: &Owner) -> Result<Seen, ObserveError> {
    let mut seen =
        Seen { children: context.watched.owned_by(&owner.namespace, &owner.uid), ..Seen::default() };
    observe_workers(context, kind, owner, &mut seen).await?;
    observe_jobs(context, kind, owner, &mut seen).await?;
    observe_upkeep(context, owner, &mut seen).await?;
    seen.reports = ask_workers(context, &seen.pods).await;
    Ok(seen)
}

async fn observe_workers(
    context: &Context,
    kind: &JobKind,
    owner: &Owner,
    seen: &mut Seen,
) -> Result<(), ObserveError> {
    let client = &context.client;
    let known: Vec<Owned> =
        seen.children.iter().filter(|owned| owned.is_a::<Deployment>()).cloned().collect();
    let api: Api<Deployment> = Api::namespaced(client.clone(), &owner.namespace);
    let deployments = context
        .deployments
        .read(&owner.key(), &api, &known)
        .await
        .context(ObserveSnafu { what: "the Deployments of the workers" })?;
    for deployment in deployments {
        let labels = deployment.metadata.labels.as_ref();
        let shard = labels.and_then(|labels| labels.get(labels::SHARD)?.parse().ok());
        if let Some(shard) = shard {
            seen.deployments.insert(shard, deployment);
        }
    }
    let known = context.watched.pods(&owner.namespace, kind.label, &owner.name, kind.role);
    let api: Api<Pod> = Api::namespaced(client.clone(), &owner.namespace);
    let pods = context
        .pods
        .read(&owner.key(), &api, &known)
        .await
        .context(ObserveSnafu { what: "the pods of the workers" })?;
    seen.pods = pods.into_iter().filter(|pod| is_workers(pod, kind, &owner.name)).collect();
    Ok(())
}

/// A pod that a ReplicaSet of a worker's Deployment made. Labels alone anybody can write.
fn is_workers(pod: &Pod, kind: &JobKind, name: &str) -> bool {
    let Some(shard) = shard_of(pod) else { return false };
    let prefix = format!("{}-", names::deployment(kind, name, shard));
    let owners = pod.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| {
        owner.controller == Some(true) && owner.kind == "ReplicaSet" && owner.name.starts_with(&prefix)
    })
}

async fn observe_jobs(
    context: &Context,
    kind: &JobKind,
    owner: &Owner,
    seen: &mut Seen,
) -> Result<(), ObserveError> {
    let known: Vec<Owned> = seen.children.iter().filter(|owned| owned.is_a::<Job>()).cloned().collect();
    let api: Api<Job> = Api::namespaced(context.client.clone(), &owner.namespace);
    let jobs =
        context.jobs.read(&owner.key(), &api, &known).await.context(ObserveSnafu { what: "the Jobs" })?;
    if jobs.is_empty() {
        return Ok(());
    }
    let known = [CHECK, REPLAY]
        .map(|role| context.watched.pods(&owner.namespace, kind.label, &owner.name, role))
        .concat();
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &owner.namespace);
    let pods = context
        .job_pods
        .read(&owner.key(), &api, &known)
        .await
        .context(ObserveSnafu { what: "the pods of the Jobs" })?;
    for job in jobs {
        let uid = job.metadata.uid.clone().unwrap_or_default();
        let mut pods = pods.clone();
        pods.retain(|pod| ownership(&pod.metadata, &uid) == Ownership::Ours);
        let is_podless = pods.is_empty() && !has_ended(&job);
        let refusal = if is_podless { refusal_of(context, owner, &uid).await? } else { None };
        let name = job.metadata.name.clone().unwrap_or_default();
        seen.jobs.insert(name, JobSeen { job, pods, refusal });
    }
    Ok(())
}

async fn observe_upkeep(context: &Context, owner: &Owner, seen: &mut Seen) -> Result<(), ObserveError> {
    let known: Vec<Owned> = seen.children.iter().filter(|owned| owned.is_a::<CronJob>()).cloned().collect();
    let api: Api<CronJob> = Api::namespaced(context.client.clone(), &owner.namespace);
    let found = context.upkeep.read(&owner.key(), &api, &known).await;
    seen.upkeep = found.context(ObserveSnafu { what: "the upkeep" })?.into_iter().next();
    Ok(())
}

/// A Job does not say why it has no pod; only an event of it does.
async fn refusal_of(context: &Context, owner: &Owner, job: &str) -> Result<Option<String>, ObserveError> {
    let api: Api<Event> = Api::namespaced(context.client.clone(), &owner.namespace);
    let about =
        ListParams::default().fields(&format!("involvedObject.uid={job},reason=FailedCreate")).limit(5);
    let events = api.list(&about).await.context(ObserveSnafu { what: "the events of a Job" })?;
    Ok(events.items.into_iter().rev().find_map(|event| event.message))
}

/// Asks every worker that has an address, all at once.
async fn ask_workers(context: &Context, pods: &[Arc<Pod>]) -> BTreeMap<String, Result<Report, String>> {
    let asked = pods.iter().filter_map(|pod| Some((pod.metadata.name.clone()?, address_of(pod)?)));
    let answers = join_all(asked.map(|(name, address)| async move {
        (name, context.reporters.ask(address).await.map_err(|error| error.to_string()))
    }));
    answers.await.into_iter().collect()
}

/// Where a worker serves its report, if its container runs.
fn address_of(pod: &Pod) -> Option<SocketAddr> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Running") || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let address: IpAddr = status.pod_ip.as_ref()?.parse().ok()?;
    Some(SocketAddr::new(address, WORKER_PORT))
}
