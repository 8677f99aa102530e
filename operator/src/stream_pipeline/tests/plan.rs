//! From a decision and what stands, what is written now.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};
use sluice_crds::replay::ReplayPhase;

use super::fixture::{changed, kubernetes, validated, world};
use crate::apply::child::{Child, Policy};
use crate::sharded_job::kind::INGEST;
use crate::sharded_job::plan::{Plan, Stage, Suspension};
use crate::sharded_job::preflight::Check;
use crate::sharded_job::tests::cluster;
use crate::stream_pipeline::job::intent;
use crate::stream_pipeline::{Observed, ValidatedPipeline, decide};

const START: Timestamp = Timestamp::UNIX_EPOCH;

/// A pipeline in a cluster.
struct Cluster {
    cluster: cluster::Cluster,
    observed: Observed,
    pipeline: ValidatedPipeline,
}

impl Cluster {
    fn new(shards: u32) -> Self {
        let pipeline = validated(&changed(&[("/spec/shards", json!(shards))]));
        let observed = Observed { deployment_revision: 100, ..world() };
        Self { cluster: cluster::Cluster::default(), observed, pipeline }
    }

    fn plan(&self) -> Plan {
        let decision = decide(Ok(self.pipeline.clone()), &self.observed, &kubernetes());
        self.cluster.plan(intent(decision, None, &kubernetes()), &kubernetes())
    }

    fn apply(&mut self, plan: &Plan, ready: bool) {
        self.cluster.apply(plan, ready);
    }

    fn end_jobs(&mut self, type_: &str) {
        self.cluster.end_jobs(type_);
    }

    /// From nothing to workers that are ready.
    fn started(shards: u32) -> Self {
        let mut cluster = Self::new(shards);
        let plan = cluster.plan();
        cluster.apply(&plan, true);
        cluster.end_jobs("Complete");
        for _ in 0..3 {
            let plan = cluster.plan();
            cluster.apply(&plan, true);
        }
        cluster
    }

    fn reconfigure(&mut self) {
        let shards = self.pipeline.shards;
        let changes = [("/spec/shards", json!(shards)), ("/spec/silver/require/0/expr", json!("amount > 1"))];
        self.pipeline = validated(&changed(&changes));
        self.observed.deployment_revision = 200;
    }
}

fn kinds(children: &[Child]) -> Vec<&str> {
    children.iter().map(|child| child.resource.kind.as_str()).collect()
}

fn count(children: &[Child], kind: &str) -> usize {
    kinds(children).into_iter().filter(|found| *found == kind).count()
}

const BASE: [&str; 5] = ["ServiceAccount", "ConfigMap", "Service", "PodDisruptionBudget", "NetworkPolicy"];

#[test]
fn a_new_pipeline_is_checked_before_it_gets_workers() {
    let mut cluster = Cluster::new(2);
    let first = cluster.plan();
    assert_eq!(first.stage, Stage::Checking(Check::Running));
    assert_eq!(kinds(&first.wanted), [&BASE[..], &["Job"]].concat());
    cluster.apply(&first, true);
    assert_eq!(kinds(&cluster.plan().wanted), [&BASE[..], &["Job"]].concat(), "while it runs");

    cluster.end_jobs("Complete");
    let passed = cluster.plan();
    assert_eq!(passed.stage, Stage::Running { rolling: false });
    assert_eq!(kinds(&passed.wanted), [&BASE[..], &["CronJob", "Deployment", "Deployment"]].concat());
    assert_eq!(passed.unwanted.iter().map(|owned| owned.resource.kind.as_str()).collect::<Vec<_>>(), ["Job"]);
    cluster.apply(&passed, true);

    let rest = cluster.plan();
    assert_eq!((rest.stage, rest.unwanted.len()), (Stage::Running { rolling: false }, 0));
}

#[test]
fn at_rest_a_plan_repeats_itself_to_the_byte() {
    let mut cluster = Cluster::started(2);
    let digests = |plan: &Plan| plan.wanted.iter().map(|child| child.digest.clone()).collect::<Vec<_>>();
    let before = cluster.plan();
    // A later pass offers a later revision; pods that do not change keep theirs.
    cluster.observed.deployment_revision = 900;
    cluster.cluster.now = START + SignedDuration::from_hours(9);
    assert_eq!(digests(&cluster.plan()), digests(&before));
}

