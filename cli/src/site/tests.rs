//! What is honoured, what is stood in for, and what is refused with the flag that helps.

use std::path::PathBuf;

use super::{Resolution, Resolved, anywhere, resolve, resolve_scorer};
use crate::fixtures::{SCORER, WITH_SECRETS, read, read_scorer};
use crate::manifest::Problem;
use crate::site::Machine;

fn resolve_with(documents: &str, change: impl FnOnce(&mut Machine)) -> Result<Resolved, Vec<Problem>> {
    let (located, mut machine) = read(documents);
    change(&mut machine);
    let mut port = 30_000;
    let mut free_port = || {
        port += 1;
        port
    };
    match resolve(&located, &machine, &mut free_port)? {
        Resolution::Run(resolved) => Ok(*resolved),
        Resolution::Suspended(_) => panic!("it is not suspended"),
    }
}

fn only_problem(documents: &str, change: impl FnOnce(&mut Machine)) -> String {
    let problems = resolve_with(documents, change).expect_err("refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn addresses_of_the_resource_are_honoured() {
    let resolved = resolve_with(WITH_SECRETS, |_| {}).expect("resolved");
    assert_eq!(resolved.pipeline.bootstrap_servers, "kafka:9093");
    assert_eq!(resolved.pipeline.storage.uri, "s3://lake/sales");
    assert_eq!(resolved.pipeline.deployment_revision, 7);
}

#[test]
fn stand_ins_take_the_place_of_broker_and_lake_and_need_no_secrets() {
    let without_secrets = WITH_SECRETS.split("---").next().expect("the pipeline");
    let resolved = resolve_with(without_secrets, |machine| {
        machine.broker = Some("127.0.0.1:9092".to_owned());
        machine.lake_root = Some("file:///lakes".to_owned());
    });
    let resolved = resolved.expect("resolved");
    assert_eq!(resolved.pipeline.bootstrap_servers, "127.0.0.1:9092");
    assert_eq!(resolved.pipeline.storage.uri, "file:///lakes/shop/sales");
    let (_, configuration) = &resolved.built.documents.texts[0];
    assert!(configuration.contains("file:///lakes/shop/sales"));
}

#[test]
fn an_object_store_can_stand_in_and_has_its_credentials_from_the_environment() {
    let stand_in = |machine: &mut Machine| machine.lake_root = Some("s3://other/root".to_owned());
    let refused = only_problem(WITH_SECRETS, stand_in);
    assert!(refused.contains("spec.storage.uri") && refused.contains("AWS_ACCESS_KEY_ID"), "{refused}");
    let resolved = resolve_with(WITH_SECRETS, |machine| {
        stand_in(machine);
        machine.variables.insert("AWS_ACCESS_KEY_ID".to_owned());
    });
    assert_eq!(resolved.expect("resolved").pipeline.storage.uri, "s3://other/root/shop/sales");
}

#[test]
fn a_strimzi_cluster_is_refused_with_the_flag_that_stands_in() {
    let strimzi = WITH_SECRETS
        .replace("      bootstrapServers: kafka:9093\n", "      strimziRef: {name: demo, listener: tls}\n")
        .replace("      security: {tls: {}, sasl: {mechanism: ScramSha512, secretRef: {name: kafka}}}\n", "");
    let refused = only_problem(&strimzi, |_| {});
    assert!(
        refused.contains("spec.source.kafka.strimziRef") && refused.contains("--broker embedded"),
        "{refused}"
    );
}

#[test]
fn a_claim_is_refused_unless_its_directory_is_there() {
    let at = |mount_path: &str| {
        WITH_SECRETS.replace(
            "{uri: \"s3://lake/sales\", secretRef: {name: store}}",
            &format!(
                "{{uri: \"file://{mount_path}/sales\", volume: {{claimName: lake, mountPath: {mount_path}}}}}"
            ),
        )
    };
    let refused = only_problem(&at("/no/such/mount"), |_| {});
    assert!(
        refused.contains("spec.storage.volume.claimName") && refused.contains("--lake local"),
        "{refused}"
    );
    let directory = tempfile::tempdir().expect("temporary directory");
    // CEL allows letters, digits, dots, underscores and dashes in a mount path.
    let path = directory.path().to_string_lossy();
    let resolved = resolve_with(&at(&path), |_| {}).expect("resolved");
    assert_eq!(resolved.pipeline.storage.uri, format!("file://{path}/sales"));
}

#[test]
fn a_missing_secret_is_refused_with_both_ways_to_give_it() {
    let without_secrets = WITH_SECRETS.split("---").next().expect("the pipeline");
    let problems = resolve_with(without_secrets, |_| {}).expect_err("refused");
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text.iter().all(|line| line.contains("--secrets DIR")), "{text:?}");
}

#[test]
fn every_deployment_has_a_port_of_its_own() {
    let resolved = resolve_with(WITH_SECRETS, |_| {}).expect("resolved");
    let text = serde_json::to_string(&resolved.built.children.deployments[0]).expect("string keys");
    let other = serde_json::to_string(&resolved.built.children.deployments[1]).expect("string keys");
    assert!(text.contains("127.0.0.1:30001") && other.contains("127.0.0.1:30002"), "{text} {other}");
}

#[test]
fn what_is_wrong_anywhere_is_found_without_a_machine() {
    let (located, _) = read(WITH_SECRETS.split("---").next().expect("the pipeline"));
    let machine = anywhere(PathBuf::from("/"));
    assert!(resolve(&located, &machine, &mut || 0).is_ok());
    let (wrong, _) = read(&WITH_SECRETS.replace("eventTime: {column: at}", "eventTime: {column: when}"));
    let problems = resolve(&wrong, &machine, &mut || 0).expect_err("no such column");
    assert!(problems[0].field.contains("eventTime"), "{problems:?}");
}

#[test]
fn a_scorer_runs_with_the_connection_and_the_lake_of_its_pipeline() {
    let (scorer, pipeline, machine) = read_scorer(SCORER);
    let pipelines = [pipeline];
    let resolved = match resolve_scorer(&scorer, &pipelines, &machine, &mut || 30_009) {
        Ok(Resolution::Run(resolved)) => resolved,
        other => panic!("{other:?}"),
    };
    assert_eq!(resolved.pipeline.bootstrap_servers, "kafka:9093");
    assert_eq!(
        resolved.built.documents.check,
        [
            "check",
            "--scorer",
            "/state/shop/config/fraud-fscr-score/config.json",
            "--rules",
            "/state/shop/rules/fraud-fscr-score/rules.json"
        ]
    );
    let paths: Vec<_> = resolved.built.documents.texts.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(
        paths,
        resolved.built.documents.check[2..].iter().step_by(2).map(PathBuf::from).collect::<Vec<_>>()
    );
}

#[test]
fn a_scorer_without_its_pipeline_is_refused_with_what_to_do() {
    let (scorer, _, machine) = read_scorer(SCORER);
    let problems = resolve_scorer(&scorer, &[], &machine, &mut || 0).expect_err("refused");
    let text = problems[0].to_string();
    assert!(text.contains("spec.pipelineRef.name: StreamPipeline 'sales' is not there; give -f"), "{text}");
}
