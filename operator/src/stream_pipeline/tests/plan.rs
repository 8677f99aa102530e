//! From a decision and what stands, what is written now.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::fixture::{changed, kubernetes, validated, world};
use crate::apply::child::{Child, Policy};
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

    fn end_checks(&mut self, type_: &str) {
        self.cluster.end_checks(type_);
    }

    /// From nothing to workers that are ready.
    fn started(shards: u32) -> Self {
        let mut cluster = Self::new(shards);
        let plan = cluster.plan();
        cluster.apply(&plan, true);
        cluster.end_checks("Complete");
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

    cluster.end_checks("Complete");
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
    cluster.end_checks("Complete");

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
    cluster.end_checks("Complete");
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
    cluster.end_checks("Failed");
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
    cluster.end_checks("Complete");
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
    cluster.end_checks("Complete");
    let plan = cluster.plan();
    let gone: Vec<_> = plan.unwanted.iter().filter(|owned| owned.resource.kind == "Deployment").collect();
    assert!(matches!(gone[..], [gone] if gone.name().ends_with("-stpl-ingest-1")), "{gone:?}");
}
