//! The children of the example: as snapshots, and as laws that a snapshot would let slip.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use serde_json::{Value, json};
use sluice_contract::scorer::{RuleSet, ScorerConfig};

use super::fixture::{changed, children, children_at, kubernetes, laptop, pipeline, resolved, validated};
use crate::fraud_scorer::documents::{revision, scorer_config};
use crate::fraud_scorer::job::{base, job};
use crate::sharded_job::build::{build_check, documents_of_check};
use crate::sharded_job::{Children, build_idle};
use crate::site::Site;
use crate::stream_pipeline::tests::build::{lets_in, snapshot_in};
use crate::stream_pipeline::tests::restricted::violations;

fn pod(deployment: &Deployment) -> PodSpec {
    deployment.spec.clone().and_then(|spec| spec.template.spec).expect("a Deployment has a pod")
}

fn arguments(deployment: &Deployment) -> Vec<String> {
    pod(deployment).containers.remove(0).args.expect("a worker has arguments")
}

fn name(config_map: Option<&ConfigMap>) -> String {
    config_map.and_then(|map| map.metadata.name.clone()).expect("it is made")
}

#[test]
fn the_example_builds_what_its_snapshot_shows() {
    snapshot_in("../../fraud_scorer/snapshots", "scorer", &children());
}

#[test]
fn local_mode_builds_the_same_processes_with_its_own_addresses() {
    let local = children_at(&Site::Local(laptop()), &[], &[]);
    snapshot_in("../../fraud_scorer/snapshots", "scorer-local", &local);
}

#[test]
fn the_worker_reads_the_documents_that_the_operator_wrote() {
    let site = kubernetes();
    let resolved = resolved(&changed(&[]), pipeline(&[]), &site);
    let children = children();
    let data = |map: Option<ConfigMap>| map.and_then(|map| map.data).expect("there is data");
    let configuration = &data(children.config_map)["config.json"];
    let read = ScorerConfig::from_json(configuration).expect("the worker can read it");
    assert_eq!(read, scorer_config(&resolved, "/etc/sluice/config", &site));
    assert_eq!((read.job().as_str(), read.shards as usize), ("score-ecommerce", children.deployments.len()));
    let rules = RuleSet::from_json(&data(children.hot)["rules.json"]).expect("the worker can read it");
    assert_eq!(rules, resolved.scorer.rules);
}

#[test]
fn a_worker_is_told_where_its_configuration_and_its_rules_are() {
    let deployments = children().deployments;
    assert_eq!(deployments.len(), 2);
    let words = arguments(&deployments[1]);
    let expected =
        ["score", "--config", "/etc/sluice/config/config.json", "--rules", "/etc/sluice/rules/rules.json"];
    assert_eq!(words[..5], expected);
    assert_eq!(words[5..7], ["--shard", "1"]);
    let mounts = pod(&deployments[0]).containers.remove(0).volume_mounts.expect("it mounts");
    let rules = mounts.iter().find(|mount| mount.name == "rules").expect("the rules are mounted");
    assert_eq!((rules.mount_path.as_str(), rules.sub_path.as_ref()), ("/etc/sluice/rules", None));
}

#[test]
fn a_replay_of_scores_reads_the_documents_that_the_workers_have() {
    let replay = json!({"name": "new-rules", "from": "2026-01-05T20:00:00Z"});
    let children = children_at(&kubernetes(), &[("/spec/replay", replay)], &[]);
    let job = children.replay.expect("it is asked for").job;
    let replayed = job.spec.and_then(|spec| spec.template.spec).expect("a Job has a pod");
    assert_eq!(
        replayed.volumes,
        pod(&children.deployments[0]).volumes,
        "the rules in force, not a candidate"
    );
    let words = [
        "replay",
        "--scorer",
        "/etc/sluice/config/config.json",
        "--rules",
        "/etc/sluice/rules/rules.json",
        "--name",
        "new-rules",
        "--tables",
        "fraud",
        "--from",
        "2026-01-05T20:00:00Z",
    ];
    assert_eq!(replayed.containers[0].args.as_ref().expect("it has arguments")[..], words);
    assert_eq!(children.deployments, self::children().deployments, "it restarts nobody");
}

