//! The metadata of a pipeline's children: name, namespace, labels, owner.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::labels;
use crate::stream_pipeline::validated::ValidatedPipeline;

/// Metadata of an object made for a pipeline. It goes when the pipeline goes.
pub(super) fn build_metadata(pipeline: &ValidatedPipeline, name: String) -> ObjectMeta {
    let owner = pipeline.uid.as_ref().map(|uid| OwnerReference {
        api_version: format!("{}/{}", sluice_crds::GROUP, sluice_crds::VERSION),
        kind: "StreamPipeline".to_owned(),
        name: pipeline.name.clone(),
        uid: uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    ObjectMeta {
        name: Some(name),
        namespace: Some(pipeline.namespace.clone()),
        labels: Some(labels::of_pipeline(&pipeline.name)),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
