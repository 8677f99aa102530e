//! [`ShardedJob`]: what the pods of a job run, read and are, whatever kind of resource it is for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, ResourceRequirements, Toleration};

use super::kind::JobKind;
use super::names;

/// Key of the ConfigMap that holds the workers' configuration.
pub const CONFIG_KEY: &str = "config.json";

/// What is known of a job even while nothing of it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct JobBase {
    /// The kind of job.
    pub kind: &'static JobKind,
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource; absent in local mode.
    pub uid: Option<String>,
    /// Number of shards.
    pub shards: u32,
    /// What the user says about the pods.
    pub pods: Pods,
}

impl JobBase {
    /// Name of what all its workers share.
    pub fn workers(&self) -> String {
        names::workers(self.kind, &self.name)
    }

    /// Name of the Deployment of one shard.
    pub fn deployment(&self, shard: u32) -> String {
        names::deployment(self.kind, &self.name, shard)
    }
}

/// A job that can run.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardedJob {
    /// Whose it is, and what its pods are.
    pub base: JobBase,
    /// Revision of the configuration.
    pub configuration: String,
    /// The files that a worker reads at its start, by name: [`CONFIG_KEY`] and others.
    pub documents: BTreeMap<String, String>,
    /// The file that a worker reads again while it works, if there is one.
    pub hot: Option<HotDocument>,
    /// The Secrets that a worker reads as files, each with the keys that it reads.
    pub secret_files: BTreeMap<String, BTreeSet<String>>,
    /// Digest over the secret material that the workers use; `None` where they use none.
    pub secrets_digest: Option<String>,
    /// The lake in force.
    pub storage: Storage,
    /// Whether all pods must share one node, because the claim cannot be mounted by several.
    pub single_node: bool,
    /// The revision that a Deployment gets if its pods change.
    pub deployment_revision: u64,
    /// Upkeep of the tables, if it is this job's to do.
    pub maintenance: Option<Maintenance>,
    /// Tables to be made again from bronze, if any.
    pub replay: Option<Replay>,
}

/// A file that workers read again while they work: a change of it restarts nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotDocument {
    /// What it is: `rules`. Also the worker's option, without dashes, by which it learns the path.
    pub name: &'static str,
    /// Its content.
    pub text: String,
}

impl HotDocument {
    /// Name of the file.
    pub fn key(&self) -> String {
        format!("{}.json", self.name)
    }
}

/// The lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Root of the lake.
    pub uri: String,
    /// Secret whose keys become environment variables.
    pub environment_secret: Option<String>,
    /// The volume of a `file:///` lake.
    pub volume: Option<Volume>,
    /// Id of another pipeline's lake that this one takes over.
    pub adopt: Option<String>,
}

/// A claim and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Name of the PersistentVolumeClaim.
    pub claim: String,
    /// Absolute path.
    pub mount_path: String,
}

/// Upkeep of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// When it runs: five cron fields, in UTC.
    pub schedule: String,
    /// How long old versions of the tables can be read.
    pub retention_ms: u64,
}

/// Tables to be made again from bronze, once for each name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Name of the replay.
    pub name: String,
    /// The tables, as the worker calls them: `silver`, `gold`, `gold/<name>`, `fraud`.
    pub tables: Vec<String>,
    /// The first messages: a time, or offsets; `None`: the first row of bronze.
    pub from: Option<String>,
    /// Where it ends, likewise; `None`: where the job stands when it starts.
    pub until: Option<String>,
    /// How many workers go through bronze.
    pub workers: u32,
}

/// What the user says about the pods, as Kubernetes types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    /// Labels to add.
    pub labels: BTreeMap<String, String>,
    /// Annotations to add.
    pub annotations: BTreeMap<String, String>,
    /// CPU and memory; the default where the user says nothing.
    pub resources: ResourceRequirements,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints to accept.
    pub tolerations: Vec<Toleration>,
    /// The user's affinity.
    pub affinity: Option<Affinity>,
    /// Secrets of the image registry.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// A ServiceAccount that exists.
    pub service_account: Option<String>,
    /// Annotations of the ServiceAccount that is made.
    pub service_account_annotations: BTreeMap<String, String>,
    /// Name of the PriorityClass.
    pub priority_class: Option<String>,
}