#[test]
fn what_moves_without_a_restart_changes_no_pod() {
    let before = children();
    for (pointer, value) in [
        ("/spec/rules/1/when", json!("amount > 6000")),
        ("/spec/rules/1/points", json!(31)),
        ("/spec/rules", json!([])),
        ("/spec/velocity/0/moreThan", json!(6)),
        ("/spec/velocity/0/points", json!(26)),
        ("/spec/levels/0/minScore", json!(80)),
        ("/spec/reviewAt", json!("CRITICAL")),
        ("/spec/alerts/alertAt", json!("CRITICAL")),
    ] {
        let after = children_at(&kubernetes(), &[(pointer, value)], &[]);
        assert_eq!(after.deployments, before.deployments, "{pointer}");
        assert_eq!(after.config_map, before.config_map, "{pointer}");
        assert_eq!(name(after.hot.as_ref()), name(before.hot.as_ref()), "{pointer}");
        assert_ne!(after.hot, before.hot, "{pointer}");
        assert_ne!(name(after.candidate.as_ref()), name(before.candidate.as_ref()), "{pointer}");
    }
}

#[test]
fn everything_else_restarts_the_workers_with_another_configuration() {
    let before = children();
    for (pointer, value) in [
        ("/spec/velocity/0/window", json!("10m")),
        ("/spec/velocity/0/name", json!("often")),
        ("/spec/table/columns", json!(["amount"])),
        ("/spec/label", Value::Null),
        ("/spec/alerts/topic", json!("alerts")),
        ("/spec/commit", json!({"every": "1s"})),
    ] {
        let after = children_at(&kubernetes(), &[(pointer, value)], &[]);
        assert_ne!(name(after.config_map.as_ref()), name(before.config_map.as_ref()), "{pointer}");
        assert_ne!(after.deployments, before.deployments, "{pointer}");
        let candidates = (name(after.candidate.as_ref()), name(before.candidate.as_ref()));
        assert_ne!(candidates.0, candidates.1, "{pointer}: the rules are checked with it");
    }
}

#[test]
fn a_change_of_the_pipeline_reaches_its_scorer_as_far_as_rows_or_connections_depend_on_it() {
    let before = children();
    let after =
        |pointer: &str, value: Value| children_at(&kubernetes(), &[], &[(pointer, value)]).deployments;
    for (pointer, value) in [
        ("/spec/silver/require/2/expr", json!("amount >= 0")),
        ("/spec/silver/deduplicate/within", json!("11m")),
        ("/spec/source/eventTime/timeZone", json!("Europe/Berlin")),
        ("/spec/source/kafka/topic", json!("other")),
    ] {
        assert_ne!(after(pointer, value), before.deployments, "{pointer}");
    }
    for (pointer, value) in [
        ("/spec/gold/0/window/size", json!("20m")),
        ("/spec/bronze", json!({"keepValue": true})),
        ("/spec/shards", json!(7)),
        ("/spec/maintenance/retention", json!("7d")),
        ("/spec/podTemplate", json!({"labels": {"team": "a"}})),
    ] {
        assert_eq!(after(pointer, value), before.deployments, "{pointer}");
    }
}

#[test]
fn the_revision_follows_what_decides_which_rows_come_out_rules_aside() {
    let of = |changes: &[(&str, Value)]| revision(&validated(&changed(changes)), &pipeline(&[]));
    let before = of(&[]);
    assert_eq!(before.len(), 16);
    for (pointer, value) in [
        ("/spec/table/columns/0", json!("city")),
        ("/spec/table/partitionBy/1", json!("country")),
        ("/spec/velocity/0/keep", json!("2h")),
        ("/spec/label", Value::Null),
    ] {
        assert_ne!(of(&[(pointer, value)]), before, "{pointer}");
    }
    for (pointer, value) in [
        ("/spec/shards", json!(4)),
        ("/spec/commit", json!({"every": "1s"})),
        ("/spec/alerts/topic", json!("alerts")),
        ("/spec/startFrom", json!("Latest")),
        ("/spec/rules/0/points", json!(1)),
        ("/spec/velocity/0/keep", json!("60m")),
    ] {
        assert_eq!(of(&[(pointer, value)]), before, "{pointer}");
    }
    let silver = pipeline(&[("/spec/silver/columns/4/expr", json!("amount > 2000"))]);
    assert_ne!(revision(&validated(&changed(&[])), &silver), before);
}

