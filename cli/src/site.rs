//! The local site: how a resource is resolved on this machine, by the operator's own code.
//!
//! [`resolve`] is what the operator does up to `build`, with this machine as the site. What cannot be
//! resolved here is a [`Problem`] that names the flag that stands in for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sluice_crds::StreamPipeline;
use sluice_operator::sharded_job::job::CONFIG_KEY;
use sluice_operator::sharded_job::{Children, Storage};
use sluice_operator::site::{LocalSite, Site};
use sluice_operator::stream_pipeline::job::base;
use sluice_operator::stream_pipeline::{
    Claim, Decision, Observed, ResolvedPipeline, ValidatedPipeline, build, decide, validate,
};

use crate::manifest::{Located, Problem};
use crate::secrets::SecretStore;

/// Variables of which any one tells an S3 client who it is.
const S3_IDENTITIES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// What this machine offers.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Absolute path of the worker.
    pub(crate) worker: PathBuf,
    /// Absolute path of the state directory.
    pub(crate) state: PathBuf,
    pub(crate) broker: Option<String>,
    pub(crate) schema_registry: Option<String>,
    /// URI, without a slash at its end, of the folder that stands in for every lake.
    pub(crate) lake_root: Option<String>,
    pub(crate) secrets: SecretStore,
    /// Names of the environment variables that workers inherit.
    pub(crate) variables: BTreeSet<String>,
    /// Rises with each `sluice up`, so that its workers may take over from those of an earlier one.
    pub(crate) revision: u64,
}

/// What a resource comes to here.
#[derive(Debug)]
pub(crate) enum Resolution {
    /// It says that nothing shall run.
    Suspended,
    /// It runs.
    Run(Box<Resolved>),
}

/// A pipeline that runs, with the objects that a cluster would get.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) pipeline: ResolvedPipeline,
    pub(crate) children: Children,
    /// Where the worker finds its configuration.
    config_directory: PathBuf,
}

impl Resolved {
    /// The text of the workers' configuration.
    pub(crate) fn configuration(&self) -> &str {
        let data = self.children.config_map.as_ref().and_then(|config_map| config_map.data.as_ref());
        data.and_then(|data| data.get(CONFIG_KEY)).map(String::as_str).unwrap_or_default()
    }

    /// Where the workers find it.
    pub(crate) fn configuration_path(&self) -> PathBuf {
        self.config_directory.join(CONFIG_KEY)
    }
}

impl Machine {
    fn site(&self, ports: BTreeMap<String, Vec<u16>>) -> Site {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Site::Local(LocalSite {
            worker_program: text(&self.worker),
            state_directory: text(&self.state),
            ports,
            broker: self.broker.clone(),
            schema_registry: self.schema_registry.clone(),
            lake_root: self.lake_root.clone(),
        })
    }

    /// What the operator would look up in its cluster. A claim is there if its directory is.
    fn observe(&self, pipeline: &ValidatedPipeline) -> Observed {
        let volume = pipeline.storage.volume.iter().filter(|volume| Path::new(&volume.mount_path).is_dir());
        Observed {
            secrets: self.secrets.digests(&pipeline.namespace),
            claims: volume.map(|volume| (volume.claim.clone(), Claim { read_write_many: true })).collect(),
            listener: None,
            deployment_revision: self.revision,
        }
    }

    /// Credentials of an object store come from a Secret or from the environment.
    fn has_no_identity(&self, storage: &Storage) -> bool {
        storage.uri.starts_with("s3://")
            && storage.environment_secret.is_none()
            && !S3_IDENTITIES.iter().any(|name| self.variables.contains(*name))
    }
}

/// Resolves a pipeline on this machine; `free_port` gives a port that nothing else has got.
pub(crate) fn resolve(
    located: &Located<StreamPipeline>,
    machine: &Machine,
    free_port: &mut dyn FnMut() -> u16,
) -> Result<Resolution, Vec<Problem>> {
    let problem = |field: String, message: String| Problem { origin: located.origin.clone(), field, message };
    let validated = validate(&located.resource);
    let observed =
        validated.as_ref().map_or_else(|_| Observed::default(), |pipeline| machine.observe(pipeline));
    let site = machine.site(BTreeMap::new());
    let pipeline = match decide(validated, &observed, &site) {
        Decision::Run(pipeline) => *pipeline,
        Decision::Suspend(_) => return Ok(Resolution::Suspended),
        Decision::Refuse(faults) => {
            let problems = faults.into_iter();
            return Err(problems
                .map(|fault| problem(fault.field, format!("{}; {}", fault.message, fault.fix)))
                .collect());
        }
        Decision::Wait(_, missing) => {
            let problems = missing.into_iter();
            return Err(problems
                .map(|missing| problem(missing.field, format!("{}; {}", missing.message, missing.fix)))
                .collect());
        }
    };
    if machine.has_no_identity(&pipeline.storage) {
        let message = format!(
            "'{}' needs credentials; give storage.secretRef, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             or stand in for the lake with --lake local",
            pipeline.storage.uri
        );
        return Err(vec![problem("spec.storage.uri".to_owned(), message)]);
    }
    // Built once for the names of the Deployments, and once more with a port for each.
    let names =
        build(&pipeline, &site).deployments.into_iter().filter_map(|deployment| deployment.metadata.name);
    let site = machine.site(names.map(|name| (name, vec![free_port()])).collect());
    let children = build(&pipeline, &site);
    let base = base(&pipeline.pipeline);
    let config_directory = site.config_directory(&base.namespace, &base.workers());
    let config_directory = PathBuf::from(config_directory);
    Ok(Resolution::Run(Box::new(Resolved { pipeline, children, config_directory })))
}

/// Resolves a pipeline as if everything that it refers to were there: what is wrong then is wrong anywhere.
pub(crate) fn resolve_anywhere(located: &Located<StreamPipeline>) -> Result<Resolution, Vec<Problem>> {
    let machine = Machine {
        worker: PathBuf::from("sluice-worker"),
        state: PathBuf::from("/"),
        broker: Some("localhost:9092".to_owned()),
        // It keeps the Secret of the resource's registry from being looked up.
        schema_registry: Some("http://localhost:8081".to_owned()),
        lake_root: Some("file:///lake".to_owned()),
        secrets: SecretStore::default(),
        variables: BTreeSet::new(),
        revision: 0,
    };
    resolve(located, &machine, &mut || 0)
}

#[cfg(test)]
mod tests;
