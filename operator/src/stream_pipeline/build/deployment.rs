//! The Deployment of one shard: one replica, never two at once.
//!
//! Its pods write under a revision, which fences a predecessor that is still alive. The revision rises only
//! when the pods change: annotations keep it, and the digest of the template that it belongs to.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::metadata::build_metadata;
use super::{INGEST, pod};
use crate::site::Site;
use crate::stream_pipeline::decide::ResolvedPipeline;
use crate::stream_pipeline::standing::Standing;
use crate::stream_pipeline::{names, worker_config};
use crate::{digest, labels};

pub(super) fn build_deployment(
    resolved: &ResolvedPipeline,
    shard: u32,
    config_map: &str,
    standing: &Standing,
    site: &Site,
) -> Deployment {
    let pipeline = &resolved.pipeline;
    let name = names::ingest_deployment(&pipeline.name, shard);
    let mut identity = labels::selector(&pipeline.name, INGEST);
    identity.insert(labels::SHARD.to_owned(), shard.to_string());
    let template = |revision: u64| PodTemplateSpec {
        metadata: Some(build_pod_metadata(resolved, identity.clone())),
        spec: Some(pod::build_pod_spec(resolved, shard, &name, config_map, revision, site)),
    };
    let fingerprint = digest::of_document(&template(0));
    let revision = standing.revision(shard, &fingerprint, resolved.deployment_revision);
    let mut metadata = build_metadata(pipeline, name.clone());
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
pub(super) fn build_pod_metadata(
    resolved: &ResolvedPipeline,
    identity: BTreeMap<String, String>,
) -> ObjectMeta {
    let pipeline = &resolved.pipeline;
    let mut labels = pipeline.pods.labels.clone();
    labels.extend(labels::of_pipeline(&pipeline.name));
    labels.extend(identity);
    if let Some(volume) = &resolved.storage.volume {
        labels.insert(labels::CLAIM.to_owned(), volume.claim.clone());
    }
    let mut annotations = pipeline.pods.annotations.clone();
    annotations.insert(labels::CONFIGURATION.to_owned(), worker_config::revision(pipeline));
    if let Some(digest) = &resolved.secrets_digest {
        annotations.insert(labels::SECRETS_DIGEST.to_owned(), digest.clone());
    }
    ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }
}
