//! The Job that checks a configuration before any worker gets it: the pod of a worker, with another command.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EnvVar, PodTemplateSpec};

use super::metadata::build_metadata;
use super::pod::Documents;
use super::{CHECK, on_documents, pod};
use crate::sharded_job::job::ShardedJob;
use crate::sharded_job::names;
use crate::site::Site;
use crate::{digest, labels};

/// How long a check may take, the pull of its image included.
const DEADLINE_SECONDS: i64 = 300;
/// How long a finished check stays, should nobody remove it.
const KEPT_SECONDS: i32 = 86_400;

/// Builds the check of the documents in ConfigMaps. Its name follows from its pod: a Job cannot be changed,
/// and whatever may make a check end otherwise makes another Job.
pub fn build_check(job: &ShardedJob, documents: &Documents, site: &Site) -> Job {
    let base = &job.base;
    let template = build_template(job, documents, site);
    let name = names::check(base.kind, &base.name, &digest::of_document(&template));
    let mut metadata = build_metadata(base, name);
    metadata.labels.get_or_insert_default().extend(labels::selector(base, CHECK));
    Job {
        metadata,
        spec: Some(JobSpec {
            active_deadline_seconds: Some(DEADLINE_SECONDS),
            backoff_limit: Some(0),
            template,
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// The command line by which a worker checks the documents that it finds at their places.
pub fn check_arguments(job: &ShardedJob, site: &Site) -> Vec<String> {
    on_documents(CHECK, job, site)
}

fn build_template(job: &ShardedJob, documents: &Documents, site: &Site) -> PodTemplateSpec {
    let arguments = check_arguments(job, site);
    let mut template = pod::build_ending_template(job, CHECK, arguments, documents, site);
    for container in template.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
        // Its last words are its findings, and nothing else.
        container.env.get_or_insert_default().push(EnvVar {
            name: "SLUICE_LOG".to_owned(),
            value: Some("off".to_owned()),
            ..EnvVar::default()
        });
    }
    template
}
