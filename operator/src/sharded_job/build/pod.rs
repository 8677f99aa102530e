//! The pods of a job: the worker, its files, and a security context of the profile `restricted`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, HTTPGetAction, KeyToPath, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, SeccompProfile, SecretEnvSource, SecretVolumeSource, SecurityContext, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::build_pod_metadata;
use super::{config_path, hot_path};
use crate::labels;
use crate::sharded_job::job::ShardedJob;
use crate::sharded_job::names;
use crate::site::{Site, WriterName};

/// The user and group of the worker's image: nobody in particular.
const USER: i64 = 65_532;
/// Files of Secrets and ConfigMaps: readable by the owner and the group.
const READABLE: i32 = 0o440;
/// Name of the variable with the writer's name.
const WRITER_VARIABLE: &str = "SLUICE_WRITER";

/// The ConfigMaps that a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// The one with the configuration.
    pub configuration: String,
    /// The one with the document that is read again, if there is one.
    pub hot: Option<String>,
}

impl Documents {
    /// Of the ConfigMaps of a check, the one that keeps what came of it.
    pub fn judged(&self) -> &str {
        self.hot.as_ref().unwrap_or(&self.configuration)
    }
}

/// What a container is called, and what it does.
struct Command {
    name: &'static str,
    arguments: Vec<String>,
}

/// The pod of one shard.
pub(super) fn build_worker_pod_spec(
    job: &ShardedJob,
    shard: u32,
    documents: &Documents,
    revision: u64,
    site: &Site,
) -> PodSpec {
    let deployment = job.base.deployment(shard);
    let arguments = worker_arguments(job, shard, &deployment, revision, site);
    build_pod_spec(job, &deployment, Command { name: "worker", arguments }, documents, site)
}

/// The pod of something that ends by itself: that of the first shard, with another command. Its role is also the name
/// of its container.
pub(super) fn build_ending_template(
    job: &ShardedJob,
    role: &'static str,
    arguments: Vec<String>,
    documents: &Documents,
    site: &Site,
) -> PodTemplateSpec {
    let command = Command { name: role, arguments };
    let mut spec = build_pod_spec(job, &job.base.deployment(0), command, documents, site);
    spec.restart_policy = Some("Never".to_owned());
    // It may die at any moment.
    spec.termination_grace_period_seconds = Some(5);
    for container in &mut spec.containers {
        container.ports = None;
        container.startup_probe = None;
        container.liveness_probe = None;
        container.readiness_probe = None;
    }
    let identity = labels::selector(&job.base, role);
    PodTemplateSpec { metadata: Some(build_pod_metadata(job, identity)), spec: Some(spec) }
}

