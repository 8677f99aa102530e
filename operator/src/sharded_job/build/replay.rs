//! The Job that makes tables again from bronze: the pod of a worker, with another command.

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

use super::metadata::build_metadata;
use super::pod::Documents;
use super::{REPLAY, ReplayChildren, network_policy, on_documents, pod, service};
use crate::labels;
use crate::sharded_job::job::{Replay, ShardedJob};
use crate::sharded_job::names;
use crate::site::{Site, WORKER_PORT};

/// A replay goes on where a killed one has ended, or begins again: what it commits, it commits at once.
const RETRIES: i32 = 3;
/// The worker's exit code for a command line or a document that cannot be used.
const UNUSABLE: i32 = 2;

/// Builds a replay: its Job, and how its pods find each other where there are several.
pub(super) fn build_replay(
    job: &ShardedJob,
    replay: &Replay,
    documents: &Documents,
    site: &Site,
) -> ReplayChildren {
    let base = &job.base;
    let name = || names::replay(base.kind, &base.name, &replay.name);
    let has_peers = replay.workers > 1 && matches!(site, Site::Kubernetes(_));
    let network = has_peers.then(|| {
        (
            service::build_service(base, name(), REPLAY),
            network_policy::build_network_policy(base, name(), REPLAY, site),
        )
    });
    let mut built = build_job(job, replay, documents, site);
    if let (Some((service, _)), Some(spec)) = (&network, &mut built.spec) {
        let pods = i32::try_from(replay.workers).unwrap_or(1);
        spec.completion_mode = Some("Indexed".to_owned());
        spec.completions = Some(pods);
        spec.parallelism = Some(pods);
        // The first one gives out the tasks, and is done when all are; the others wait for more.
        spec.success_policy = Some(SuccessPolicy {
            rules: vec![SuccessPolicyRule {
                succeeded_indexes: Some("0".to_owned()),
                ..SuccessPolicyRule::default()
            }],
        });
        if let Some(template) = &mut spec.template.spec {
            template.subdomain.clone_from(&service.metadata.name);
            for container in &mut template.containers {
                container.ports = Some(vec![pod::build_port(WORKER_PORT)]);
            }
        }
    }
    ReplayChildren { network, job: built }
}

/// Builds the Job of a replay, by the documents that the workers have. Its name follows from that of the replay: a
/// configuration that changes meanwhile starts no second one. It stays until the replay is not asked for any more, so
/// that nobody takes it for one that has not run.
fn build_job(job: &ShardedJob, replay: &Replay, documents: &Documents, site: &Site) -> Job {
    let base = &job.base;
    let mut metadata = build_metadata(base, names::replay(base.kind, &base.name, &replay.name));
    let labels = metadata.labels.get_or_insert_default();
    labels.extend(labels::selector(base, REPLAY));
    labels.extend(labels::owned_map([(labels::REPLAY, replay.name.as_str())]));
    let arguments = arguments(job, replay, site);
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(RETRIES),
            pod_failure_policy: Some(build_failure_policy()),
            template: pod::build_ending_template(job, REPLAY, arguments, documents, site),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// What no repetition mends fails at once, and a pod that a node gives up is no failure. (Of several pods the first fails
/// when another one goes, and that counts.)
fn build_failure_policy() -> PodFailurePolicy {
    let unusable = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: None,
            operator: "In".to_owned(),
            values: vec![UNUSABLE],
        }),
        on_pod_conditions: None,
    };
    let disrupted = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_exit_codes: None,
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
        }]),
    };
    PodFailurePolicy { rules: vec![unusable, disrupted] }
}

fn arguments(job: &ShardedJob, replay: &Replay, site: &Site) -> Vec<String> {
    let option = |name: &str, value: String| [format!("--{name}"), value];
    let mut arguments = on_documents(REPLAY, job, site);
    arguments.extend(option("name", replay.name.clone()));
    arguments.extend(option("tables", replay.tables.join(",")));
    arguments.extend(replay.from.iter().flat_map(|from| option("from", from.clone())));
    arguments.extend(replay.until.iter().flat_map(|until| option("until", until.clone())));
    if replay.workers > 1 {
        arguments.extend(workers_arguments(job, replay, site));
    }
    arguments
}

/// Who goes through bronze beside the first pod; on one machine, threads of the process do.
fn workers_arguments(job: &ShardedJob, replay: &Replay, site: &Site) -> Vec<String> {
    match site {
        Site::Kubernetes(_) => {
            let name = names::replay(job.base.kind, &job.base.name, &replay.name);
            let peer = |index: u32| format!("http://{name}-{index}.{name}:{WORKER_PORT}");
            let peers: Vec<String> = (1..replay.workers).map(peer).collect();
            let listen = format!("0.0.0.0:{WORKER_PORT}");
            vec!["--peers".to_owned(), peers.join(","), "--listen".to_owned(), listen]
        }
        Site::Local(_) => vec!["--workers".to_owned(), replay.workers.to_string()],
    }
}
