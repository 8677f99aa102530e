//! The local site: how a resource is resolved on this machine, by the operator's own code.
//!
//! [`resolve`] and [`resolve_scorer`] are what the operator does up to `build`, with this machine as the site. What cannot be
//! resolved here is a [`Problem`] that names the flag that stands in for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sluice_crds::{FraudScorer, StreamPipeline};
use sluice_operator::fraud_scorer::{self, PipelineFound, Surroundings, judge};
use sluice_operator::problem::{Invalid, Missing};
use sluice_operator::sharded_job::build::{check_arguments, config_path, hot_path};
use sluice_operator::sharded_job::plan::Suspension;
use sluice_operator::sharded_job::{Children, ShardedJob, Storage, build};
use sluice_operator::site::{LocalSite, Site};
use sluice_operator::stream_pipeline::job::job;
use sluice_operator::stream_pipeline::{
    Claim, Decision, Observed, ResolvedPipeline, ValidatedPipeline, decide, validate,
};

use crate::manifest::{self, Located, Origin, Problem};
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
pub(crate) enum Resolution<R> {
    /// Nothing of it shall run, for this reason.
    Suspended(Suspension),
    /// It runs.
    Run(Box<R>),
}

/// A pipeline that runs.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) pipeline: ResolvedPipeline,
    pub(crate) built: Built,
}

/// A scorer that runs.
#[derive(Debug)]
pub(crate) struct ResolvedScorer {
    pub(crate) pipeline: ResolvedPipeline,
    pub(crate) built: Built,
}

/// A job with the objects that a cluster would get.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) namespace: String,
    pub(crate) children: Children,
    pub(crate) documents: Documents,
}

/// Where the workers of a job find their documents, and how these are checked.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    /// Path of the configuration.
    pub(crate) configuration: PathBuf,
    /// Path of the document that they read again, if there is one.
    pub(crate) hot: Option<PathBuf>,
    /// The worker's command line that checks them.
    pub(crate) check: Vec<String>,
    /// All of them: paths and texts.
    pub(crate) texts: Vec<(PathBuf, String)>,
}

impl Built {
    /// Builds a job, with a port for each of its workers.
    fn of(job: &dyn Fn(&Site) -> ShardedJob, machine: &Machine, free_port: &mut dyn FnMut() -> u16) -> Self {
        let base = job(&machine.site(BTreeMap::new())).base;
        let names = (0..base.shards).map(|shard| base.deployment(shard));
        let site = machine.site(names.map(|name| (name, vec![free_port()])).collect());
        let job = job(&site);
        let configuration = PathBuf::from(config_path(&job.base, &site));
        let directory = configuration.parent().unwrap_or(Path::new("/"));
        let texts = job.documents.iter().map(|(key, text)| (directory.join(key), text.clone()));
        let hot = job.hot.as_ref().map(|hot| PathBuf::from(hot_path(&job.base, hot, &site)));
        let hot_text = hot.iter().cloned().zip(job.hot.iter().map(|hot| hot.text.clone()));
        let texts = texts.chain(hot_text).collect();
        Self {
            namespace: job.base.namespace.clone(),
            children: build(&job, &site),
            documents: Documents { check: check_arguments(&job, &site), texts, configuration, hot },
        }
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
) -> Result<Resolution<Resolved>, Vec<Problem>> {
    let origin = &located.origin;
    let validated = validate(&located.resource);
    let observed =
        validated.as_ref().map_or_else(|_| Observed::default(), |pipeline| machine.observe(pipeline));
    let pipeline = match decide(validated, &observed, &machine.site(BTreeMap::new())) {
        Decision::Run(pipeline) => *pipeline,
        Decision::Suspend(_) => return Ok(Resolution::Suspended(Suspension::Asked)),
        Decision::Refuse(faults) => return Err(faulty(origin, faults)),
        Decision::Wait(_, missing) => return Err(incomplete(origin, missing)),
    };
    if machine.has_no_identity(&pipeline.storage) {
        let message = format!(
            "'{}' needs credentials; give storage.secretRef, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             or stand in for the lake with --lake local",
            pipeline.storage.uri
        );
        return Err(vec![Problem { origin: origin.clone(), field: "spec.storage.uri".to_owned(), message }]);
    }
    let built = Built::of(&|site| job(&pipeline, site), machine, free_port);
    Ok(Resolution::Run(Box::new(Resolved { pipeline, built })))
}

/// Resolves a scorer on this machine, with its pipeline among those that were read.
pub(crate) fn resolve_scorer(
    located: &Located<FraudScorer>,
    pipelines: &[Located<StreamPipeline>],
    machine: &Machine,
    free_port: &mut dyn FnMut() -> u16,
) -> Result<Resolution<ResolvedScorer>, Vec<Problem>> {
    let origin = &located.origin;
    let pipeline = PipelineFound::of(pipeline_of(&located.resource, pipelines).map(Ok));
    let observed = pipeline.sound().map(|pipeline| machine.observe(pipeline)).unwrap_or_default();
    let surroundings = Surroundings { pipeline, observed, strimzi_trouble: None };
    match judge(&located.resource, surroundings, &machine.site(BTreeMap::new())) {
        fraud_scorer::Decision::Run(resolved) => {
            let built = Built::of(&|site| fraud_scorer::job::job(&resolved, site), machine, free_port);
            Ok(Resolution::Run(Box::new(ResolvedScorer { pipeline: resolved.pipeline, built })))
        }
        fraud_scorer::Decision::Suspend(_, suspension) => Ok(Resolution::Suspended(suspension)),
        fraud_scorer::Decision::Refuse(faults) => Err(faulty(origin, faults)),
        fraud_scorer::Decision::Wait(_, missing) => Err(incomplete(origin, missing)),
    }
}

/// The pipeline that a scorer refers to, if it was read.
pub(crate) fn pipeline_of<'a>(
    scorer: &FraudScorer,
    pipelines: &'a [Located<StreamPipeline>],
) -> Option<&'a StreamPipeline> {
    let namespace = manifest::namespace(scorer);
    let is_meant = |pipeline: &StreamPipeline| {
        manifest::namespace(pipeline) == namespace
            && manifest::name(pipeline) == scorer.spec.pipeline_ref.name
    };
    pipelines.iter().map(|located| &located.resource).find(|pipeline| is_meant(pipeline))
}

/// Faults as problems of the document that has them.
pub(crate) fn faulty(origin: &Origin, faults: Vec<Invalid>) -> Vec<Problem> {
    let problem = |fault: Invalid| Problem {
        origin: origin.clone(),
        field: fault.field,
        message: format!("{}; {}", fault.message, fault.fix),
    };
    faults.into_iter().map(problem).collect()
}

fn incomplete(origin: &Origin, missing: Vec<Missing>) -> Vec<Problem> {
    let problem = |missing: Missing| Problem {
        origin: origin.clone(),
        field: missing.field,
        message: format!("{}; {}", missing.message, missing.fix),
    };
    missing.into_iter().map(problem).collect()
}

/// A machine on which everything is there: what is wrong there is wrong anywhere. Documents would lie below
/// `state`.
pub(crate) fn anywhere(state: PathBuf) -> Machine {
    Machine {
        worker: PathBuf::from("sluice-worker"),
        state,
        broker: Some("localhost:9092".to_owned()),
        // It keeps the Secret of the resource's registry from being looked up.
        schema_registry: Some("http://localhost:8081".to_owned()),
        lake_root: Some("file:///lake".to_owned()),
        secrets: SecretStore::default(),
        variables: BTreeSet::new(),
        revision: 0,
    }
}

#[cfg(test)]
mod tests;
