//! [`Site`]: where things are. The only source of addresses, ports, paths, images and secret material.
//!
//! `validate`, `decide` and `build` know neither Kubernetes nor a laptop: they ask the site. So local mode runs
//! the very Deployments that a cluster would get.
//!
//! | | in Kubernetes | in local mode |
//! |---|---|---|
//! | worker | an image | a program |
//! | configuration | `/etc/sluice/config` | `<state>/<namespace>/config/<workers>` |
//! | what is read again | `/etc/sluice/<document>` | `<state>/<namespace>/<document>/<workers>` |
//! | Secrets | `/etc/sluice/secrets/<Secret>` | `<state>/<namespace>/secrets/<Secret>` |
//! | temporary files | `/tmp` | `<state>/<namespace>/tmp/<Deployment>` |
//! | address of a worker | port 8080 of its pod | a port of 127.0.0.1 |
//! | writer's name | the pod's | the Deployment's |
//! | Kafka, registry, lake | as the resource says | as the resource says, or a stand-in |
//!
//! In local mode each volume of a Deployment is a directory at its mount path: whoever runs it writes the
//! ConfigMap's and the Secrets' data there.

use std::collections::BTreeMap;

/// The port on which a worker in Kubernetes serves its probes, metrics and report.
pub const WORKER_PORT: u16 = 8080;

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// A Kubernetes cluster.
    Kubernetes(KubernetesSite),
    /// Processes of one machine.
    Local(LocalSite),
}

/// What the operator knows about its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSite {
    /// Uid of the namespace `kube-system`.
    pub cluster: String,
    /// Image of the worker.
    pub worker_image: String,
    /// Namespace of the operator, whose pods read the workers' reports.
    pub operator_namespace: String,
    /// Label `kubernetes.io/metadata.name` of the namespaces that scrape metrics.
    pub monitoring_namespaces: Vec<String>,
}

/// What local mode has prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSite {
    /// Path of the worker program.
    pub worker_program: String,
    /// Absolute path of the directory that holds everything local mode writes.
    pub state_directory: String,
    /// Ports of 127.0.0.1, by Deployment, one for each replica. Without an entry a worker takes a free port.
    pub ports: BTreeMap<String, Vec<u16>>,
    /// `host:port` of a broker that stands in for every Kafka cluster.
    pub broker: Option<String>,
    /// Address of a schema registry that stands in for every other.
    pub schema_registry: Option<String>,
    /// URI, without a slash at its end, of a folder that stands in for every lake; each pipeline gets a folder
    /// of it.
    pub lake_root: Option<String>,
}

/// How a worker learns the name under which it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterName {
    /// From the pod's metadata.
    Pod,
    /// It is this.
    Fixed(String),
}

