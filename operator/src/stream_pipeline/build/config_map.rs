//! The ConfigMap that holds the workers' configuration.
//!
//! It is immutable and named by its content: a change makes a new one and with it new pods, and a pod that
//! restarts meanwhile still finds the configuration that it started with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata::build_metadata;
use crate::site::Site;
use crate::stream_pipeline::decide::ResolvedPipeline;
use crate::stream_pipeline::names;
use crate::stream_pipeline::standing::Standing;
use crate::stream_pipeline::validated::UserName;
use crate::stream_pipeline::worker_config::{CONFIG_KEY, USERNAME_KEY, worker_config};
use crate::{digest, labels};

pub(super) fn build_config_map(resolved: &ResolvedPipeline, standing: &Standing, site: &Site) -> ConfigMap {
    let mut data = BTreeMap::new();
    data.insert(CONFIG_KEY.to_owned(), worker_config(resolved, site).to_json());
    if let Some(UserName::Known(user)) = resolved.security.sasl.as_ref().map(|sasl| &sasl.username) {
        data.insert(USERNAME_KEY.to_owned(), user.clone());
    }
    let pipeline = &resolved.pipeline;
    let content: Vec<String> = data.iter().map(|(key, text)| format!("{key}\n{text}")).collect();
    let name = names::config_map(&pipeline.name, &digest::of_text(&content.join("\n"), 16));
    let is_checked = standing.checked.contains(&name);
    let mut metadata = build_metadata(pipeline, name);
    metadata.annotations = is_checked.then(|| labels::owned_map([(labels::CHECKED, "true")]));
    ConfigMap { metadata, data: Some(data), immutable: Some(true), ..ConfigMap::default() }
}
