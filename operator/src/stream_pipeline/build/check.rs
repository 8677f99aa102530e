//! The Job that checks a configuration before any worker gets it: the pod of a worker, with another command.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EnvVar, PodTemplateSpec};

use super::metadata::build_metadata;
use super::{CHECK, deployment, pod};
use crate::site::Site;
use crate::stream_pipeline::decide::ResolvedPipeline;
use crate::stream_pipeline::names;
use crate::stream_pipeline::worker_config::CONFIG_KEY;
use crate::{digest, labels};

/// How long a check may take, the pull of its image included.
const DEADLINE_SECONDS: i64 = 300;
/// How long a finished check stays, should nobody remove it.
const KEPT_SECONDS: i32 = 86_400;

/// Builds the check of the configuration in a ConfigMap. Its name follows from its pod: a Job cannot be
/// changed, and whatever may make a check end otherwise makes another Job.
pub fn build_check(resolved: &ResolvedPipeline, config_map: &str, site: &Site) -> Job {
    let pipeline = &resolved.pipeline;
    let template = build_template(resolved, config_map, site);
    let mut metadata =
        build_metadata(pipeline, names::check(&pipeline.name, &digest::of_document(&template)));
    metadata.labels.get_or_insert_default().extend(labels::selector(&pipeline.name, CHECK));
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

fn build_template(resolved: &ResolvedPipeline, config_map: &str, site: &Site) -> PodTemplateSpec {
    let pipeline = &resolved.pipeline;
    let identity = labels::selector(&pipeline.name, CHECK);
    let mut spec =
        pod::build_pod_spec(resolved, 0, &names::ingest_deployment(&pipeline.name, 0), config_map, 0, site);
    spec.restart_policy = Some("Never".to_owned());
    spec.termination_grace_period_seconds = Some(5);
    for container in &mut spec.containers {
        let config_directory = site.config_directory(&pipeline.namespace, &pipeline.name);
        CHECK.clone_into(&mut container.name);
        container.args =
            Some(vec![CHECK.to_owned(), "--config".to_owned(), format!("{config_directory}/{CONFIG_KEY}")]);
        // Its last words are its findings, and nothing else.
        container.env.get_or_insert_default().push(EnvVar {
            name: "SLUICE_LOG".to_owned(),
            value: Some("off".to_owned()),
            ..EnvVar::default()
        });
        container.ports = None;
        container.startup_probe = None;
        container.liveness_probe = None;
        container.readiness_probe = None;
    }
    PodTemplateSpec { metadata: Some(deployment::build_pod_metadata(resolved, identity)), spec: Some(spec) }
}
