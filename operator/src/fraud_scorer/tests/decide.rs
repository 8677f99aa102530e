//! What shall exist, by the resource and by what is known of its pipeline.

use serde_json::{Value, json};

use super::fixture::{changed, kubernetes, laptop, pipeline, surroundings};
use crate::fraud_scorer::{Decision, PipelineFound, Surroundings, judge};
use crate::problem::{Invalid, Missing};
use crate::sharded_job::plan::Suspension;
use crate::site::{LocalSite, Site};
use crate::stream_pipeline::Observed;

fn with(pipeline: PipelineFound) -> Surroundings {
    Surroundings { pipeline, observed: Observed::default(), strimzi_trouble: None }
}

fn missing(surroundings: Surroundings, site: &Site) -> Vec<String> {
    match judge(&changed(&[]), surroundings, site) {
        Decision::Wait(_, missing) => missing.iter().map(ToString::to_string).collect(),
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn a_sound_scorer_whose_pipeline_can_run_runs() {
    let decision = judge(&changed(&[]), surroundings(pipeline(&[])), &kubernetes());
    assert!(matches!(decision, Decision::Run(_)), "{decision:?}");
}

#[test]
fn faults_come_before_everything_else() {
    let faulty = [("/spec/velocity/0/keep", json!("1m")), ("/spec/suspend", json!(true))];
    for pipeline in [PipelineFound::Nothing, PipelineFound::Unreadable("x".to_owned())] {
        let decision = judge(&changed(&faulty), with(pipeline), &kubernetes());
        assert!(matches!(decision, Decision::Refuse(ref faults) if faults.len() == 1), "{decision:?}");
    }
}

#[test]
fn a_suspended_scorer_waits_for_nothing() {
    let scorer = changed(&[("/spec/suspend", json!(true))]);
    let decision = judge(&scorer, with(PipelineFound::Nothing), &kubernetes());
    assert!(matches!(decision, Decision::Suspend(_, Suspension::Asked)), "{decision:?}");
}

#[test]
fn a_suspended_pipeline_suspends_its_scorer() {
    let suspended = pipeline(&[("/spec/suspend", json!(true))]);
    let decision = judge(&changed(&[]), surroundings(suspended), &kubernetes());
    let Decision::Suspend(_, suspension) = decision else { panic!("{decision:?}") };
    assert_eq!(suspension, Suspension::Pipeline("ecommerce".to_owned()));
    assert!(suspension.to_string().contains("spec.suspend of StreamPipeline 'ecommerce'"), "{suspension}");
}

#[test]
fn a_pipeline_that_is_not_there_or_cannot_be_used_is_waited_for_with_its_fix() {
    let fault = Invalid { field: "spec.shards".to_owned(), message: "m".to_owned(), fix: "f".to_owned() };
    for (found, expected) in [
        (
            PipelineFound::Nothing,
            "StreamPipeline 'ecommerce' is not there; create the StreamPipeline 'ecommerce' in 'shop'",
        ),
        (
            PipelineFound::Unreadable("no topic".to_owned()),
            "StreamPipeline 'ecommerce' cannot be read: no topic; correct it",
        ),
        (
            PipelineFound::Faulty(vec![fault.clone()]),
            "StreamPipeline 'ecommerce' has faults: spec.shards: m; f; correct them",
        ),
    ] {
        assert_eq!(missing(with(found), &kubernetes()), [format!("spec.pipelineRef.name: {expected}")]);
    }
    let local = missing(with(PipelineFound::Nothing), &Site::Local(LocalSite { broker: None, ..laptop() }));
    assert!(local[0].contains("give -f the file of the StreamPipeline"), "{local:?}");
}

#[test]
fn what_the_pipeline_misses_its_scorer_misses_too() {
    let surroundings = Surroundings { observed: Observed::default(), ..surroundings(pipeline(&[])) };
    let said = missing(surroundings, &kubernetes());
    assert_eq!(said.len(), 2, "{said:?}");
    let start = "spec.pipelineRef.name: StreamPipeline 'ecommerce' waits for spec.storage.volume.claimName: \
                 PersistentVolumeClaim 'lake' is not there; ";
    assert!(said[1].starts_with(start), "{said:?}");
}

#[test]
fn what_strimzi_says_is_told_instead_of_a_missing_listener() {
    let field = "spec.source.kafka.strimziRef".to_owned();
    let trouble = Missing { field, message: "it is not ready yet".to_owned(), fix: "wait".to_owned() };
    let mut surroundings = surroundings(pipeline(&[]));
    surroundings.observed.listener = None;
    surroundings.strimzi_trouble = Some(trouble);
    let said = missing(surroundings, &kubernetes());
    assert!(said[0].contains("it is not ready yet") && said.len() == 1, "{said:?}");
}

#[test]
fn what_was_found_of_a_pipeline_is_judged_by_its_own_rules() {
    let sound = crate::stream_pipeline::tests::fixture::changed(&[]);
    assert!(PipelineFound::of(Some(Ok(&sound))).sound().is_some());
    let nowhere: (&str, Value) = ("/spec/silver/partitionBy/0", json!("nowhere"));
    let faulty = crate::stream_pipeline::tests::fixture::changed(&[nowhere]);
    assert!(
        matches!(PipelineFound::of(Some(Ok(&faulty))), PipelineFound::Faulty(faults) if faults.len() == 1)
    );
    assert_eq!(PipelineFound::of(None), PipelineFound::Nothing);
    let unreadable = PipelineFound::of(Some(Err("why".to_owned())));
    assert_eq!(unreadable, PipelineFound::Unreadable("why".to_owned()));
}