fn build_pod_spec(
    job: &ShardedJob,
    deployment: &str,
    command: Command,
    documents: &Documents,
    site: &Site,
) -> PodSpec {
    let base = &job.base;
    let pods = &base.pods;
    let (volumes, mounts) = build_volumes(job, deployment, documents, site);
    let service_account =
        pods.service_account.clone().unwrap_or_else(|| names::service_account(base.kind, &base.name));
    PodSpec {
        affinity: build_affinity(job),
        automount_service_account_token: Some(false),
        containers: vec![build_container(job, deployment, command, mounts, site)],
        enable_service_links: Some(false),
        image_pull_secrets: non_empty(pods.image_pull_secrets.clone()),
        node_selector: (!pods.node_selector.is_empty()).then(|| pods.node_selector.clone()),
        priority_class_name: pods.priority_class.clone(),
        security_context: Some(PodSecurityContext {
            fs_group: Some(USER),
            // A lake has many files: touching each at every start would take minutes.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            run_as_group: Some(USER),
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        service_account_name: Some(service_account),
        // Time to finish the epoch that is open.
        termination_grace_period_seconds: Some(60),
        tolerations: non_empty(pods.tolerations.clone()),
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// The port that Services and NetworkPolicies name.
pub(super) fn build_port(port: u16) -> ContainerPort {
    ContainerPort {
        name: Some("http".to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn worker_arguments(
    job: &ShardedJob,
    shard: u32,
    deployment: &str,
    revision: u64,
    site: &Site,
) -> Vec<String> {
    let base = &job.base;
    let option = |name: &str, value: String| [format!("--{name}"), value];
    let mut arguments = vec![base.kind.role.to_owned()];
    arguments.extend(option("config", config_path(base, site)));
    if let Some(hot) = &job.hot {
        arguments.extend(option(hot.name, hot_path(base, hot, site)));
    }
    arguments.extend(option("shard", shard.to_string()));
    arguments.extend(option("listen", site.listen_address(deployment, 0)));
    arguments.extend(option("writer", build_writer(deployment, site).0));
    arguments.extend(option("deployment-revision", revision.to_string()));
    arguments
}

fn build_container(
    job: &ShardedJob,
    deployment: &str,
    command: Command,
    mounts: Vec<VolumeMount>,
    site: &Site,
) -> Container {
    let base = &job.base;
    let mut variables = vec![EnvVar {
        name: "TMPDIR".to_owned(),
        value: Some(site.temporary_directory(&base.namespace, deployment)),
        ..EnvVar::default()
    }];
    variables.extend(build_writer(deployment, site).1);
    Container {
        name: command.name.to_owned(),
        image: Some(site.worker_image().to_owned()),
        command: Some(site.worker_command()),
        args: Some(command.arguments),
        env: Some(variables),
        env_from: job.storage.environment_secret.as_ref().map(|secret| {
            vec![EnvFromSource {
                secret_ref: Some(SecretEnvSource { name: secret.clone(), optional: None }),
                ..EnvFromSource::default()
            }]
        }),
        ports: Some(vec![build_port(site.worker_port(deployment, 0))]),
        resources: Some(base.pods.resources.clone()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        // A worker answers as soon as its process is up; restoring its state only keeps it from being ready.
        startup_probe: Some(build_probe("/healthz", 2, 30)),
        liveness_probe: Some(build_probe("/healthz", 10, 6)),
        readiness_probe: Some(build_probe("/readyz", 5, 3)),
        // The last words of a worker that ends reach the status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The argument of `--writer`, and the variable that it refers to.
fn build_writer(deployment: &str, site: &Site) -> (String, Option<EnvVar>) {
    match site.writer_name(deployment) {
        WriterName::Fixed(name) => (name, None),
        WriterName::Pod => {
            let variable = EnvVar {
                name: WRITER_VARIABLE.to_owned(),
                value_from: Some(EnvVarSource {
                    field_ref: Some(ObjectFieldSelector {
                        field_path: "metadata.name".to_owned(),
                        ..ObjectFieldSelector::default()
                    }),
                    ..EnvVarSource::default()
                }),
                ..EnvVar::default()
            };
            (format!("$({WRITER_VARIABLE})"), Some(variable))
        }
    }
}

fn build_probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// The volumes, and where the worker finds them.
fn build_volumes(
    job: &ShardedJob,
    deployment: &str,
    documents: &Documents,
    site: &Site,
) -> (Vec<Volume>, Vec<VolumeMount>) {
    let base = &job.base;
    let namespace = &base.namespace;
    let configuration = build_config_volume("config", &documents.configuration);
    let mut pairs = vec![
        mounted(configuration, site.config_directory(namespace, &base.workers()), true),
        mounted(
            Volume {
                name: "temporary".to_owned(),
                empty_dir: Some(EmptyDirVolumeSource::default()),
                ..Volume::default()
            },
            site.temporary_directory(namespace, deployment),
            false,
        ),
    ];
    if let Some((hot, config_map)) = job.hot.as_ref().zip(documents.hot.as_ref()) {
        // As a directory, for the kubelet does not follow changes of a single file.
        let directory = site.hot_directory(namespace, &base.workers(), hot.name);
        pairs.push(mounted(build_config_volume(hot.name, config_map), directory, true));
    }
    for (index, (secret, keys)) in job.secret_files.iter().enumerate() {
        let volume = build_secret_volume(index, secret, keys);
        pairs.push(mounted(volume, site.secret_directory(namespace, secret), true));
    }
    if let Some(claim) = &job.storage.volume {
        let volume = Volume {
            name: "lake".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.claim.clone(),
                read_only: None,
            }),
            ..Volume::default()
        };
        pairs.push(mounted(volume, claim.mount_path.clone(), false));
    }
    pairs.into_iter().unzip()
}

fn mounted(volume: Volume, mount_path: String, read_only: bool) -> (Volume, VolumeMount) {
    let mount = VolumeMount {
        name: volume.name.clone(),
        mount_path,
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    (volume, mount)
}

fn build_config_volume(name: &str, config_map: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            default_mode: Some(READABLE),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn build_secret_volume(index: usize, secret: &str, keys: &BTreeSet<String>) -> Volume {
    let items = keys.iter().map(|key| KeyToPath { key: key.clone(), path: key.clone(), mode: None });
    Volume {
        name: format!("secret-{index}"),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items: Some(items.collect()),
            default_mode: Some(READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The user's affinity, and on top of it one node for all pods of a claim that only one node can mount.
fn build_affinity(job: &ShardedJob) -> Option<Affinity> {
    let users = job.base.pods.affinity.clone();
    let Some(volume) = job.storage.volume.as_ref().filter(|_| job.single_node) else {
        return users;
    };
    let mut affinity = users.unwrap_or_default();
    affinity
        .pod_affinity
        .get_or_insert_with(PodAffinity::default)
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .push(PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_labels: Some(labels::owned_map([(labels::CLAIM, &volume.claim)])),
                ..LabelSelector::default()
            }),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        });
    Some(affinity)
}

fn non_empty<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}
