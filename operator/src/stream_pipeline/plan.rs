//! [`Plan`]: from the decision and what was seen, what is written now. Pure.
//!
//! | decision | what is written |
//! |---|---|
//! | refuse | nothing |
//! | wait | what stays while suspended; workers are left alone |
//! | suspend | what stays while suspended; everything else goes |
//! | run, configuration not checked | the same, the configuration and its check; workers are left alone |
//! | run | everything; working shards are restarted one by one |

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::build::{Children, build_check, build_over, build_suspended};
use super::decide::{Decision, ResolvedPipeline};
use super::preflight::{self, Check};
use super::rollout::{self, Rollout, ShardState};
use super::seen::Seen;
use super::standing::Standing;
use super::validated::ValidatedPipeline;
use crate::apply::child::{Child, Owned, Policy};
use crate::problem::{Invalid, Missing};
use crate::site::Site;

/// What is written, and why.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the pipeline is up to.
    pub stage: Stage,
    /// Written in this order.
    pub wanted: Vec<Child>,
    /// Written too, if there is a slot for a restart.
    pub restart: Option<Child>,
    /// Deleted.
    pub unwanted: Vec<Owned>,
    /// Number of shards that shall run.
    pub shards: Option<u32>,
    /// Whether all pods share one node, because of the claim.
    pub single_node: bool,
}

/// What a pipeline is up to.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Its spec contradicts itself.
    Refused(Vec<Invalid>),
    /// Something is missing that it refers to.
    Waiting(Vec<Missing>),
    /// Nothing shall run.
    Suspended,
    /// Its configuration is being checked, or did not pass.
    Checking(Check),
    /// Its workers run, or are on their way.
    Running {
        /// Whether some shards still have earlier pods.
        rolling: bool,
    },
}

/// What is written now.
pub fn plan(
    decision: Decision,
    pipeline: Option<&ValidatedPipeline>,
    seen: &Seen,
    site: &Site,
    now: Timestamp,
) -> Plan {
    match decision {
        Decision::Refuse(faults) => Plan::of(Stage::Refused(faults), Vec::new()),
        Decision::Wait(missing) => {
            let stage = Stage::Waiting(explain(missing, seen));
            let base = pipeline.map(|pipeline| children(&build_suspended(pipeline, site)));
            Plan {
                shards: pipeline.map(|pipeline| pipeline.shards),
                ..Plan::of(stage, base.unwrap_or_default())
            }
        }
        Decision::Suspend(pipeline) => {
            let wanted = children(&build_suspended(&pipeline, site));
            let unwanted = unwanted(seen, &names(&wanted), &BTreeSet::new());
            Plan { unwanted, shards: Some(0), ..Plan::of(Stage::Suspended, wanted) }
        }
        Decision::Run(resolved) => {
            Plan { single_node: resolved.single_node, ..plan_run(&resolved, seen, site, now) }
        }
    }
}

impl Plan {
    /// Whether some shards still have earlier pods.
    pub fn is_rolling(&self) -> bool {
        self.stage == Stage::Running { rolling: true }
    }

    fn of(stage: Stage, wanted: Vec<Child>) -> Self {
        Self { stage, wanted, restart: None, unwanted: Vec::new(), shards: None, single_node: false }
    }
}

/// Strimzi's own state says more than that a listener is not there.
fn explain(mut missing: Vec<Missing>, seen: &Seen) -> Vec<Missing> {
    let Some(trouble) = &seen.strimzi_trouble else { return missing };
    missing.retain(|missing| missing.field != trouble.field);
    missing.insert(0, trouble.clone());
    missing
}

fn plan_run(resolved: &ResolvedPipeline, seen: &Seen, site: &Site, now: Timestamp) -> Plan {
    let mut standing = seen.standing();
    let config_map = config_map_name(&build_over(resolved, &standing, site));
    let check = check_of(resolved, &config_map, &standing, seen, site);
    if check == Check::Passed {
        standing.checked.insert(config_map.clone());
    }
    let all = build_over(resolved, &standing, site);
    let plan = if check == Check::Passed {
        plan_workers(&all, seen, &standing)
    } else {
        plan_check(resolved, &all, check, seen, site, now)
    };
    Plan { shards: Some(resolved.pipeline.shards), ..plan }
}

/// A configuration needs no check if one has passed, or if a worker runs it already.
fn check_of(
    resolved: &ResolvedPipeline,
    config_map: &str,
    standing: &Standing,
    seen: &Seen,
    site: &Site,
) -> Check {
    let runs_already = seen.deployments.values().any(|deployment| uses(pod_of(deployment), config_map));
    if standing.checked.contains(config_map) || runs_already {
        return Check::Passed;
    }
    let job = build_check(resolved, config_map, site);
    preflight::judge(seen.checks.get(job.metadata.name.as_deref().unwrap_or_default()))
}

