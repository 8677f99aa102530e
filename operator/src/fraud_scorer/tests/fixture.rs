//! The example scorer, its pipeline, and a world in which both run.

use std::fs;

use serde::Deserialize;
use serde_json::Value;
use sluice_crds::FraudScorer;

use crate::fraud_scorer::{
    Decision, PipelineFound, ResolvedScorer, Surroundings, ValidatedScorer, build, judge, validate,
};
use crate::sharded_job::Children;
use crate::site::Site;
use crate::stream_pipeline::ValidatedPipeline;
use crate::stream_pipeline::tests::fixture::{
    changed as changed_pipeline, repository_root, validated as validated_pipeline,
};
pub(super) use crate::stream_pipeline::tests::fixture::{kubernetes, laptop, world};

/// The FraudScorer of the example, as a document.
pub(super) fn document() -> Value {
    let path = repository_root().join("manifests/examples/ecommerce/scoring/scorer.yaml");
    let text = fs::read_to_string(path).expect("the example has a scorer");
    let first = serde_yaml::Deserializer::from_str(&text).next().expect("the file has a document");
    Value::deserialize(first).expect("the example is YAML")
}

/// The example with some parts replaced, each by its JSON pointer; `Null` removes a part.
pub(super) fn changed(changes: &[(&str, Value)]) -> FraudScorer {
    let mut document = document();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer starts with a slash");
        match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is in the example")) {
            Value::Object(fields) if value.is_null() => {
                fields.remove(name);
            }
            Value::Object(fields) => {
                fields.insert(name.to_owned(), value.clone());
            }
            Value::Array(items) if name == "-" => items.push(value.clone()),
            Value::Array(items) => items[name.parse::<usize>().expect("an index")] = value.clone(),
            _ => panic!("{parent} has no parts"),
        }
    }
    document["metadata"]["namespace"] = "shop".into();
    document["metadata"]["uid"] = "b7a4f0de-9c35-4f0e-8f52-6a1d2c3b4e5f".into();
    sluice_crds::admit_as(&document).expect("the API server admits the document")
}

/// The pipeline of the example, with some parts replaced.
pub(super) fn pipeline(changes: &[(&str, Value)]) -> ValidatedPipeline {
    validated_pipeline(&changed_pipeline(changes))
}

/// A world in which the pipeline is there and can run.
pub(super) fn surroundings(pipeline: ValidatedPipeline) -> Surroundings {
    let pipeline = PipelineFound::Sound(Box::new(pipeline));
    Surroundings { pipeline, observed: world(), strimzi_trouble: None }
}

/// A scorer without faults.
pub(super) fn validated(scorer: &FraudScorer) -> ValidatedScorer {
    validate(scorer, Some(&pipeline(&[]))).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A scorer in a world in which it can run.
pub(super) fn resolved(scorer: &FraudScorer, pipeline: ValidatedPipeline, site: &Site) -> ResolvedScorer {
    match judge(scorer, surroundings(pipeline), site) {
        Decision::Run(resolved) => *resolved,
        other => panic!("it does not run: {other:?}"),
    }
}

/// All children of the example, with some parts of scorer and pipeline replaced, at a site.
pub(super) fn children_at(
    site: &Site,
    scorer: &[(&str, Value)],
    pipeline_changes: &[(&str, Value)],
) -> Children {
    build(&resolved(&changed(scorer), pipeline(pipeline_changes), site), site)
}

/// All children of the example in a cluster.
pub(super) fn children() -> Children {
    children_at(&kubernetes(), &[], &[])
}
