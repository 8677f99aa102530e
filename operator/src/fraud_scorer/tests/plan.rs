//! From a decision and what stands, what is written now: what a scorer has besides every sharded job.

use serde_json::{Value, json};

use super::fixture::{changed, kubernetes, pipeline, surroundings};
use crate::apply::child::{Child, Owned};
use crate::fraud_scorer::job::intent;
use crate::fraud_scorer::judge;
use crate::sharded_job::plan::{Plan, Stage, Suspension};
use crate::sharded_job::preflight::Check;
use crate::sharded_job::tests::cluster::Cluster;

/// A scorer of the example in a cluster.
struct Scorer {
    cluster: Cluster,
    scorer: Vec<(&'static str, Value)>,
    pipeline: Vec<(&'static str, Value)>,
}

impl Scorer {
    /// From nothing to workers that are ready.
    fn started() -> Self {
        let mut scorer = Self { cluster: Cluster::default(), scorer: Vec::new(), pipeline: Vec::new() };
        scorer.step();
        scorer.cluster.end_jobs("Complete");
        for _ in 0..3 {
            scorer.step();
        }
        scorer
    }

    fn plan(&self) -> Plan {
        let decision = judge(&changed(&self.scorer), surroundings(pipeline(&self.pipeline)), &kubernetes());
        self.cluster.plan(intent(decision, &kubernetes()), &kubernetes())
    }

    fn step(&mut self) -> Plan {
        let plan = self.plan();
        self.cluster.apply(&plan, true);
        plan
    }

    /// The rules that workers read.
    fn hot(&self) -> Option<String> {
        let documents = &self.cluster.documents;
        documents.get("ecommerce-fscr-rules").map(|document| document.data["data"]["rules.json"].to_string())
    }
}

fn names(children: &[Child]) -> Vec<String> {
    children.iter().map(|child| format!("{}/{}", child.resource.kind, child.name)).collect()
}

fn deployments(plan: &Plan) -> usize {
    let wanted = plan.wanted.iter().chain(&plan.restart);
    wanted.filter(|child| child.resource.kind == "Deployment").count()
}

#[test]
fn rules_reach_the_workers_only_when_a_check_has_passed_them() {
    let scorer = Scorer { cluster: Cluster::default(), scorer: Vec::new(), pipeline: Vec::new() };
    let first = scorer.plan();
    assert_eq!(first.stage, Stage::Checking(Check::Running));
    let names = names(&first.wanted);
    assert!(!names.contains(&"ConfigMap/ecommerce-fscr-rules".to_owned()), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("ConfigMap/ecommerce-fscr-rules-")), "{names:?}");
    let started = Scorer::started();
    assert_eq!(started.plan().stage, Stage::Running { rolling: false });
    assert!(started.hot().is_some_and(|rules| rules.contains("amount > 5000")));
}

#[test]
fn at_rest_a_plan_repeats_itself_to_the_byte() {
    let scorer = Scorer::started();
    let digests = |plan: &Plan| plan.wanted.iter().map(|child| child.digest.clone()).collect::<Vec<_>>();
    let rest = scorer.plan();
    assert_eq!((digests(&scorer.plan()), rest.unwanted.len()), (digests(&rest), 0));
}

#[test]
fn new_rules_are_checked_and_take_effect_without_a_restart() {
    let mut scorer = Scorer::started();
    scorer.scorer = vec![("/spec/rules/1/when", json!("amount > 6000"))];
    let checking = scorer.step();
    assert_eq!(checking.stage, Stage::Checking(Check::Running));
    assert!(scorer.hot().is_some_and(|rules| rules.contains("amount > 5000")), "those of before");
    let gone: Vec<&str> = checking.unwanted.iter().map(Owned::name).collect();
    assert!(matches!(gone[..], [gone] if gone.starts_with("ecommerce-fscr-rules-")), "{gone:?}");
    scorer.cluster.end_jobs("Complete");
    let passed = scorer.step();
    assert_eq!((passed.stage.clone(), passed.restart.is_none()), (Stage::Running { rolling: false }, true));
    assert!(scorer.hot().is_some_and(|rules| rules.contains("amount > 6000")));
    let gone: Vec<&str> = passed.unwanted.iter().map(Owned::name).collect();
    assert!(matches!(gone[..], [gone] if gone.starts_with("ecommerce-fscr-check-")), "{gone:?}");
    assert!(scorer.plan().unwanted.is_empty());
}

#[test]
fn rules_that_do_not_pass_leave_those_before_in_force_and_a_revert_needs_no_check() {
    let mut scorer = Scorer::started();
    scorer.scorer = vec![("/spec/rules/1/when", json!("amount >"))];
    scorer.step();
    scorer.cluster.end_jobs("Failed");
    let failed = scorer.step();
    assert!(matches!(failed.stage, Stage::Checking(Check::Failed { .. })), "{:?}", failed.stage);
    assert!(scorer.hot().is_some_and(|rules| rules.contains("amount > 5000")));
    assert_eq!(deployments(&failed), 0, "workers are left alone");
    scorer.scorer.clear();
    let reverted = scorer.step();
    assert_eq!(reverted.stage, Stage::Running { rolling: false });
}

#[test]
fn a_new_configuration_is_checked_with_its_rules_and_rolls_one_shard_at_a_time() {
    let mut scorer = Scorer::started();
    scorer.scorer = vec![("/spec/velocity/0/window", json!("10m"))];
    assert_eq!(scorer.step().stage, Stage::Checking(Check::Running));
    scorer.cluster.end_jobs("Complete");
    let rolling = scorer.step();
    assert_eq!(rolling.stage, Stage::Running { rolling: true });
    assert!(rolling.restart.is_some());
    scorer.step();
    assert_eq!(scorer.plan().stage, Stage::Running { rolling: false });
}

#[test]
fn a_pipeline_that_is_suspended_takes_its_scorers_workers_with_it_and_brings_them_back() {
    let mut scorer = Scorer::started();
    scorer.pipeline = vec![("/spec/suspend", json!(true))];
    let suspended = scorer.step();
    assert_eq!(suspended.stage, Stage::Suspended(Suspension::Pipeline("ecommerce".to_owned())));
    assert!(suspended.unwanted.iter().any(|owned| owned.resource.kind == "Deployment"));
    scorer.pipeline.clear();
    assert_eq!(scorer.step().stage, Stage::Checking(Check::Running));
    scorer.cluster.end_jobs("Complete");
    assert_eq!(deployments(&scorer.plan()), 2);
}
