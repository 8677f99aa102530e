//! Build: the Kubernetes objects of a job, one file for each kind. Pure, and it cannot fail.

mod check;
mod config_map;
mod cron_job;
mod deployment;
mod metadata;
mod network_policy;
mod pod;
mod pod_disruption_budget;
mod replay;
mod service;
mod service_account;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::job::{CONFIG_KEY, HotDocument, JobBase, ShardedJob};
use super::standing::Standing;
use crate::site::Site;

/// What the pod of a check Job does.
pub const CHECK: &str = "check";
/// What the pods of the CronJob do.
pub const UPKEEP: &str = "upkeep";
/// What the pod of a replay's Job does.
pub const REPLAY: &str = "replay";

pub use check::{build_check, check_arguments};
pub(crate) use config_map::candidate_digest;
pub use config_map::documents_of_check;
pub use pod::Documents;

/// Everything that is made for a job, in the order in which it is applied: what has pods comes last, so that they
/// find what they mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// Who the pods run as; `None` where the user names one that exists.
    pub service_account: Option<ServiceAccount>,
    /// The workers' configuration, immutable and named by its content; `None` while nothing runs.
    pub config_map: Option<ConfigMap>,
    /// The document that workers read again, for its check; `None` where there is none, or nothing runs.
    pub candidate: Option<ConfigMap>,
    /// The document that workers read again, as far as a check has passed it; `None` likewise.
    pub hot: Option<ConfigMap>,
    /// Finds the workers by name.
    pub service: Service,
    /// Keeps voluntary disruptions to one worker at a time.
    pub pod_disruption_budget: PodDisruptionBudget,
    /// Who may talk to the workers.
    pub network_policy: NetworkPolicy,
    /// Maintains the tables; `None` while nothing runs, and where it is another job's to do.
    pub cron_job: Option<CronJob>,
    /// One for each shard; empty while nothing runs.
    pub deployments: Vec<Deployment>,
    /// Makes tables again from bronze, when all workers run; `None` while nothing runs, and where none is asked for.
    pub replay: Option<ReplayChildren>,
}

/// What makes tables again from bronze.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayChildren {
    /// Finds its pods by name, and who may talk to them; `None` where there is one pod.
    pub network: Option<(Service, NetworkPolicy)>,
    /// Its pods.
    pub job: Job,
}

/// Builds everything that a running job needs, where nothing stands yet.
pub fn build(job: &ShardedJob, site: &Site) -> Children {
    build_over(job, &Standing::default(), site)
}

/// Builds everything that a running job needs, over what stands.
pub fn build_over(job: &ShardedJob, standing: &Standing, site: &Site) -> Children {
    let documents = config_map::documents_of_workers(job);
    let deployments = (0..job.base.shards)
        .map(|shard| deployment::build_deployment(job, shard, &documents, standing, site))
        .collect();
    let maintenance = job.maintenance.as_ref();
    Children {
        config_map: Some(config_map::build_config_map(job, standing)),
        candidate: job.hot.as_ref().map(|hot| config_map::build_candidate(job, hot, standing)),
        hot: job.hot.as_ref().map(|hot| config_map::build_hot(job, hot)),
        cron_job: maintenance.map(|maintenance| cron_job::build_cron_job(job, maintenance, &documents, site)),
        deployments,
        replay: job.replay.as_ref().map(|replay| replay::build_replay(job, replay, &documents, site)),
        ..build_idle(&job.base, site)
    }
}

/// Builds what stays of a job while nothing of it runs: everything but its workers, what they read, and its
/// upkeep.
pub fn build_idle(base: &JobBase, site: &Site) -> Children {
    Children {
        service_account: service_account::build_service_account(base),
        config_map: None,
        candidate: None,
        hot: None,
        service: service::build_service(base, base.workers(), base.kind.role),
        pod_disruption_budget: pod_disruption_budget::build_pod_disruption_budget(base),
        network_policy: network_policy::build_network_policy(base, base.workers(), base.kind.role, site),
        cron_job: None,
        deployments: Vec::new(),
        replay: None,
    }
}

/// Where a worker finds its configuration.
pub fn config_path(base: &JobBase, site: &Site) -> String {
    format!("{}/{CONFIG_KEY}", site.config_directory(&base.namespace, &base.workers()))
}

/// Where a worker finds the document that it reads again.
pub fn hot_path(base: &JobBase, hot: &HotDocument, site: &Site) -> String {
    format!("{}/{}", site.hot_directory(&base.namespace, &base.workers(), hot.name), hot.key())
}

/// The words by which a worker does something with the documents that it finds at their places.
fn on_documents(command: &str, job: &ShardedJob, site: &Site) -> Vec<String> {
    let base = &job.base;
    let mut words = vec![command.to_owned(), base.kind.document_option.to_owned(), config_path(base, site)];
    if let Some(hot) = &job.hot {
        words.extend([format!("--{}", hot.name), hot_path(base, hot, site)]);
    }
    words
}
