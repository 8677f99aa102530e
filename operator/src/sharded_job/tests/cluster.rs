//! A cluster that does what is planned, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::core::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::apply::child::{Child, Owned};
use crate::sharded_job::plan::{Intent, Plan, plan};
use crate::sharded_job::seen::{JobSeen, Seen};
use crate::site::Site;

/// A cluster that does what is planned, at once.
pub(crate) struct Cluster {
    /// What a pass sees of it.
    pub(crate) seen: Seen,
    /// What was applied, by name.
    pub(crate) documents: BTreeMap<String, DynamicObject>,
    /// Its clock.
    pub(crate) now: Timestamp,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { seen: Seen::default(), documents: BTreeMap::new(), now: Timestamp::UNIX_EPOCH }
    }
}

impl Cluster {
    /// What is planned here for an intent.
    pub(crate) fn plan(&self, intent: Intent, site: &Site) -> Plan {
        plan(intent, &self.seen, site, self.now)
    }

    /// Does what is planned, restarts included. Pods of touched Deployments are ready or not.
    pub(crate) fn apply(&mut self, plan: &Plan, ready: bool) {
        for owned in &plan.unwanted {
            self.seen.children.retain(|child| key(child) != key(owned));
            self.seen.jobs.remove(owned.name());
            self.documents.remove(owned.name());
            if owned.is_a::<Deployment>() {
                self.seen
                    .deployments
                    .retain(|_, deployment| deployment.metadata.name.as_deref() != Some(owned.name()));
            }
        }
        for child in plan.wanted.iter().chain(&plan.restart) {
            self.apply_one(child, ready);
        }
    }

    fn apply_one(&mut self, child: &Child, ready: bool) {
        let owned = Owned { resource: child.resource.clone(), metadata: child.document.metadata.clone() };
        self.seen.children.retain(|other| key(other) != key(&owned));
        self.documents.insert(child.name.clone(), child.document.clone());
        match child.resource.kind.as_str() {
            "Job" => {
                let check = JobSeen { job: Arc::new(typed(child)), ..JobSeen::default() };
                self.seen.jobs.insert(child.name.clone(), check);
            }
            "CronJob" => self.seen.upkeep = Some(Arc::new(typed(child))),
            "Deployment" => {
                let mut deployment: Deployment = typed(child);
                let ready = i32::from(ready);
                let status = json!({"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready});
                deployment.status = serde_json::from_value(status).ok();
                let shard = owned.label("sluice.dev/shard").and_then(|shard| shard.parse().ok());
                self.seen.deployments.insert(shard.expect("a shard"), Arc::new(deployment));
            }
            _ => {}
        }
        self.seen.children.push(owned);
    }

    /// Every Job that was started ends.
    pub(crate) fn end_jobs(&mut self, type_: &str) {
        let names: Vec<String> = self.seen.jobs.keys().cloned().collect();
        for name in names {
            self.end_job(&name, type_);
        }
    }

    /// A Job ends.
    pub(crate) fn end_job(&mut self, name: &str, type_: &str) {
        let seen = self.seen.jobs.get_mut(name).expect("it was started");
        Arc::make_mut(&mut seen.job).status = serde_json::from_value(json!({"conditions": [
            {"type": type_, "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z"}
        ]}))
        .ok();
    }
}

fn typed<K: DeserializeOwned>(child: &Child) -> K {
    let value = serde_json::to_value(&child.document).expect("string keys");
    serde_json::from_value(value).expect("an object of its kind")
}

fn key(owned: &Owned) -> (String, String) {
    (owned.resource.kind.clone(), owned.name().to_owned())
}
