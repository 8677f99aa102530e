//! [`Plan`]: from what a kind intends and what was seen, what is written now. Pure.
//!
//! | intent | what is written |
//! |---|---|
//! | refuse | nothing |
//! | wait | what stays while nothing runs; workers are left alone |
//! | suspend | what stays while nothing runs; everything else goes |
//! | run, documents not checked | the same, the documents and their check; workers are left alone |
//! | run | everything; working shards are restarted one by one, and a replay starts after them |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::build::{
    Children, Documents, ReplayChildren, build_check, build_idle, build_over, candidate_digest,
    documents_of_check,
};
use super::ending::has_ended;
use super::job::{JobBase, ShardedJob};
use super::preflight::{self, Check};
use super::replay;
use super::rollout::{self, Rollout, ShardState};
use super::seen::Seen;
use super::standing::Standing;
use crate::apply::child::{Child, Owned, Policy};
use crate::labels;
use crate::problem::{Invalid, Missing};
use crate::site::Site;

/// What a kind has decided about its job.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// All shards run.
    Run(Box<ShardedJob>),
    /// Nothing runs; the lake stays.
    Suspend(Box<JobBase>, Suspension),
    /// Nothing changes until what is missing appears; `None` where not even the base is known.
    Wait(Option<Box<JobBase>>, Vec<Missing>),
    /// Nothing changes until the resource does.
    Refuse(Vec<Invalid>),
}

/// Who has stopped a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// Its own spec.
    Asked,
    /// That of the pipeline of this name, on which it depends.
    Pipeline(String),
}

impl fmt::Display for Suspension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => formatter.write_str("stopped by spec.suspend; the lake stays"),
            Self::Pipeline(name) => {
                write!(formatter, "stopped by spec.suspend of StreamPipeline '{name}'; it goes on with it")
            }
        }
    }
}

/// What is written, and why.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the job is up to.
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

/// What a job is up to.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The spec contradicts itself.
    Refused(Vec<Invalid>),
    /// Something is missing that it refers to.
    Waiting(Vec<Missing>),
    /// Nothing shall run.
    Suspended(Suspension),
    /// What its workers shall read is being checked, or did not pass.
    Checking(Check),
    /// Its workers run, or are on their way.
    Running {
        /// Whether some shards still have earlier pods.
        rolling: bool,
    },
}