impl Site {
    /// Uid of the cluster, for the owner of a lake; `local` in local mode.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Kubernetes(site) => &site.cluster,
            Self::Local(_) => "local",
        }
    }

    /// Image of the worker. Local mode runs the program and shows this name.
    pub fn worker_image(&self) -> &str {
        match self {
            Self::Kubernetes(site) => &site.worker_image,
            Self::Local(_) => "sluice-worker",
        }
    }

    /// Command that starts the worker.
    pub fn worker_command(&self) -> Vec<String> {
        match self {
            Self::Kubernetes(_) => vec!["/usr/local/bin/sluice-worker".to_owned()],
            Self::Local(site) => vec![site.worker_program.clone()],
        }
    }

    /// Directory in which a worker finds the data of its job's ConfigMap, one file for each key; `workers` is
    /// the name of what all workers of the job share.
    pub fn config_directory(&self, namespace: &str, workers: &str) -> String {
        match self {
            Self::Kubernetes(_) => "/etc/sluice/config".to_owned(),
            Self::Local(site) => format!("{}/{namespace}/config/{workers}", site.state_directory),
        }
    }

    /// Directory in which a worker finds a document that it reads again while it works.
    pub fn hot_directory(&self, namespace: &str, workers: &str, document: &str) -> String {
        match self {
            Self::Kubernetes(_) => format!("/etc/sluice/{document}"),
            Self::Local(site) => format!("{}/{namespace}/{document}/{workers}", site.state_directory),
        }
    }

    /// Directory in which a worker finds the data of a Secret, one file for each key.
    pub fn secret_directory(&self, namespace: &str, secret: &str) -> String {
        match self {
            Self::Kubernetes(_) => format!("/etc/sluice/secrets/{secret}"),
            Self::Local(site) => format!("{}/{namespace}/secrets/{secret}", site.state_directory),
        }
    }

    /// Directory for a worker's temporary files.
    pub fn temporary_directory(&self, namespace: &str, deployment: &str) -> String {
        match self {
            Self::Kubernetes(_) => "/tmp".to_owned(),
            Self::Local(site) => format!("{}/{namespace}/tmp/{deployment}", site.state_directory),
        }
    }

    /// Port on which a replica of a Deployment serves; 0 where it shall take a free one.
    pub fn worker_port(&self, deployment: &str, replica: usize) -> u16 {
        match self {
            Self::Kubernetes(_) => WORKER_PORT,
            Self::Local(site) => {
                site.ports.get(deployment).and_then(|ports| ports.get(replica)).copied().unwrap_or_default()
            }
        }
    }

    /// Address on which a replica of a Deployment listens.
    pub fn listen_address(&self, deployment: &str, replica: usize) -> String {
        let host = match self {
            Self::Kubernetes(_) => "0.0.0.0",
            Self::Local(_) => "127.0.0.1",
        };
        format!("{host}:{}", self.worker_port(deployment, replica))
    }

    /// How a worker learns the name under which it writes. A worker adds a random part of its own.
    pub fn writer_name(&self, deployment: &str) -> WriterName {
        match self {
            Self::Kubernetes(_) => WriterName::Pod,
            Self::Local(_) => WriterName::Fixed(deployment.to_owned()),
        }
    }

    /// `host:port` of the broker that stands in for the resource's, if one does.
    pub fn stand_in_broker(&self) -> Option<&str> {
        match self {
            Self::Kubernetes(_) => None,
            Self::Local(site) => site.broker.as_deref(),
        }
    }

    /// Address of the schema registry that stands in for the resource's, if one does.
    pub fn stand_in_schema_registry(&self) -> Option<&str> {
        match self {
            Self::Kubernetes(_) => None,
            Self::Local(site) => site.schema_registry.as_deref(),
        }
    }

    /// Root of the lake that stands in for the resource's, if one does.
    pub fn stand_in_lake(&self, namespace: &str, name: &str) -> Option<String> {
        match self {
            Self::Kubernetes(_) => None,
            Self::Local(site) => site.lake_root.as_ref().map(|root| format!("{root}/{namespace}/{name}")),
        }
    }

    /// What a user does about a Secret that is not there, or lacks a key.
    pub fn secret_fix(&self, namespace: &str, secret: &str, key: Option<&str>) -> String {
        let key = key.unwrap_or("KEY");
        match self {
            Self::Kubernetes(_) => {
                format!("kubectl -n {namespace} create secret generic {secret} --from-literal={key}=...")
            }
            Self::Local(_) => {
                format!("add a Secret document to the manifests, or the file {secret}/{key} to --secrets DIR")
            }
        }
    }

    /// What a user does about a Kafka listener that cannot be looked up.
    pub fn listener_fix(&self, cluster: &str, listener: &str) -> String {
        match self {
            Self::Kubernetes(_) => {
                format!("create the Kafka '{cluster}' with the listener '{listener}' in this namespace")
            }
            Self::Local(_) => {
                "stand in for it with --broker embedded or --broker HOST:PORT, or give bootstrapServers"
                    .to_owned()
            }
        }
    }

    /// What a user does about a pipeline that is not there.
    pub fn pipeline_fix(&self, namespace: &str, pipeline: &str) -> String {
        match self {
            Self::Kubernetes(_) => format!("create the StreamPipeline '{pipeline}' in '{namespace}'"),
            Self::Local(_) => format!("give -f the file of the StreamPipeline '{pipeline}', too"),
        }
    }

    /// What a user does about a claim that is not there.
    pub fn claim_fix(&self, namespace: &str, claim: &str) -> String {
        match self {
            Self::Kubernetes(_) => format!("create the PersistentVolumeClaim '{claim}' in '{namespace}'"),
            Self::Local(_) => "stand in for the lake with --lake local or --lake DIR".to_owned(),
        }
    }
}
