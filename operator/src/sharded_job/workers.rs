//! [`Shard`]: what is known of each worker, from its Deployment, its pod and its report. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use sluice_contract::report::Report;

use super::rollout;
use super::seen::Seen;
use crate::labels;
use crate::pod_trouble::{self, Trouble};

/// What is known of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// Whether its worker is ready.
    pub is_ready: bool,
    /// Number of its pods.
    pub pods: i32,
    /// What keeps its pod from running.
    pub trouble: Option<Trouble>,
    /// What its worker says.
    pub report: Option<Report>,
    /// Why its worker says nothing, though it is ready.
    pub silence: Option<String>,
    /// Revision of the configuration that its pods run.
    pub configuration: Option<String>,
}

/// All workers of a job, by shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workers {
    /// What is known of each.
    pub shards: BTreeMap<u32, Shard>,
}

impl Workers {
    /// What was seen of the workers.
    pub fn of(seen: &Seen) -> Self {
        let mut workers = Self::default();
        for (&number, deployment) in &seen.deployments {
            let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
            let annotations = template.and_then(|template| template.annotations.as_ref());
            let shard = workers.shards.entry(number).or_default();
            shard.is_ready = rollout::is_ready(deployment);
            shard.trouble = pod_trouble::of_deployment(deployment);
            shard.configuration =
                annotations.and_then(|annotations| annotations.get(labels::CONFIGURATION)).cloned();
        }
        for pod in &seen.pods {
            let Some(number) = shard_of(pod) else { continue };
            let shard = workers.shards.entry(number).or_default();
            shard.pods += 1;
            // A pod on its way out speaks of the past.
            if pod.metadata.deletion_timestamp.is_some() {
                continue;
            }
            shard.trouble = shard.trouble.take().or_else(|| pod_trouble::of_pod(pod));
            match seen.reports.get(pod.metadata.name.as_deref().unwrap_or_default()) {
                Some(Ok(report)) => shard.report = Some(report.clone()),
                Some(Err(silence)) => shard.silence = Some(silence.clone()),
                None => {}
            }
        }
        workers
    }

    /// Number of shards whose worker is ready, among the first so many.
    pub fn ready(&self, shards: u32) -> u32 {
        let ready = self.shards.range(..shards).filter(|(_, shard)| shard.is_ready);
        u32::try_from(ready.count()).unwrap_or(u32::MAX)
    }

    /// Number of pods.
    pub fn pods(&self) -> i32 {
        self.shards.values().map(|shard| shard.pods).sum()
    }

    /// Whether every shard that has a Deployment has a ready worker, and there is one.
    pub fn all_ready(&self) -> bool {
        !self.shards.is_empty() && self.shards.values().all(|shard| shard.is_ready)
    }

    /// What the workers say.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.shards.values().filter_map(|shard| shard.report.as_ref())
    }

    /// What keeps the first troubled pod from running.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.shards.values().find_map(|shard| shard.trouble.as_ref())
    }
}

/// The shard of a worker's pod.
pub fn shard_of(pod: &Pod) -> Option<u32> {
    pod.metadata.labels.as_ref()?.get(labels::SHARD)?.parse().ok()
}