#[test]
fn a_new_configuration_is_checked_and_then_rolls_one_shard_at_a_time() {
    let mut cluster = Cluster::started(3);
    cluster.reconfigure();
    let checking = cluster.plan();
    assert_eq!(checking.stage, Stage::Checking(Check::Running));
    assert_eq!(
        (count(&checking.wanted, "Deployment"), checking.unwanted.len()),
        (0, 0),
        "the old ones go on"
    );
    assert_eq!(count(&checking.wanted, "CronJob"), 0, "and their upkeep by the configuration that it knows");
    cluster.apply(&checking, true);
    cluster.end_jobs("Complete");

    for left in [3, 2, 1] {
        let plan = cluster.plan();
        assert_eq!(plan.stage, Stage::Running { rolling: true });
        assert_eq!(count(&plan.wanted, "Deployment"), 3 - left, "what is done");
        assert!(plan.restart.is_some());
        let old_config_map = plan.unwanted.iter().any(|owned| owned.resource.kind == "ConfigMap");
        assert!(!old_config_map, "{left} Deployments still use it");
        cluster.apply(&plan, true);
    }
    let done = cluster.plan();
    assert_eq!(done.stage, Stage::Running { rolling: false });
    assert_eq!(done.unwanted.len(), 1, "the old configuration is not used any more");
    assert!(cluster.cluster.seen.deployments.values().all(|deployment| {
        deployment.metadata.annotations.as_ref().is_some_and(|notes| notes["sluice.dev/revision"] == "200")
    }));
}

#[test]
fn a_rollout_stops_at_the_first_shard_that_does_not_recover_and_a_revert_mends_it() {
    let mut cluster = Cluster::started(2);
    let good = cluster.pipeline.clone();
    cluster.reconfigure();
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    cluster.end_jobs("Complete");
    let plan = cluster.plan();
    cluster.apply(&plan, false);
    let stuck = cluster.plan();
    assert!(stuck.restart.is_none(), "the second shard still works, and is left alone");
    cluster.pipeline = good;
    let reverted = cluster.plan();
    assert_eq!(
        count(&reverted.wanted, "Deployment"),
        2,
        "the broken shard is put back at once, without a slot"
    );
    cluster.apply(&reverted, true);
    assert_eq!(cluster.plan().stage, Stage::Running { rolling: false });
}

#[test]
fn a_check_that_fails_leaves_the_workers_alone_and_is_repeated_in_time() {
    let mut cluster = Cluster::started(1);
    cluster.reconfigure();
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    cluster.end_jobs("Failed");
    let failed = cluster.plan();
    assert!(
        matches!(failed.stage, Stage::Checking(Check::Failed { is_lasting: false, .. })),
        "{:?}",
        failed.stage
    );
    assert_eq!((count(&failed.wanted, "Job"), failed.unwanted.len()), (1, 0));

    cluster.cluster.now = START + SignedDuration::from_secs(61);
    let again = cluster.plan();
    assert_eq!(count(&again.wanted, "Job"), 0);
    assert_eq!(again.unwanted.len(), 1, "the old check goes, and the next pass starts another");
    cluster.apply(&again, true);
    let restarted = cluster.plan();
    assert_eq!(restarted.stage, Stage::Checking(Check::Running));
    assert_eq!(count(&restarted.wanted, "Job"), 1);
}

#[test]
fn a_deployment_that_is_deleted_comes_back_without_another_check() {
    let mut cluster = Cluster::started(1);
    cluster.cluster.seen.deployments.clear();
    cluster.cluster.seen.children.retain(|owned| owned.resource.kind != "Deployment");
    cluster.observed.deployment_revision = 500;
    let plan = cluster.plan();
    assert_eq!(plan.stage, Stage::Running { rolling: false });
    let deployment = plan.wanted.iter().find(|child| child.resource.kind == "Deployment").expect("wanted");
    let revision =
        &deployment.document.metadata.annotations.as_ref().expect("annotations")["sluice.dev/revision"];
    assert_eq!(revision, "500", "its worker must be able to take over from one that lingers");
}

