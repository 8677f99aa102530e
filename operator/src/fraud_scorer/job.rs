//! The job of a scorer: from what was decided to what the shards of all kinds have in common. Pure.

use std::collections::BTreeMap;

use super::decide::{Decision, ResolvedScorer};
use super::documents::{revision, scorer_config};
use super::validated::ValidatedScorer;
use crate::sharded_job::build::Children;
use crate::sharded_job::job::{CONFIG_KEY, HotDocument, JobBase, ShardedJob};
use crate::sharded_job::kind::SCORE;
use crate::sharded_job::plan::Intent;
use crate::site::Site;
use crate::stream_pipeline::job::{connection_documents, secret_files};

/// What a decision means for the job.
pub fn intent(decision: Decision, site: &Site) -> Intent {
    match decision {
        Decision::Run(resolved) => Intent::Run(Box::new(job(&resolved, site))),
        Decision::Suspend(scorer, suspension) => Intent::Suspend(Box::new(base(&scorer)), suspension),
        Decision::Wait(scorer, missing) => Intent::Wait(Some(Box::new(base(&scorer))), missing),
        Decision::Refuse(faults) => Intent::Refuse(faults),
    }
}

/// The job of a scorer that runs. It connects to Kafka and to the lake as its pipeline does.
pub fn job(resolved: &ResolvedScorer, site: &Site) -> ShardedJob {
    let ResolvedScorer { scorer, pipeline } = resolved;
    let base = base(scorer);
    let config_directory = site.config_directory(&base.namespace, &base.workers());
    let configuration = scorer_config(resolved, &config_directory, site).to_json();
    let mut documents = BTreeMap::from([(CONFIG_KEY.to_owned(), configuration)]);
    documents.extend(connection_documents(pipeline));
    ShardedJob {
        configuration: revision(scorer, &pipeline.pipeline),
        documents,
        hot: Some(HotDocument { name: "rules", text: scorer.rules.to_json() }),
        secret_files: secret_files(pipeline),
        secrets_digest: pipeline.secrets_digest.clone(),
        storage: pipeline.storage.clone(),
        single_node: pipeline.single_node,
        deployment_revision: pipeline.deployment_revision,
        // The upkeep of the pipeline is that of its whole lake.
        maintenance: None,
        replay: scorer.replay.clone(),
        base,
    }
}

/// What is known of the job of a scorer even while nothing runs.
pub fn base(scorer: &ValidatedScorer) -> JobBase {
    JobBase {
        kind: &SCORE,
        namespace: scorer.namespace.clone(),
        name: scorer.name.clone(),
        uid: scorer.uid.clone(),
        shards: scorer.shards,
        pods: scorer.pods.clone(),
    }
}

/// Builds everything that a running scorer needs, where nothing stands yet.
pub fn build(resolved: &ResolvedScorer, site: &Site) -> Children {
    crate::sharded_job::build(&job(resolved, site), site)
}
