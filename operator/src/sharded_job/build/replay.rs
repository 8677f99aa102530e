//! The Job that makes tables again from bronze: the pod of a worker, with another command.

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};

use super::metadata::build_metadata;
use super::pod::Documents;
use super::{REPLAY, on_documents, pod};
use crate::labels;
use crate::sharded_job::job::{Replay, ShardedJob};
use crate::sharded_job::names;
use crate::site::Site;

/// A replay goes on where a killed one has ended, or begins again: what it commits, it commits at once.
const RETRIES: i32 = 3;
/// The worker's exit code for a command line or a document that cannot be used.
const UNUSABLE: i32 = 2;

/// Builds the Job of a replay, by the documents that the workers have. Its name follows from that of the replay: a
/// configuration that changes meanwhile starts no second one. It stays until the replay is not asked for any more, so
/// that nobody takes it for one that has not run.
pub(super) fn build_replay(job: &ShardedJob, replay: &Replay, documents: &Documents, site: &Site) -> Job {
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

/// What no repetition mends fails at once, and a pod that a node gives up is no failure.
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
    arguments
}
