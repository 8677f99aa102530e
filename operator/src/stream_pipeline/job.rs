//! The job of a pipeline: from what was decided to what the shards of all kinds have in common. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Decision, ResolvedPipeline};
use super::validated::{UserName, ValidatedPipeline};
use super::worker_config::{USERNAME_KEY, revision, worker_config};
use crate::problem::Missing;
use crate::sharded_job::build::Children;
use crate::sharded_job::job::{CONFIG_KEY, JobBase, ShardedJob};
use crate::sharded_job::kind::INGEST;
use crate::sharded_job::plan::{Intent, Suspension};
use crate::site::Site;

/// What a decision means for the job. What is known of Strimzi says more than that a listener is missing.
pub fn intent(decision: Decision, strimzi_trouble: Option<&Missing>, site: &Site) -> Intent {
    match decision {
        Decision::Run(resolved) => Intent::Run(Box::new(job(&resolved, site))),
        Decision::Suspend(pipeline) => Intent::Suspend(Box::new(base(&pipeline)), Suspension::Asked),
        Decision::Wait(pipeline, missing) => {
            Intent::Wait(Some(Box::new(base(&pipeline))), explain(missing, strimzi_trouble))
        }
        Decision::Refuse(faults) => Intent::Refuse(faults),
    }
}

/// The job of a pipeline that runs.
pub fn job(resolved: &ResolvedPipeline, site: &Site) -> ShardedJob {
    let pipeline = &resolved.pipeline;
    let base = base(pipeline);
    let config_directory = site.config_directory(&base.namespace, &base.workers());
    let configuration = worker_config(resolved, &config_directory, site).to_json();
    let mut documents = BTreeMap::from([(CONFIG_KEY.to_owned(), configuration)]);
    documents.extend(connection_documents(resolved));
    ShardedJob {
        configuration: revision(pipeline),
        documents,
        hot: None,
        secret_files: secret_files(resolved),
        secrets_digest: resolved.secrets_digest.clone(),
        storage: resolved.storage.clone(),
        single_node: resolved.single_node,
        deployment_revision: resolved.deployment_revision,
        maintenance: Some(pipeline.maintenance.clone()),
        replay: pipeline.replay.clone(),
        base,
    }
}

/// What is known of the job of a pipeline even while nothing runs.
pub fn base(pipeline: &ValidatedPipeline) -> JobBase {
    JobBase {
        kind: &INGEST,
        namespace: pipeline.namespace.clone(),
        name: pipeline.name.clone(),
        uid: pipeline.uid.clone(),
        shards: pipeline.shards,
        pods: pipeline.pods.clone(),
    }
}

/// Builds everything that a running pipeline needs, where nothing stands yet.
pub fn build(resolved: &ResolvedPipeline, site: &Site) -> Children {
    crate::sharded_job::build(&job(resolved, site), site)
}

/// The files beside the configuration that the connection to Kafka needs.
pub fn connection_documents(resolved: &ResolvedPipeline) -> BTreeMap<String, String> {
    match resolved.security.sasl.as_ref().map(|sasl| &sasl.username) {
        Some(UserName::Known(user)) => BTreeMap::from([(USERNAME_KEY.to_owned(), user.clone())]),
        Some(UserName::Secret(_)) | None => BTreeMap::new(),
    }
}

/// The Secrets that a worker reads as files, each with the keys that it reads.
pub fn secret_files(resolved: &ResolvedPipeline) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = resolved.security.secret_keys();
    if let Some((username, password)) =
        resolved.schema_registry.as_ref().and_then(|registry| registry.credentials.as_ref())
    {
        keys.extend([username, password]);
    }
    let mut secrets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in keys {
        secrets.entry(key.secret.clone()).or_default().insert(key.key.clone());
    }
    secrets
}

/// Strimzi's own state says more than that a listener is not there.
pub fn explain(mut missing: Vec<Missing>, strimzi_trouble: Option<&Missing>) -> Vec<Missing> {
    let Some(trouble) = strimzi_trouble else { return missing };
    missing.retain(|missing| missing.field != trouble.field);
    missing.insert(0, trouble.clone());
    missing
}
