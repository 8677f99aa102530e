//! The documents of a scorer's workers: the configuration that they start with, and the rules that they read
//! again. Pure.

use serde_json::json;
use sluice_contract::config::{Bronze, WorkerConfig};
use sluice_contract::scorer::{SCORER_FORMAT_VERSION, ScorerConfig};

use super::decide::ResolvedScorer;
use super::validated::ValidatedScorer;
use crate::digest;
use crate::site::Site;
use crate::stream_pipeline::ValidatedPipeline;
use crate::stream_pipeline::worker_config::{silver_revision, worker_config};

/// The configuration that all shards of a scorer start with, for workers that find their own ConfigMap's files
/// in `config_directory`.
pub fn scorer_config(resolved: &ResolvedScorer, config_directory: &str, site: &Site) -> ScorerConfig {
    let scorer = &resolved.scorer;
    ScorerConfig {
        format_version: SCORER_FORMAT_VERSION,
        name: scorer.name.clone(),
        revision: revision(scorer, &resolved.pipeline.pipeline),
        shards: scorer.shards,
        start_from: scorer.start_from,
        commit: scorer.commit,
        table: scorer.table.clone(),
        velocity: scorer.velocity.clone(),
        label: scorer.label.clone(),
        alerts: scorer.alerts.clone(),
        pipeline: pipeline_part(resolved, config_directory, site),
    }
}

/// The pipeline as far as scoring depends on it: a change of its other parts restarts no scorer.
fn pipeline_part(resolved: &ResolvedScorer, config_directory: &str, site: &Site) -> WorkerConfig {
    WorkerConfig {
        revision: silver_revision(&resolved.pipeline.pipeline),
        shards: 1,
        commit: resolved.scorer.commit,
        bronze: Bronze::default(),
        gold: Vec::new(),
        ..worker_config(&resolved.pipeline, config_directory, site)
    }
}

/// A hash over everything that decides which rows come out, rules aside, and over nothing else.
pub fn revision(scorer: &ValidatedScorer, pipeline: &ValidatedPipeline) -> String {
    let deciding = json!({
        "pipeline": silver_revision(pipeline),
        "table": scorer.table,
        "velocity": scorer.velocity,
        "label": scorer.label,
    });
    digest::of_text(&deciding.to_string(), 16)
}