#[test]
fn a_suspended_pipeline_loses_its_workers_and_keeps_what_its_pods_still_use() {
    let mut cluster = Cluster::started(1);
    cluster.pipeline.suspended = true;
    let plan = cluster.plan();
    assert_eq!(plan.stage, Stage::Suspended(Suspension::Asked));
    let mut unwanted: Vec<_> = plan.unwanted.iter().map(|owned| owned.resource.kind.as_str()).collect();
    unwanted.sort_unstable();
    assert_eq!(unwanted, ["ConfigMap", "CronJob", "Deployment"]);
    assert_eq!(plan.wanted.iter().filter(|child| child.policy == Policy::CreateOnly).count(), 0);
}

#[test]
fn a_missing_reference_leaves_the_workers_alone_and_mends_what_is_around_them() {
    let mut cluster = Cluster::started(1);
    cluster.observed = Observed::default();
    let plan = cluster.plan();
    assert!(matches!(plan.stage, Stage::Waiting(_)));
    assert_eq!(kinds(&plan.wanted), ["ServiceAccount", "Service", "PodDisruptionBudget", "NetworkPolicy"]);
    assert_eq!(plan.unwanted.len(), 0);
}

#[test]
fn more_shards_start_at_once_and_the_others_follow_one_by_one() {
    let mut cluster = Cluster::started(2);
    cluster.pipeline.shards = 3;
    cluster.observed.deployment_revision = 900;
    let checking = cluster.plan();
    assert_eq!(checking.stage, Stage::Checking(Check::Running));
    assert_eq!((count(&checking.wanted, "Deployment"), checking.unwanted.len()), (0, 0));
    cluster.apply(&checking, true);
    cluster.end_jobs("Complete");
    let plan = cluster.plan();
    assert_eq!(plan.stage, Stage::Running { rolling: true });
    assert_eq!((count(&plan.wanted, "Deployment"), plan.shards), (1, Some(3)));
    assert!(plan.restart.is_some_and(|child| child.name.ends_with("-stpl-ingest-0")));
}

#[test]
fn fewer_shards_lose_their_deployments_once_the_configuration_is_checked() {
    let mut cluster = Cluster::started(2);
    cluster.pipeline.shards = 1;
    let checking = cluster.plan();
    assert!(checking.unwanted.iter().all(|owned| owned.resource.kind != "Deployment"));
    cluster.apply(&checking, true);
    cluster.end_jobs("Complete");
    let plan = cluster.plan();
    let gone: Vec<_> = plan.unwanted.iter().filter(|owned| owned.resource.kind == "Deployment").collect();
    assert!(matches!(gone[..], [gone] if gone.name().ends_with("-stpl-ingest-1")), "{gone:?}");
}

/// Asks for a replay of this name.
fn ask_for_replay(cluster: &mut Cluster, name: Option<&str>) {
    let replay =
        name.map_or(Value::Null, |name| json!({"name": name, "tables": ["silver", "gold"], "from": "0:15"}));
    let shards = cluster.pipeline.shards;
    cluster.pipeline = validated(&changed(&[("/spec/shards", json!(shards)), ("/spec/replay", replay)]));
}

fn replays(children: &[Child]) -> Vec<&Child> {
    let is_replay = |child: &&Child| child.resource.kind == "Job" && child.name.contains("-stpl-replay-");
    children.iter().filter(is_replay).collect()
}

/// What the status says after a pass; it is what the next pass reads.
fn tell(cluster: &mut Cluster, asked: Option<&str>, plan: &Plan) -> Option<ReplayPhase> {
    let seen = &cluster.cluster.seen;
    let told = seen.replay(&INGEST, &cluster.pipeline.name, asked, &plan.stage, cluster.cluster.now);
    cluster.cluster.seen.replayed.clone_from(&told);
    told.map(|told| told.phase)
}

