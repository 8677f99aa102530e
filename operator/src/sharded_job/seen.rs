//! [`Seen`]: everything that one pass has read of a job. Nothing later in the pass reads anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use sluice_contract::report::Report;
use sluice_crds::replay::ReplayStatus;

use super::kind::JobKind;
use super::plan::Stage;
use super::standing::{Standing, Template};
use super::{names, replay};
use crate::apply::child::Owned;
use crate::labels;

/// Everything that one pass has read of a job.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The children that exist, whoever they serve now.
    pub children: Vec<Owned>,
    /// The Deployments, by shard.
    pub deployments: BTreeMap<u32, Arc<Deployment>>,
    /// The pods of workers.
    pub pods: Vec<Arc<Pod>>,
    /// The Jobs that were started, checks and a replay, by name.
    pub jobs: BTreeMap<String, JobSeen>,
    /// The CronJob that maintains the tables.
    pub upkeep: Option<Arc<CronJob>>,
    /// What each worker says, by pod; or why it says nothing.
    pub reports: BTreeMap<String, Result<Report, String>>,
    /// What the status has said of the newest replay so far.
    pub replayed: Option<ReplayStatus>,
}

/// A Job that was started.
#[derive(Clone, Debug, Default)]
pub struct JobSeen {
    /// The Job.
    pub job: Arc<Job>,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
    /// What the API server said when it refused the pod.
    pub refusal: Option<String>,
}

impl Seen {
    /// What is to be said of the replay that the spec of a resource asks for by this name.
    pub fn replay(
        &self,
        kind: &JobKind,
        name: &str,
        asked: Option<&str>,
        stage: &Stage,
        now: Timestamp,
    ) -> Option<ReplayStatus> {
        let told = self.replayed.as_ref();
        let meant = asked.or(told.map(|told| told.name.as_str()));
        let job = meant.and_then(|meant| self.jobs.get(&names::replay(kind, name, meant)));
        replay::status(asked, told, job, stage, now)
    }

    /// What earlier passes made and this one must keep.
    pub fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for owned in &self.children {
            standing.templates.extend(template(owned));
            if owned.resource.kind == "ConfigMap" && owned.annotation(labels::CHECKED).is_some() {
                standing.checked.insert(owned.name().to_owned());
            }
            if let Some(candidate) = owned.annotation(labels::CANDIDATE) {
                standing.candidate = Some(candidate.to_owned());
            }
        }
        standing
    }
}

fn template(owned: &Owned) -> Option<(u32, Template)> {
    if owned.resource.kind != "Deployment" {
        return None;
    }
    let shard = owned.label(labels::SHARD)?.parse().ok()?;
    let revision = owned.annotation(labels::REVISION)?.parse().ok()?;
    let fingerprint = owned.annotation(labels::TEMPLATE)?.to_owned();
    Some((shard, Template { fingerprint, revision }))
}