fn plan_workers(all: &Children, seen: &Seen, standing: &Standing) -> Plan {
    let Rollout { apply, restart, waiting } = rollout::next(&shard_states(all, seen, standing));
    let mut wanted = children(&Children { deployments: Vec::new(), ..all.clone() });
    let mut desired = names(&wanted);
    let mut restarted = None;
    for (shard, deployment) in (0..).zip(&all.deployments) {
        let child = Child::of(deployment, Policy::Keep);
        desired.insert(key(&child));
        if apply.contains(&shard) {
            wanted.push(child);
        } else if restart == Some(shard) {
            restarted = Some(child);
        }
    }
    let used = used_config_maps(seen);
    let stage = Stage::Running { rolling: restart.is_some() || !waiting.is_empty() };
    Plan { restart: restarted, unwanted: unwanted(seen, &desired, &used), ..Plan::of(stage, wanted) }
}

fn plan_check(
    resolved: &ResolvedPipeline,
    all: &Children,
    check: Check,
    seen: &Seen,
    site: &Site,
    now: Timestamp,
) -> Plan {
    let mut wanted = children(&Children { deployments: Vec::new(), ..all.clone() });
    if !check.is_to_be_repeated(now) {
        wanted.push(Child::of(&build_check(resolved, &config_map_name(all), site), Policy::CreateOnly));
    }
    let mut unwanted = unwanted(seen, &names(&wanted), &used_config_maps(seen));
    // Workers of an earlier configuration go on until this one has passed.
    unwanted.retain(|owned| !owned.is_a::<Deployment>());
    Plan { unwanted, ..Plan::of(Stage::Checking(check), wanted) }
}

fn shard_states(all: &Children, seen: &Seen, standing: &Standing) -> BTreeMap<u32, ShardState> {
    let state = |(shard, deployment): (u32, &Deployment)| {
        let annotations = deployment.metadata.annotations.as_ref();
        let fingerprint = annotations.and_then(|annotations| annotations.get(crate::labels::TEMPLATE));
        let ready = seen.deployments.get(&shard).is_some_and(|deployment| rollout::is_ready(deployment));
        let state = match standing.templates.get(&shard) {
            // A Deployment whose annotations somebody removed is put right like any other drift.
            None => ShardState::Absent,
            Some(template) if Some(&template.fingerprint) == fingerprint => ShardState::Current { ready },
            Some(_) => ShardState::Outdated { ready },
        };
        (shard, state)
    };
    (0..).zip(&all.deployments).map(state).collect()
}

/// Children that nobody wants any more. ConfigMaps stay for as long as a pod may need them.
fn unwanted(
    seen: &Seen,
    desired: &BTreeSet<(String, String)>,
    used_config_maps: &BTreeSet<String>,
) -> Vec<Owned> {
    let is_unwanted = |owned: &&Owned| {
        let is_used = owned.resource.kind == "ConfigMap" && used_config_maps.contains(owned.name());
        !is_used && !desired.contains(&(owned.resource.kind.clone(), owned.name().to_owned()))
    };
    seen.children.iter().filter(is_unwanted).cloned().collect()
}

fn used_config_maps(seen: &Seen) -> BTreeSet<String> {
    let check_pods = seen.checks.values().flat_map(|check| &check.pods);
    let pods = seen.pods.iter().chain(check_pods).filter_map(|pod: &std::sync::Arc<Pod>| pod.spec.as_ref());
    let templates = seen.deployments.values().filter_map(|deployment| pod_of(deployment));
    pods.chain(templates).flat_map(config_maps_of).collect()
}

fn pod_of(deployment: &Deployment) -> Option<&PodSpec> {
    deployment.spec.as_ref()?.template.spec.as_ref()
}

fn uses(pod: Option<&PodSpec>, config_map: &str) -> bool {
    pod.is_some_and(|pod| config_maps_of(pod).any(|name| name == config_map))
}

fn config_maps_of(pod: &PodSpec) -> impl Iterator<Item = String> + '_ {
    let volumes = pod.volumes.iter().flatten();
    volumes.filter_map(|volume| volume.config_map.as_ref().map(|config_map| config_map.name.clone()))
}

/// The children in the order in which they are applied.
fn children(all: &Children) -> Vec<Child> {
    let mut children: Vec<Child> =
        all.service_account.iter().map(|object| Child::of(object, Policy::Keep)).collect();
    children.extend(all.config_map.iter().map(|object| Child::of(object, Policy::Keep)));
    children.push(Child::of(&all.service, Policy::Keep));
    children.push(Child::of(&all.pod_disruption_budget, Policy::Keep));
    children.push(Child::of(&all.network_policy, Policy::Keep));
    children.extend(all.deployments.iter().map(|object| Child::of(object, Policy::Keep)));
    children
}

fn names(children: &[Child]) -> BTreeSet<(String, String)> {
    children.iter().map(key).collect()
}

fn key(child: &Child) -> (String, String) {
    (child.resource.kind.clone(), child.name.clone())
}

fn config_map_name(children: &Children) -> String {
    children.config_map.as_ref().and_then(|map| map.metadata.name.clone()).unwrap_or_default()
}