/// What is written now.
pub fn plan(intent: Intent, seen: &Seen, site: &Site, now: Timestamp) -> Plan {
    match intent {
        Intent::Refuse(faults) => Plan::of(Stage::Refused(faults), Vec::new()),
        Intent::Wait(base, missing) => {
            let wanted = base.as_ref().map(|base| children(&build_idle(base, site))).unwrap_or_default();
            let shards = base.map(|base| base.shards);
            Plan { shards, ..Plan::of(Stage::Waiting(missing), wanted) }
        }
        Intent::Suspend(base, suspension) => {
            let wanted = children(&build_idle(&base, site));
            let unwanted = unwanted(seen, &names(&wanted), &BTreeSet::new());
            Plan { unwanted, shards: Some(0), ..Plan::of(Stage::Suspended(suspension), wanted) }
        }
        Intent::Run(job) => Plan { single_node: job.single_node, ..plan_run(&job, seen, site, now) },
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

fn plan_run(job: &ShardedJob, seen: &Seen, site: &Site, now: Timestamp) -> Plan {
    let mut standing = seen.standing();
    let documents = documents_of_check(job);
    let check = check_of(job, &documents, &standing, seen, site);
    if check == Check::Passed {
        standing.checked.insert(documents.judged().to_owned());
    }
    let all = build_over(job, &standing, site);
    let plan = if check == Check::Passed {
        plan_workers(job, &all, seen, &standing)
    } else {
        plan_check(job, &all, check, seen, site, now)
    };
    Plan { shards: Some(job.base.shards), ..plan }
}

/// Documents need no check if one has passed, or if a worker runs on them already.
fn check_of(job: &ShardedJob, documents: &Documents, standing: &Standing, seen: &Seen, site: &Site) -> Check {
    let configuration = &documents.configuration;
    let is_used = seen.deployments.values().any(|deployment| uses(pod_of(deployment), configuration));
    let is_hot = job.hot.as_ref().map(|hot| candidate_digest(job, hot)) == standing.candidate;
    if standing.checked.contains(documents.judged()) || (is_used && is_hot) {
        return Check::Passed;
    }
    let check = build_check(job, documents, site);
    preflight::judge(seen.jobs.get(check.metadata.name.as_deref().unwrap_or_default()))
}

fn plan_workers(job: &ShardedJob, all: &Children, seen: &Seen, standing: &Standing) -> Plan {
    let states = shard_states(all, seen, standing);
    let Rollout { apply, restart, waiting } = rollout::next(&states);
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
    let is_settled = states.values().all(|state| *state == ShardState::Current { ready: true });
    if let (Some(replay), Some(built)) = (&job.replay, &all.replay) {
        let children = replay_children(built);
        desired.extend(names(&children));
        if is_settled && !replay::has_ended(&replay.name, seen.replayed.as_ref()) {
            wanted.extend(children);
        }
    }
    let used = used_config_maps(seen);
    let stage = Stage::Running { rolling: restart.is_some() || !waiting.is_empty() };
    Plan { restart: restarted, unwanted: unwanted(seen, &desired, &used), ..Plan::of(stage, wanted) }
}

fn plan_check(
    job: &ShardedJob,
    all: &Children,
    check: Check,
    seen: &Seen,
    site: &Site,
    now: Timestamp,
) -> Plan {
    let mut wanted =
        children(&Children { hot: None, cron_job: None, deployments: Vec::new(), ..all.clone() });
    if !check.is_to_be_repeated(now) {
        wanted.push(Child::of(&build_check(job, &documents_of_check(job), site), Policy::CreateOnly));
    }
    let mut desired = names(&wanted);
    desired.extend(all.replay.iter().flat_map(|built| names(&replay_children(built))));
    let mut unwanted = unwanted(seen, &desired, &used_config_maps(seen));
    // Workers of an earlier configuration go on until this one has passed, and so do their upkeep and replay.
    unwanted.retain(|owned| !owned.is_a::<Deployment>() && !owned.is_a::<CronJob>());
    Plan { unwanted, ..Plan::of(Stage::Checking(check), wanted) }
}

/// What a replay needs, its Job last.
fn replay_children(built: &ReplayChildren) -> Vec<Child> {
    let ReplayChildren { network, job } = built;
    let network = network.iter().flat_map(|(service, network_policy)| {
        [Child::of(service, Policy::Keep), Child::of(network_policy, Policy::Keep)]
    });
    // A Job cannot be changed.
    network.chain([Child::of(job, Policy::CreateOnly)]).collect()
}

fn shard_states(all: &Children, seen: &Seen, standing: &Standing) -> BTreeMap<u32, ShardState> {
    let state = |(shard, deployment): (u32, &Deployment)| {
        let annotations = deployment.metadata.annotations.as_ref();
        let fingerprint = annotations.and_then(|annotations| annotations.get(labels::TEMPLATE));
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
    let pods = seen.pods.iter().filter_map(|pod: &Arc<Pod>| pod.spec.as_ref());
    // One that has ended reads nothing any more, even where its pods are still there.
    let jobs = seen.jobs.values().map(|seen| &seen.job).filter(|job| !has_ended(job));
    let jobs = jobs.filter_map(|job| job.spec.as_ref()?.template.spec.as_ref());
    let templates = seen.deployments.values().filter_map(|deployment| pod_of(deployment));
    let upkeep = seen.upkeep.as_ref().and_then(|upkeep| pod_of_upkeep(upkeep));
    pods.chain(jobs).chain(templates).chain(upkeep).flat_map(config_maps_of).collect()
}

fn pod_of(deployment: &Deployment) -> Option<&PodSpec> {
    deployment.spec.as_ref()?.template.spec.as_ref()
}

fn pod_of_upkeep(upkeep: &CronJob) -> Option<&PodSpec> {
    upkeep.spec.as_ref()?.job_template.spec.as_ref()?.template.spec.as_ref()
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
    let config_maps = [&all.config_map, &all.candidate, &all.hot].into_iter().flatten();
    children.extend(config_maps.map(|object| Child::of(object, Policy::Keep)));
    children.push(Child::of(&all.service, Policy::Keep));
    children.push(Child::of(&all.pod_disruption_budget, Policy::Keep));
    children.push(Child::of(&all.network_policy, Policy::Keep));
    children.extend(all.cron_job.iter().map(|object| Child::of(object, Policy::Keep)));
    children.extend(all.deployments.iter().map(|object| Child::of(object, Policy::Keep)));
    children
}

fn names(children: &[Child]) -> BTreeSet<(String, String)> {
    children.iter().map(key).collect()
}

fn key(child: &Child) -> (String, String) {
    (child.resource.kind.clone(), child.name.clone())
}
