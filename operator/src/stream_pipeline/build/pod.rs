//! The pod of one shard: the worker, its files, and a security context of the profile `restricted`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, HTTPGetAction, KeyToPath, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec, Probe,
    SeccompProfile, SecretEnvSource, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels;
use crate::site::{Site, WriterName};
use crate::stream_pipeline::decide::ResolvedPipeline;
use crate::stream_pipeline::names;
use crate::stream_pipeline::worker_config::CONFIG_KEY;

/// The user and group of the worker's image: nobody in particular.
const USER: i64 = 65_532;
/// Files of Secrets and ConfigMaps: readable by the owner and the group.
const READABLE: i32 = 0o440;
/// Name of the variable with the writer's name.
const WRITER_VARIABLE: &str = "SLUICE_WRITER";

pub(super) fn build_pod_spec(
    resolved: &ResolvedPipeline,
    shard: u32,
    deployment: &str,
    config_map: &str,
    revision: u64,
    site: &Site,
) -> PodSpec {
    let pods = &resolved.pipeline.pods;
    let (volumes, mounts) = build_volumes(resolved, deployment, config_map, site);
    let service_account =
        pods.service_account.clone().unwrap_or_else(|| names::service_account(&resolved.pipeline.name));
    PodSpec {
        affinity: build_affinity(resolved),
        automount_service_account_token: Some(false),
        containers: vec![build_container(resolved, shard, deployment, mounts, revision, site)],
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

fn build_container(
    resolved: &ResolvedPipeline,
    shard: u32,
    deployment: &str,
    mounts: Vec<VolumeMount>,
    revision: u64,
    site: &Site,
) -> Container {
    let pipeline = &resolved.pipeline;
    let config_directory = site.config_directory(&pipeline.namespace, &pipeline.name);
    let (writer, writer_variable) = build_writer(deployment, site);
    let mut variables = vec![EnvVar {
        name: "TMPDIR".to_owned(),
        value: Some(site.temporary_directory(&pipeline.namespace, deployment)),
        ..EnvVar::default()
    }];
    variables.extend(writer_variable);
    let option = |name: &str, value: String| [format!("--{name}"), value];
    let mut arguments = vec!["ingest".to_owned()];
    arguments.extend(option("config", format!("{config_directory}/{CONFIG_KEY}")));
    arguments.extend(option("shard", shard.to_string()));
    arguments.extend(option("listen", site.listen_address(deployment, 0)));
    arguments.extend(option("writer", writer));
    arguments.extend(option("deployment-revision", revision.to_string()));
    Container {
        name: "worker".to_owned(),
        image: Some(site.worker_image().to_owned()),
        command: Some(site.worker_command()),
        args: Some(arguments),
        env: Some(variables),
        env_from: resolved.storage.environment_secret.as_ref().map(|secret| {
            vec![EnvFromSource {
                secret_ref: Some(SecretEnvSource { name: secret.clone(), optional: None }),
                ..EnvFromSource::default()
            }]
        }),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: i32::from(site.worker_port(deployment, 0)),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources: Some(pipeline.pods.resources.clone()),
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
    resolved: &ResolvedPipeline,
    deployment: &str,
    config_map: &str,
    site: &Site,
) -> (Vec<Volume>, Vec<VolumeMount>) {
    let pipeline = &resolved.pipeline;
    let namespace = &pipeline.namespace;
    let mut pairs = vec![
        mounted(build_config_volume(config_map), site.config_directory(namespace, &pipeline.name), true),
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
    for (index, (secret, keys)) in mounted_secrets(resolved).into_iter().enumerate() {
        let volume = build_secret_volume(index, secret, &keys);
        pairs.push(mounted(volume, site.secret_directory(namespace, secret), true));
    }
    if let Some(claim) = &resolved.storage.volume {
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

fn build_config_volume(config_map: &str) -> Volume {
    Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            default_mode: Some(READABLE),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn build_secret_volume(index: usize, secret: &str, keys: &BTreeSet<&str>) -> Volume {
    let items =
        keys.iter().map(|key| KeyToPath { key: (*key).to_owned(), path: (*key).to_owned(), mode: None });
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

/// The Secrets that a worker reads as files, each with the keys that it reads.
fn mounted_secrets(resolved: &ResolvedPipeline) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut keys = resolved.security.secret_keys();
    if let Some((username, password)) =
        resolved.schema_registry.as_ref().and_then(|registry| registry.credentials.as_ref())
    {
        keys.extend([username, password]);
    }
    let mut secrets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        secrets.entry(&key.secret).or_default().insert(&key.key);
    }
    secrets
}

/// The user's affinity, and on top of it one node for all pods of a claim that only one node can mount.
fn build_affinity(resolved: &ResolvedPipeline) -> Option<Affinity> {
    let users = resolved.pipeline.pods.affinity.clone();
    let Some(volume) = resolved.storage.volume.as_ref().filter(|_| resolved.single_node) else {
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
