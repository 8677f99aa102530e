//! Build: the Kubernetes objects of a pipeline, one file for each kind. Pure, and it cannot fail.

mod check;
mod config_map;
mod cron_job;
mod deployment;
mod metadata;
mod network_policy;
mod pod;
mod pod_disruption_budget;
mod service;
mod service_account;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::decide::ResolvedPipeline;
use super::standing::Standing;
use super::validated::ValidatedPipeline;
use crate::site::Site;

/// What a worker of an ingest Deployment does.
pub const INGEST: &str = "ingest";
/// What the pod of a check Job does.
pub const CHECK: &str = "check";

/// What the pods of the CronJob do.
pub const UPKEEP: &str = "upkeep";

pub use check::build_check;

/// Everything that is made for a pipeline, in the order in which it is applied: the Deployments last, so that
/// a pod finds what it mounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Who the pods run as; `None` where the user names one that exists.
    pub service_account: Option<ServiceAccount>,
    /// The workers' configuration, immutable and named by its content; `None` while suspended.
    pub config_map: Option<ConfigMap>,
    /// Finds the workers by name.
    pub service: Service,
    /// Keeps voluntary disruptions to one worker at a time.
    pub pod_disruption_budget: PodDisruptionBudget,
    /// Who may talk to the workers.
    pub network_policy: NetworkPolicy,
    /// Maintains the tables; `None` while suspended.
    pub cron_job: Option<CronJob>,
    /// One for each shard; empty while suspended.
    pub deployments: Vec<Deployment>,
}

/// Builds everything that a running pipeline needs, where nothing stands yet.
pub fn build(resolved: &ResolvedPipeline, site: &Site) -> Children {
    build_over(resolved, &Standing::default(), site)
}

/// Builds everything that a running pipeline needs, over what stands.
pub fn build_over(resolved: &ResolvedPipeline, standing: &Standing, site: &Site) -> Children {
    let config_map = config_map::build_config_map(resolved, standing, site);
    let config_map_name = config_map.metadata.name.clone().unwrap_or_default();
    let deployments = (0..resolved.pipeline.shards)
        .map(|shard| deployment::build_deployment(resolved, shard, &config_map_name, standing, site))
        .collect();
    let cron_job = cron_job::build_cron_job(resolved, &config_map_name, site);
    Children {
        config_map: Some(config_map),
        cron_job: Some(cron_job),
        deployments,
        ..build_suspended(&resolved.pipeline, site)
    }
}

/// Builds what stays of a pipeline while it is suspended: everything but its workers and its upkeep.
pub fn build_suspended(pipeline: &ValidatedPipeline, site: &Site) -> Children {
    Children {
        service_account: service_account::build_service_account(pipeline),
        config_map: None,
        service: service::build_service(pipeline),
        pod_disruption_budget: pod_disruption_budget::build_pod_disruption_budget(pipeline),
        network_policy: network_policy::build_network_policy(pipeline, site),
        cron_job: None,
        deployments: Vec::new(),
    }
}
