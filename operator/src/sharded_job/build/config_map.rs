//! The ConfigMaps that hold what workers read.
//!
//! The configuration is immutable and named by its content: a change makes a new one and with it new pods, and
//! a pod that restarts meanwhile still finds the configuration that it started with.
//!
//! A document that workers read again while they work is in a ConfigMap of one name, whose content changes
//! under running pods. Only what a check has passed gets there: the check reads a candidate, which is
//! immutable and named by a digest over it and the configuration that it goes with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata::build_metadata;
use super::pod::Documents;
use crate::sharded_job::job::{HotDocument, ShardedJob};
use crate::sharded_job::names;
use crate::sharded_job::standing::Standing;
use crate::{digest, labels};

/// The configuration.
pub(super) fn build_config_map(job: &ShardedJob, standing: &Standing) -> ConfigMap {
    let base = &job.base;
    let name = names::config_map(base.kind, &base.name, &configuration_digest(job));
    let is_checked = standing.checked.contains(&name);
    let mut metadata = build_metadata(base, name);
    metadata.annotations = is_checked.then(|| labels::owned_map([(labels::CHECKED, "true")]));
    ConfigMap { metadata, data: Some(job.documents.clone()), immutable: Some(true), ..ConfigMap::default() }
}

/// A document for its check.
pub(super) fn build_candidate(job: &ShardedJob, hot: &HotDocument, standing: &Standing) -> ConfigMap {
    let base = &job.base;
    let name = names::candidate(base.kind, &base.name, hot.name, &candidate_digest(job, hot));
    let is_checked = standing.checked.contains(&name);
    let mut metadata = build_metadata(base, name);
    metadata.annotations = is_checked.then(|| labels::owned_map([(labels::CHECKED, "true")]));
    ConfigMap { metadata, data: Some(data_of(hot)), immutable: Some(true), ..ConfigMap::default() }
}

/// A document that workers read again while they work.
pub(super) fn build_hot(job: &ShardedJob, hot: &HotDocument) -> ConfigMap {
    let base = &job.base;
    let mut metadata = build_metadata(base, names::hot(base.kind, &base.name, hot.name));
    let candidate = candidate_digest(job, hot);
    metadata.annotations = Some(labels::owned_map([(labels::CANDIDATE, candidate.as_str())]));
    ConfigMap { metadata, data: Some(data_of(hot)), ..ConfigMap::default() }
}

/// The ConfigMaps that the pods of workers mount.
pub(super) fn documents_of_workers(job: &ShardedJob) -> Documents {
    let base = &job.base;
    let configuration = names::config_map(base.kind, &base.name, &configuration_digest(job));
    let hot = job.hot.as_ref().map(|hot| names::hot(base.kind, &base.name, hot.name));
    Documents { configuration, hot }
}

/// The ConfigMaps that the pod of a check mounts.
pub fn documents_of_check(job: &ShardedJob) -> Documents {
    let base = &job.base;
    let candidate =
        |hot: &HotDocument| names::candidate(base.kind, &base.name, hot.name, &candidate_digest(job, hot));
    Documents { hot: job.hot.as_ref().map(candidate), ..documents_of_workers(job) }
}

/// Digest over a document and the configuration that it goes with.
pub(crate) fn candidate_digest(job: &ShardedJob, hot: &HotDocument) -> String {
    digest::of_text(&format!("{}\n{}\n{}", configuration_digest(job), hot.name, hot.text), 16)
}

fn configuration_digest(job: &ShardedJob) -> String {
    let content: Vec<String> = job.documents.iter().map(|(key, text)| format!("{key}\n{text}")).collect();
    digest::of_text(&content.join("\n"), 16)
}

fn data_of(hot: &HotDocument) -> BTreeMap<String, String> {
    BTreeMap::from([(hot.key(), hot.text.clone())])
}
