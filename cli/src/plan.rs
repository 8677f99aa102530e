//! From the objects that a cluster would get to the processes that this machine runs. Pure.
//!
//! A Deployment's container becomes a process: its command, arguments and variables as they stand. Its
//! volumes are directories at their mount paths, which are below the state directory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use sluice_contract::config::Format;
use sluice_operator::labels;
use sluice_operator::sharded_job::Children;

use crate::secrets::SecretStore;
use crate::site::{Built, Resolved};
use crate::supervise::{ProcessSpec, Role};

/// A file that a process finds when it starts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_secret: bool,
}

/// A worker as a process.
pub(crate) struct PlannedWorker {
    pub(crate) process: ProcessSpec,
    pub(crate) shard: u32,
    /// Where it reports.
    pub(crate) address: SocketAddr,
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) directories: Vec<PathBuf>,
}

/// The upkeep of a pipeline's tables: a process that runs from time to time.
pub(crate) struct PlannedUpkeep {
    pub(crate) process: ProcessSpec,
    /// Five cron fields.
    pub(crate) schedule: String,
    /// Their time zone, by its name in the time zone database.
    pub(crate) time_zone: String,
}

/// A replay of tables: a process that runs once, when all workers do.
pub(crate) struct PlannedReplay {
    pub(crate) process: ProcessSpec,
    /// Name of the replay.
    pub(crate) name: String,
}

/// A service as a process.
pub(crate) struct PlannedService {
    pub(crate) process: ProcessSpec,
    pub(crate) address: SocketAddr,
}

/// The processes of a job, one for each of its Deployments.
pub(crate) fn plan_workers(
    built: &Built,
    secrets: &SecretStore,
    until_caught_up: bool,
) -> Vec<PlannedWorker> {
    let deployments = built.children.deployments.iter();
    deployments.filter_map(|deployment| plan_worker(deployment, built, secrets, until_caught_up)).collect()
}

/// `None` for a Deployment without a container, which the operator does not build.
fn plan_worker(
    deployment: &Deployment,
    built: &Built,
    secrets: &SecretStore,
    until_caught_up: bool,
) -> Option<PlannedWorker> {
    let Built { namespace, children, .. } = built;
    let name = deployment.metadata.name.clone()?;
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let container = pod.containers.first()?;
    let variables = variables(container, namespace, &name, secrets);
    let words = container.command.iter().chain(&container.args).flatten();
    let mut words = words.map(|word| expand(word, &variables));
    let program = PathBuf::from(words.next()?);
    let mut arguments: Vec<String> = words.collect();
    arguments.push("--exit-with-parent".to_owned());
    if until_caught_up {
        arguments.push("--until-caught-up".to_owned());
    }
    let (files, directories) = mounts(pod, container, namespace, children, secrets);
    let address = option(&arguments, "--listen")?.parse().ok()?;
    let shard = option(&arguments, "--shard")?.parse().ok()?;
    let process = ProcessSpec {
        name: process_name(namespace, &name),
        role: Role::Worker,
        program,
        arguments,
        environment: variables,
    };
    Some(PlannedWorker { process, shard, address, files, directories })
}

/// The upkeep of a pipeline: its CronJob's container. It finds the files of the first worker.
pub(crate) fn plan_upkeep(built: &Built, secrets: &SecretStore) -> Option<PlannedUpkeep> {
    let cron_job = built.children.cron_job.as_ref()?;
    let name = cron_job.metadata.name.as_deref()?;
    let spec = cron_job.spec.as_ref()?;
    let process = plan_ending(built, name, spec.job_template.spec.as_ref()?, Role::Upkeep, secrets)?;
    let time_zone = spec.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
    Some(PlannedUpkeep { process, schedule: spec.schedule.clone(), time_zone })
}

/// The replay that a resource asks for: its Job's container. It finds the files of the first worker.
pub(crate) fn plan_replay(built: &Built, secrets: &SecretStore) -> Option<PlannedReplay> {
    let job = &built.children.replay.as_ref()?.job;
    let name = job.metadata.name.as_deref()?;
    let process = plan_ending(built, name, job.spec.as_ref()?, Role::Replay, secrets)?;
    let name = job.metadata.labels.as_ref()?.get(labels::REPLAY)?.clone();
    Some(PlannedReplay { process, name })
}

/// The process of a Job.
fn plan_ending(
    built: &Built,
    name: &str,
    job: &JobSpec,
    role: Role,
    secrets: &SecretStore,
) -> Option<ProcessSpec> {
    let namespace = &built.namespace;
    let container = job.template.spec.as_ref()?.containers.first()?;
    let environment = variables(container, namespace, name, secrets);
    let words = container.command.iter().chain(&container.args).flatten();
    let mut words = words.map(|word| expand(word, &environment));
    let program = PathBuf::from(words.next()?);
    let (name, arguments) = (process_name(namespace, name), words.collect());
    Some(ProcessSpec { name, role, program, arguments, environment })
}

/// Deployments of one name may be in several namespaces.
fn process_name(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn variables(
    container: &Container,
    namespace: &str,
    pod_name: &str,
    secrets: &SecretStore,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let secret = source.secret_ref.as_ref().and_then(|secret| secrets.keys(namespace, &secret.name));
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in secret.unwrap_or_default() {
            variables.insert(format!("{prefix}{key}"), String::from_utf8_lossy(&value).trim_end().to_owned());
        }
    }
    for variable in container.env.iter().flatten() {
        let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        let value = match field.map(|field| field.field_path.as_str()) {
            Some("metadata.name") => pod_name.to_owned(),
            Some("metadata.namespace") => namespace.to_owned(),
            _ => variable.value.clone().unwrap_or_default(),
        };
        variables.insert(variable.name.clone(), value);
    }
    variables
}

