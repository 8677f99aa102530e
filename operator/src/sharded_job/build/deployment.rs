//! The Deployment of one shard: one replica, never two at once.
//!
//! Its pods write under a revision, which fences a predecessor that is still alive. The revision rises only
//! when the pods change: annotations keep it, and the digest of the template that it belongs to.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::metadata::build_metadata;
use super::pod;
use super::pod::Documents;
use crate::sharded_job::job::ShardedJob;
use crate::sharded_job::standing::Standing;
use crate::site::Site;
use crate::{digest, labels};

pub(super) fn build_deployment(
    job: &ShardedJob,
    shard: u32,
    documents: &Documents,
    standing: &Standing,
    site: &Site,
) -> Deployment {
    let base = &job.base;
    let name = base.deployment(shard);
    let mut identity = labels::selector(base, base.kind.role);
    identity.insert(labels::SHARD.to_owned(), shard.to_string());
    let template = |revision: u64| PodTemplateSpec {
        metadata: Some(build_pod_metadata(job, identity.clone())),
        spec: Some(pod::build_worker_pod_spec(job, shard, documents, revision, site)),
    };
    let fingerprint = digest::of_document(&template(0));
    let revision = standing.revision(shard, &fingerprint, job.deployment_revision);
    let mut metadata = build_metadata(base, name);
    metadata.labels.get_or_insert_default().extend(identity.clone());
    metadata.annotations = Some(labels::owned_map([
        (labels::TEMPLATE, fingerprint.as_str()),
        (labels::REVISION, &revision.to_string()),
    ]));
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            revision_history_limit: Some(2),
            selector: LabelSelector { match_labels: Some(identity.clone()), ..LabelSelector::default() },
            // Two workers of one shard would only fence each other out.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                ..DeploymentStrategy::default()
            }),
            template: template(revision),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Our labels and annotations win over the user's: Services and budgets find pods by them.
pub(super) fn build_pod_metadata(job: &ShardedJob, identity: BTreeMap<String, String>) -> ObjectMeta {
    let pods = &job.base.pods;
    let mut labels = pods.labels.clone();
    labels.extend(labels::of_job(&job.base));
    labels.extend(identity);
    if let Some(volume) = &job.storage.volume {
        labels.insert(labels::CLAIM.to_owned(), volume.claim.clone());
    }
    let mut annotations = pods.annotations.clone();
    annotations.insert(labels::CONFIGURATION.to_owned(), job.configuration.clone());
    if let Some(digest) = &job.secrets_digest {
        annotations.insert(labels::SECRETS_DIGEST.to_owned(), digest.clone());
    }
    ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }
}
