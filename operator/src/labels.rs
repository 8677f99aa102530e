//! The labels of everything that the operator makes.
//!
//! Labels of the resource are never copied: those of Argo CD, Flux, Kustomize or Helm would make these tools
//! take our children for theirs, and prune them. Nothing here is `app.kubernetes.io/instance`, by which
//! Argo CD tracks what it owns.

use std::collections::BTreeMap;

use crate::sharded_job::{JobBase, JobKind};

/// Prefix of our own labels and annotations.
pub const PREFIX: &str = "sluice.dev/";
/// Name of the pipeline, on what is made for it.
pub const PIPELINE: &str = "sluice.dev/pipeline";
/// Name of the scorer, on what is made for it.
pub const SCORER: &str = "sluice.dev/scorer";
/// What a worker does: `ingest` or `score`.
pub const ROLE: &str = "sluice.dev/role";
/// Number of the worker's shard.
pub const SHARD: &str = "sluice.dev/shard";
/// Name of the replay, on its Job.
pub const REPLAY: &str = "sluice.dev/replay";
/// The claim that a pod mounts; pods of one claim attract each other where it has one node only.
pub const CLAIM: &str = "sluice.dev/claim";
/// Annotation: digest of the secret material that a pod uses, so that it restarts when that changes.
pub const SECRETS_DIGEST: &str = "sluice.dev/secrets-digest";
/// Annotation: revision of the configuration that a pod runs.
pub const CONFIGURATION: &str = "sluice.dev/configuration";

/// Annotation of a Deployment: digest of its pod template without the revision.
pub const TEMPLATE: &str = "sluice.dev/template";
/// Annotation of a Deployment: the revision that its pods write under; it rises with each new template.
pub const REVISION: &str = "sluice.dev/revision";
/// Annotation of a ConfigMap: `sluice-worker check` found nothing wrong with it.
pub const CHECKED: &str = "sluice.dev/checked";
/// Annotation of the ConfigMap that workers read again: digest over its content and the configuration with
/// which a check has passed it.
pub const CANDIDATE: &str = "sluice.dev/candidate";
/// Annotation of a resource: `"true"` makes the operator keep its hands off.
pub const PAUSED: &str = "sluice.dev/paused";

/// Kubernetes' recommended label for who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Who that is.
pub const OPERATOR: &str = "sluice-operator";
/// Kubernetes' recommended label for the whole that an object is part of.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Kubernetes' recommended label for what an object is.
pub const NAME: &str = "app.kubernetes.io/name";

/// Labels of an object made for a job.
pub fn of_job(base: &JobBase) -> BTreeMap<String, String> {
    let whose = (base.kind.label, base.name.as_str());
    owned_map([(MANAGED_BY, OPERATOR), (NAME, "sluice-worker"), (PART_OF, "sluice"), whose])
}

/// Selects the pods of one role of a job.
pub fn selector(base: &JobBase, role: &str) -> BTreeMap<String, String> {
    selector_of(base.kind, &base.name, role)
}

/// Selects the pods of one role of a job, by the name of its resource.
pub fn selector_of(kind: &JobKind, name: &str, role: &str) -> BTreeMap<String, String> {
    owned_map([(kind.label, name), (ROLE, role)])
}

/// A map with owned keys and values.
pub(crate) fn owned_map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