#[test]
fn a_check_reads_the_rules_that_are_not_in_force_yet() {
    let site = kubernetes();
    let job = job(&resolved(&changed(&[]), pipeline(&[]), &site), &site);
    let check = build_check(&job, &documents_of_check(&job), &site);
    let pod = check.spec.and_then(|spec| spec.template.spec).expect("a Job has a pod");
    let words = pod.containers[0].args.clone().expect("it has arguments");
    let expected =
        ["check", "--scorer", "/etc/sluice/config/config.json", "--rules", "/etc/sluice/rules/rules.json"];
    assert_eq!(words, expected);
    let rules = pod.volumes.iter().flatten().find(|volume| volume.name == "rules").expect("it mounts rules");
    let mounted = rules.config_map.as_ref().map(|map| map.name.clone());
    assert_eq!(mounted, Some(name(children().candidate.as_ref())));
    assert_eq!(children().candidate.and_then(|map| map.immutable), Some(true));
    assert_eq!(violations(&pod), Vec::<String>::new());
}

#[test]
fn a_scorer_connects_as_its_pipeline_does() {
    let site = kubernetes();
    let of_pipeline = crate::stream_pipeline::tests::fixture::children("ecommerce").deployments;
    let secrets = |pod: PodSpec| -> Vec<Value> {
        let volumes = pod.volumes.into_iter().flatten();
        let kept =
            volumes.filter(|volume| volume.secret.is_some() || volume.persistent_volume_claim.is_some());
        kept.map(|volume| serde_json::to_value(volume).expect("JSON")).collect()
    };
    let own = children_at(&site, &[], &[]).deployments;
    assert!(secrets(pod(&own[0])).len() >= 3);
    assert_eq!(secrets(pod(&own[0])), secrets(pod(&of_pipeline[0])));
    assert_eq!(pod(&own[0]).affinity, pod(&of_pipeline[0]).affinity, "one node, where the claim has one");
}

#[test]
fn nothing_of_a_scorer_has_the_name_or_the_labels_of_something_of_its_pipeline() {
    let own = children();
    let of_pipeline = crate::stream_pipeline::tests::fixture::children("ecommerce");
    let selector =
        |children: &Children| children.service.spec.clone().and_then(|spec| spec.selector).expect("one");
    let labels = |children: &Children| {
        let template = children.deployments[0].spec.clone().expect("a spec").template;
        template.metadata.and_then(|metadata| metadata.labels).expect("labels")
    };
    let selects = |selector: &std::collections::BTreeMap<String, String>,
                   labels: &std::collections::BTreeMap<_, _>| {
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    assert!(selects(&selector(&own), &labels(&own)));
    assert!(!selects(&selector(&own), &labels(&of_pipeline)));
    assert!(!selects(&selector(&of_pipeline), &labels(&own)));
    assert_eq!(own.service.metadata.name.as_deref(), Some("ecommerce-fscr-score"));
    assert_eq!(own.cron_job, None, "the pipeline maintains the whole lake");
}

#[test]
fn the_longest_name_of_a_scorer_makes_names_of_at_most_63_characters() {
    let long = "a".repeat(40);
    let children =
        children_at(&kubernetes(), &[("/metadata/name", json!(long)), ("/spec/shards", json!(128))], &[]);
    let maps = [&children.config_map, &children.candidate, &children.hot].into_iter().flatten();
    let names = maps.map(|map| &map.metadata).chain(children.deployments.iter().map(|one| &one.metadata));
    for metadata in names {
        let name = metadata.name.as_deref().expect("a child has a name");
        assert!(name.len() <= 63 && name.starts_with(&format!("{long}-fscr-")), "{name}");
    }
}

#[test]
fn a_suspended_scorer_keeps_everything_but_its_workers_and_what_they_read() {
    let idle = build_idle(&base(&validated(&changed(&[]))), &kubernetes());
    assert!(idle.deployments.is_empty() && idle.config_map.is_none());
    assert!(idle.candidate.is_none() && idle.hot.is_none());
    assert!(idle.service_account.is_some());
}

#[test]
fn the_pods_are_restricted_and_the_operator_may_ask_them() {
    let children = children();
    assert_eq!(violations(&pod(&children.deployments[0])), Vec::<String>::new());
    assert!(lets_in(&children, "sluice-system", "sluice-operator"));
    assert!(lets_in(&children, "monitoring", "prometheus"));
    assert!(!lets_in(&children, "shop", "shop-frontend"));
}
