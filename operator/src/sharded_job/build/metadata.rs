//! The metadata of a job's children: name, namespace, labels, owner.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::labels;
use crate::sharded_job::job::JobBase;

/// Metadata of an object made for a job. It goes when the resource goes.
pub(super) fn build_metadata(base: &JobBase, name: String) -> ObjectMeta {
    let owner = base.uid.as_ref().map(|uid| OwnerReference {
        api_version: format!("{}/{}", sluice_crds::GROUP, sluice_crds::VERSION),
        kind: base.kind.kind.to_owned(),
        name: base.name.clone(),
        uid: uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    ObjectMeta {
        name: Some(name),
        namespace: Some(base.namespace.clone()),
        labels: Some(labels::of_job(base)),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
