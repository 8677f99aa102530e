//! What is read from files, what is refused, and what is said about the rest.

use std::fs;
use std::path::PathBuf;

use super::{Manifests, read};

const PIPELINE: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: StreamPipeline
metadata: {name: readings}
spec:
  source:
    kafka: {bootstrapServers: "kafka:9092", topic: readings}
    format: Json
    schema: '{"type":"record","name":"R","fields":[{"name":"at","type":"string"}]}'
    eventTime: {column: at}
  storage: {uri: "s3://lake/readings"}
  silver:
    columns: [{name: at}]
"#;

fn read_text(text: &str) -> Manifests {
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::write(directory.path().join("a.yaml"), text).expect("writes");
    read(&[directory.path().to_owned()]).expect("readable")
}

fn problems(text: &str) -> String {
    let lines: Vec<String> = read_text(text).problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn documents_of_several_kinds_are_sorted_by_what_is_done_with_them() {
    let manifests = read_text(&format!(
        "{PIPELINE}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: kafka}}\nstringData: {{password: x}}\n---\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n\
         apiVersion: sluice.dev/v1alpha1\nkind: ModelDeployment\nmetadata: {{name: fraud}}\n"
    ));
    assert_eq!(manifests.problems, []);
    assert_eq!(manifests.pipelines.len(), 1);
    assert_eq!(manifests.secrets.len(), 1);
    assert_eq!(
        manifests.remarks,
        [
            "Namespace default/shop is ignored: local mode has no use for it",
            "ModelDeployment default/fraud is accepted but not acted on in this version",
        ]
    );
}

#[test]
fn parts_of_a_pipeline_that_are_not_acted_on_are_named() {
    let manifests = read_text(&format!(
        "{PIPELINE}  autoscaling: {{min: 1, max: 2}}\n  maintenance: {{schedule: \"17 * * * *\"}}\n"
    ));
    assert_eq!(manifests.problems, []);
    assert_eq!(
        manifests.remarks,
        ["StreamPipeline default/readings: spec.autoscaling is accepted but not acted on in this version"]
    );
}

const SCORER: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: FraudScorer
metadata: {name: readings}
spec:
  pipelineRef: {name: readings}
  table: {name: scores, columns: [at]}
  rules: [{name: old, when: "at < '2000'", points: 10}]
  levels: [{name: LOW, minScore: 0}]
"#;

#[test]
fn a_scorer_may_be_called_as_its_pipeline_and_its_model_is_named_as_not_acted_on() {
    let model = "  model: {modelDeploymentRef: {name: m}}\n";
    let manifests = read_text(&format!("{PIPELINE}---{SCORER}{model}"));
    assert_eq!((manifests.problems.len(), manifests.scorers.len()), (0, 1));
    let remark = "FraudScorer default/readings: spec.model is accepted but not acted on in this version";
    assert_eq!(manifests.remarks, [remark]);
    let found = problems(&format!("{SCORER}---{SCORER}"));
    assert!(found.contains("document 2: metadata.name: 'readings' is there already"), "{found}");
    let found = problems(&SCORER.replace("minScore: 0", "minScore: 1"));
    assert!(found.contains("spec.levels: one level must have minScore 0"), "{found}");
}

#[test]
fn an_unknown_field_is_named_with_its_file_and_document() {
    let found = problems(&format!(
        "{PIPELINE}---{}",
        PIPELINE.replace("columns:", "colums:").replace("name: readings", "name: other")
    ));
    assert!(found.contains("a.yaml, document 2: spec.silver.colums: is not a field"), "{found}");
}

#[test]
fn a_rule_of_the_resource_applies_without_an_api_server() {
    let found = problems(&PIPELINE.replace("uri: \"s3://lake/readings\"", "uri: \"file:///lake/readings\""));
    assert!(found.contains("storage.volume.claimName"), "{found}");
}

#[test]
fn a_syntax_error_is_named_with_its_line() {
    let found = problems("apiVersion: v1\nkind: [\n");
    assert!(found.contains("a.yaml, document 1") && found.contains("line"), "{found}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let found = problems("apiVersion: v1\nkind: Secret\nkind: Secret\n");
    assert!(found.contains("duplicate") && found.contains("kind"), "{found}");
}

#[test]
fn two_pipelines_of_one_name_are_refused() {
    let found = problems(&format!("{PIPELINE}---{PIPELINE}"));
    assert!(found.contains("document 2: metadata.name: 'readings' is there already"), "{found}");
}

#[test]
fn an_unknown_kind_of_ours_is_refused_and_a_document_without_kind_too() {
    assert!(
        problems("apiVersion: sluice.dev/v1alpha1\nkind: StreamPipelin\n").contains("no kind of sluice.dev")
    );
    assert!(problems("a: 1\n").contains("kind: is missing"));
}

#[test]
fn a_path_that_does_not_exist_is_an_error_that_names_it() {
    let error = read(&[PathBuf::from("/no/such/file.yaml")]).expect_err("there is none");
    assert!(error.to_string().contains("/no/such/file.yaml"), "{error}");
}
