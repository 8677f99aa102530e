//! [`Context`]: what every pass of every resource shares.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store;
use sluice_crds::StreamPipeline;

use crate::apply::memory::AppliedMemory;
use crate::controller::Guarded;
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::reports::Reporters;
use crate::restarts::Restarts;
use crate::site::Site;
use crate::watched::Watched;

/// What every pass of every resource shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where things are.
    pub site: Site,
    /// All pipelines.
    pub pipelines: Store<Guarded<StreamPipeline>>,
    /// What has been made, by its metadata.
    pub watched: Watched,
    /// What was applied last.
    pub applied: AppliedMemory,
    /// Who may restart workers.
    pub restarts: std::sync::Arc<Restarts>,
    /// Asks workers for their reports.
    pub reporters: Reporters,
    /// Publishes events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Metrics,
    /// Deployments, as last read.
    pub deployments: Mirror<Deployment>,
    /// Pods of workers, as last read.
    pub pods: Mirror<Pod>,
    /// Checks and replays, as last read.
    pub jobs: Mirror<Job>,
    /// Their pods, as last read.
    pub job_pods: Mirror<Pod>,
    /// CronJobs that maintain tables, as last read.
    pub upkeep: Mirror<CronJob>,
    /// What is remembered of earlier passes.
    pub passes: Passes,
}

impl Context {
    /// Forgets a resource (`kind/namespace/name`) that is gone.
    pub fn forget(&self, resource: &str) {
        self.applied.forget(resource);
        self.deployments.forget(resource);
        self.pods.forget(resource);
        self.jobs.forget(resource);
        self.job_pods.forget(resource);
        self.upkeep.forget(resource);
        self.passes.forget(resource);
    }
}

/// What is remembered of earlier passes, by resource. Losing it does no harm.
#[derive(Debug, Default)]
pub struct Passes {
    memories: Mutex<HashMap<String, Memory>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    failures: u32,
    numbers_written: Option<Timestamp>,
}

impl Passes {
    /// When fast numbers were last written.
    pub fn numbers_written(&self, resource: &str) -> Option<Timestamp> {
        self.with(resource, |memory| memory.numbers_written)
    }

    /// Fast numbers are written now.
    pub fn write_numbers(&self, resource: &str, now: Timestamp) {
        self.with(resource, |memory| memory.numbers_written = Some(now));
    }

    /// Counts a failure; how many there were in a row.
    pub fn fail(&self, resource: &str) -> u32 {
        self.with(resource, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        })
    }

    /// A pass went well.
    pub fn succeed(&self, resource: &str) {
        self.with(resource, |memory| memory.failures = 0);
    }

    fn forget(&self, resource: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }

    fn with<T>(&self, resource: &str, act: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        act(memories.entry(resource.to_owned()).or_default())
    }
}