/// Replaces `$(NAME)` as the kubelet does: a name that is unknown stays as it is.
fn expand(word: &str, variables: &BTreeMap<String, String>) -> String {
    let known = variables.iter();
    known.fold(word.to_owned(), |word, (name, value)| word.replace(&format!("$({name})"), value))
}

/// The files and the writable directories of a container.
fn mounts(
    pod: &PodSpec,
    container: &Container,
    namespace: &str,
    children: &Children,
    secrets: &SecretStore,
) -> (Vec<PlannedFile>, Vec<PathBuf>) {
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let directory = PathBuf::from(&mount.mount_path);
        let volume = pod.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let Some(volume) = volume else { continue };
        if volume.empty_dir.is_some() {
            directories.push(directory);
            continue;
        }
        let is_secret = volume.secret.is_some();
        for (key, bytes) in contents(volume, namespace, children, secrets) {
            files.push(PlannedFile { path: directory.join(key), bytes, is_secret });
        }
    }
    (files, directories)
}

/// What a ConfigMap's or Secret's volume holds. A claim's volume is the directory that is there.
fn contents(
    volume: &Volume,
    namespace: &str,
    children: &Children,
    secrets: &SecretStore,
) -> BTreeMap<String, Vec<u8>> {
    if let Some(source) = &volume.config_map {
        let mut config_maps = [&children.config_map, &children.hot].into_iter().flatten();
        let config_map = config_maps.find(|map| map.metadata.name.as_ref() == Some(&source.name));
        let data = config_map.and_then(|map| map.data.as_ref()).into_iter().flatten();
        return data.map(|(key, text)| (key.clone(), text.clone().into_bytes())).collect();
    }
    let Some(source) = &volume.secret else { return BTreeMap::new() };
    let keys = source.secret_name.as_ref().and_then(|name| secrets.keys(namespace, name)).unwrap_or_default();
    match &source.items {
        None => keys,
        Some(items) => {
            let wanted =
                items.iter().filter_map(|item| Some((item.path.clone(), keys.get(&item.key)?.clone())));
            wanted.collect()
        }
    }
}

fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let position = arguments.iter().position(|argument| argument == name)?;
    arguments.get(position + 1).map(String::as_str)
}

/// Whether the generator's messages, which are e-commerce transactions, are what a pipeline reads. One that
/// takes its schema from a registry is taken at its word.
pub(crate) fn takes_generated_messages(resolved: &Resolved) -> bool {
    let Some(schema) = &resolved.pipeline.pipeline.schema else { return true };
    let document: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let fields = document.get("fields").and_then(serde_json::Value::as_array);
    fields
        .is_some_and(|fields| fields.iter().any(|field| field.get("name") == Some(&"transaction_id".into())))
}

/// The generator of a pipeline's topic.
pub(crate) fn plan_generator(resolved: &Resolved, worker: PathBuf, rate: f64) -> ProcessSpec {
    let pipeline = &resolved.pipeline;
    let topic = &pipeline.pipeline.topic;
    let mut arguments: Vec<String> =
        ["generate", "--exit-with-parent", "--topic", topic].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    option("--bootstrap-servers", &pipeline.bootstrap_servers);
    option("--rate", &rate.to_string());
    match (pipeline.pipeline.format, &pipeline.schema_registry) {
        (Format::Avro, Some(registry)) => {
            option("--format", "avro");
            option("--schema-registry", &registry.url);
        }
        _ => option("--format", "json"),
    }
    ProcessSpec {
        name: format!("generator-{topic}"),
        role: Role::Generator,
        program: worker,
        arguments,
        environment: BTreeMap::new(),
    }
}

/// The embedded broker, as a process of its own so that it can fail on its own.
pub(crate) fn plan_broker(
    program: PathBuf,
    data: &Path,
    address: SocketAddr,
    topics: &[String],
) -> PlannedService {
    let mut arguments = service_arguments("broker", data, address);
    for topic in topics {
        arguments.extend(["--create-topic".to_owned(), topic.clone()]);
    }
    plan_service("broker", program, arguments, address)
}

/// The embedded schema registry, as a process of its own.
pub(crate) fn plan_schema_registry(program: PathBuf, data: &Path, address: SocketAddr) -> PlannedService {
    plan_service("schema-registry", program, service_arguments("schema-registry", data, address), address)
}

fn service_arguments(command: &str, data: &Path, address: SocketAddr) -> Vec<String> {
    let data = data.to_string_lossy().into_owned();
    let words = [command, "--exit-with-parent", "--data", &data, "--listen", &address.to_string()];
    words.map(str::to_owned).to_vec()
}

fn plan_service(name: &str, program: PathBuf, arguments: Vec<String>, address: SocketAddr) -> PlannedService {
    let process = ProcessSpec {
        name: name.to_owned(),
        role: Role::Service,
        program,
        arguments,
        environment: BTreeMap::new(),
    };
    PlannedService { process, address }
}

#[cfg(test)]
mod tests;