#[test]
fn a_replay_starts_when_all_workers_are_ready_runs_once_and_keeps_its_job_until_nobody_asks_for_it() {
    let mut cluster = Cluster::started(2);
    ask_for_replay(&mut cluster, Some("a"));
    let deployment = cluster.cluster.seen.deployments.get_mut(&1).expect("the second shard");
    let status = Arc::make_mut(deployment).status.take();
    let plan = cluster.plan();
    assert_eq!((replays(&plan.wanted).len(), plan.stage.clone()), (0, Stage::Running { rolling: false }));
    assert_eq!(tell(&mut cluster, Some("a"), &plan), Some(ReplayPhase::Pending));
    Arc::make_mut(cluster.cluster.seen.deployments.get_mut(&1).expect("the second shard")).status = status;

    let plan = cluster.plan();
    let [replay] = replays(&plan.wanted)[..] else { panic!("{:?}", kinds(&plan.wanted)) };
    assert_eq!(replay.policy, Policy::CreateOnly);
    assert_eq!(replay.document.metadata.labels.as_ref().expect("labels")["sluice.dev/replay"], "a");
    cluster.apply(&plan, true);
    let plan = cluster.plan();
    assert!(plan.unwanted.is_empty(), "it runs");
    assert_eq!(tell(&mut cluster, Some("a"), &plan), Some(ReplayPhase::Running));
    cluster.end_jobs("Complete");
    let plan = cluster.plan();
    assert_eq!(tell(&mut cluster, Some("a"), &plan), Some(ReplayPhase::Succeeded));
    let plan = cluster.plan();
    assert_eq!((replays(&plan.wanted).len(), plan.unwanted.len()), (0, 0), "a name runs once");

    ask_for_replay(&mut cluster, Some("b"));
    let plan = cluster.plan();
    let [another] = replays(&plan.wanted)[..] else { panic!("another name is another replay") };
    assert!(matches!(&plan.unwanted[..], [old] if old.is_a::<Job>() && old.name() != another.name));
    cluster.apply(&plan, true);
    ask_for_replay(&mut cluster, None);
    let plan = cluster.plan();
    assert!(matches!(&plan.unwanted[..], [job] if job.is_a::<Job>()), "one that runs is stopped");
}

#[test]
fn a_replay_goes_on_while_another_configuration_is_checked_and_rolled_out() {
    let mut cluster = Cluster::started(1);
    ask_for_replay(&mut cluster, Some("a"));
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    let changes = [
        ("/spec/shards", json!(1)),
        ("/spec/silver/require/0/expr", json!("amount > 1")),
        ("/spec/replay", json!({"name": "a", "tables": ["silver", "gold"], "from": "0:15"})),
    ];
    cluster.pipeline = validated(&changed(&changes));
    cluster.observed.deployment_revision = 200;
    let checking = cluster.plan();
    assert_eq!(checking.stage, Stage::Checking(Check::Running));
    assert_eq!((replays(&checking.wanted).len(), checking.unwanted.len()), (0, 0));
    cluster.apply(&checking, true);
    let check = checking.wanted.last().map(|child| child.name.clone()).expect("a check");
    cluster.cluster.end_job(&check, "Complete");
    for _ in 0..2 {
        let plan = cluster.plan();
        assert!(plan.unwanted.iter().all(|owned| !owned.name().contains("replay")), "it is left alone");
        assert!(
            plan.unwanted.iter().all(|owned| owned.resource.kind != "ConfigMap"),
            "it may need its configuration again"
        );
        cluster.apply(&plan, true);
    }
}

#[test]
fn a_suspension_stops_a_replay_and_the_end_of_it_starts_it_again() {
    let mut cluster = Cluster::started(1);
    ask_for_replay(&mut cluster, Some("a"));
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    cluster.pipeline.suspended = true;
    let plan = cluster.plan();
    assert!(plan.unwanted.iter().any(|owned| owned.name().contains("replay")));
    cluster.apply(&plan, true);
    assert_eq!(tell(&mut cluster, Some("a"), &plan), Some(ReplayPhase::Pending));
    cluster.pipeline.suspended = false;
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    cluster.end_jobs("Complete");
    let plan = cluster.plan();
    cluster.apply(&plan, true);
    let plan = cluster.plan();
    assert_eq!(replays(&plan.wanted).len(), 1);
}
