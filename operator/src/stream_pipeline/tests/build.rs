//! The children of the examples: as snapshots, and as laws that a snapshot would let slip.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde::Serialize;
use serde_json::json;
use sluice_contract::config::WorkerConfig;

use super::fixture::{
    changed, children, example, example_names, kubernetes, laptop, resolved, validated, world,
};
use crate::network::{FLOWS, Peer};
use crate::sharded_job::build::{build_check, documents_of_check};
use crate::sharded_job::{Children, ReplayChildren, build_idle};
use crate::site::Site;
use crate::stream_pipeline::job::{base, job};
use crate::stream_pipeline::worker_config::{revision, worker_config};
use crate::stream_pipeline::{StrimziAuthentication, build};

/// All objects in the order in which they are applied, as `kubectl get -o yaml` would show them.
fn yaml(children: &Children) -> String {
    fn document(object: &impl Serialize) -> String {
        serde_yaml::to_string(object).expect("an object has string keys only")
    }
    let mut documents: Vec<String> = children.service_account.iter().map(document).collect();
    let config_maps = [&children.config_map, &children.candidate, &children.hot];
    documents.extend(config_maps.into_iter().flatten().map(document));
    documents.push(document(&children.service));
    documents.push(document(&children.pod_disruption_budget));
    documents.push(document(&children.network_policy));
    documents.extend(children.cron_job.iter().map(document));
    documents.extend(children.deployments.iter().map(document));
    documents.join("---\n")
}

fn snapshot(name: &str, children: &Children) {
    snapshot_in("../snapshots", name, children);
}

/// Compares with a snapshot in a folder, whose path begins at this file.
pub(crate) fn snapshot_in(folder: &str, name: &str, children: &Children) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, yaml(children)));
}

fn pod(deployment: &Deployment) -> PodSpec {
    let spec = deployment.spec.clone().expect("a Deployment has a spec");
    spec.template.spec.expect("a Deployment has a pod")
}

fn container(deployment: &Deployment) -> Container {
    pod(deployment).containers.remove(0)
}

#[test]
fn every_example_builds_what_its_snapshot_shows() {
    for name in example_names() {
        snapshot(&name, &children(&name));
    }
}

#[test]
fn a_check_is_the_pod_of_a_worker_that_ends_by_itself() {
    let site = kubernetes();
    let documents = documents_of_check(&job(&resolved(&example("ecommerce"), &world(), &site), &site));
    let check_of = |changes: &[(&str, serde_json::Value)]| {
        build_check(&job(&resolved(&changed(changes), &world(), &site), &site), &documents, &site)
    };
    let check = check_of(&[]);
    let pod = check.spec.clone().and_then(|spec| spec.template.spec).expect("a Job has a pod");
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    assert_eq!(pod.volumes, self::pod(&children("ecommerce").deployments[0]).volumes);
    let container = &pod.containers[0];
    assert_eq!(container.args.as_ref().unwrap()[..], ["check", "--config", "/etc/sluice/config/config.json"]);
    assert!(container.liveness_probe.is_none() && container.ports.is_none());
    assert_eq!(container.termination_message_policy.as_deref(), Some("FallbackToLogsOnError"));

    let labels = check.spec.as_ref().and_then(|spec| spec.template.metadata.clone()?.labels).unwrap();
    let selected = children("ecommerce").service.spec.unwrap().selector.unwrap();
    assert!(selected.iter().any(|(key, value)| labels.get(key) != Some(value)), "it is no worker");

    let name = |job: &k8s_openapi::api::batch::v1::Job| job.metadata.name.clone().unwrap();
    assert_eq!(name(&check_of(&[])), name(&check));
    let more = json!({"resources": {"limits": {"memory": "3Gi"}}});
    assert_ne!(name(&check_of(&[("/spec/podTemplate", more)])), name(&check), "another pod is another check");
}

#[test]
fn the_upkeep_is_the_pod_of_a_worker_that_ends_by_itself_and_runs_when_the_spec_says() {
    let site = kubernetes();
    let upkeep_of = |maintenance: serde_json::Value| {
        let pipeline = changed(&[("/spec/maintenance", maintenance)]);
        let children = build(&resolved(&pipeline, &world(), &site), &site);
        let spec = children.cron_job.and_then(|upkeep| upkeep.spec).expect("it is maintained");
        let pod = spec.job_template.spec.clone().and_then(|job| job.template.spec).expect("a Job has a pod");
        (spec, pod)
    };
    let (spec, pod) = upkeep_of(json!({"schedule": "5 2 * * *", "retention": "7d"}));
    assert_eq!((spec.schedule.as_str(), spec.concurrency_policy.as_deref()), ("5 2 * * *", Some("Forbid")));
    assert_eq!(pod.volumes, self::pod(&children("ecommerce").deployments[0]).volumes);
    let container = &pod.containers[0];
    let words = ["maintain", "--config", "/etc/sluice/config/config.json", "--retention", "7d"];
    assert_eq!(container.args.as_ref().unwrap()[..], words);
    assert!(container.liveness_probe.is_none() && container.ports.is_none());
    let (spec, pod) = upkeep_of(serde_json::Value::Null);
    assert_eq!(spec.schedule, "17 * * * *", "a pipeline that says nothing is maintained too");
    assert!(pod.containers[0].args.as_ref().unwrap().ends_with(&["30d".to_owned()]));

    let template = spec.job_template.spec.map(|job| job.template).unwrap();
    let labels = template.metadata.and_then(|metadata| metadata.labels).unwrap();
    let selected = children("ecommerce").service.spec.unwrap().selector.unwrap();
    assert!(selected.iter().any(|(key, value)| labels.get(key) != Some(value)), "it is no worker");
}

#[test]
fn a_replay_is_the_pod_of_a_worker_that_ends_by_itself_under_a_name_that_only_its_own_decides() {
    let site = kubernetes();
    let replay_of = |name: &str, amount: &str| {
        let range = json!({"name": name, "tables": ["silver", "gold/user"], "from": "0:15,1:0",
                           "until": "2026-01-05T20:00:00Z"});
        let rule = json!({"reason": "Bad", "expr": amount});
        let pipeline = changed(&[("/spec/replay", range), ("/spec/silver/require/0", rule)]);
        build(&resolved(&pipeline, &world(), &site), &site).replay.expect("it is asked for").job
    };
    let replay = replay_of("after-the-fix", "amount > 0");
    let spec = replay.spec.clone().expect("a Job has a spec");
    assert_eq!(spec.ttl_seconds_after_finished, None, "who finds none would start it again");
    let pod = spec.template.spec.expect("a Job has a pod");
    let container = &pod.containers[0];
    let words = [
        "replay",
        "--config",
        "/etc/sluice/config/config.json",
        "--name",
        "after-the-fix",
        "--tables",
        "silver,gold/user",
        "--from",
        "0:15,1:0",
        "--until",
        "2026-01-05T20:00:00Z",
    ];
    assert_eq!(container.args.as_ref().unwrap()[..], words);
    assert!(container.liveness_probe.is_none() && container.ports.is_none());
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    let labels = replay.metadata.labels.as_ref().expect("labels");
    assert_eq!(
        (labels["sluice.dev/role"].as_str(), labels["sluice.dev/replay"].as_str()),
        ("replay", "after-the-fix")
    );

    let name = |job: &k8s_openapi::api::batch::v1::Job| job.metadata.name.clone().unwrap();
    assert_eq!(name(&replay_of("after-the-fix", "amount > 1")), name(&replay), "it is not started twice");
    assert_ne!(name(&replay_of("after-the-fix-2", "amount > 0")), name(&replay));
    assert_eq!(
        name(&replay).len(),
        "ecommerce-stpl-replay-".len() + 7,
        "a name of 40 characters leaves room for the number of a pod"
    );
    assert!(children("ecommerce").replay.is_none());
}

#[test]
fn a_replay_of_several_pods_is_done_with_the_first_and_its_pods_find_each_other_and_nobody_else_does() {
    let site = kubernetes();
    let built_of = |tables: &[&str], workers: i32| {
        let replay = json!({"name": "a", "tables": tables, "workers": workers});
        let pipeline = changed(&[("/spec/replay", replay)]);
        build(&resolved(&pipeline, &world(), &site), &site).replay.expect("it is asked for")
    };
    assert!(built_of(&["silver"], 1).network.is_none());
    let of_windows = built_of(&["gold"], 3);
    assert!(of_windows.network.is_none(), "the merge computes them");
    assert_eq!(of_windows.job.spec.and_then(|spec| spec.completions), None);
    let ReplayChildren { network, job } = built_of(&["silver", "gold"], 3);
    let (service, network_policy) = network.expect("there are several");
    let name = job.metadata.name.as_deref().expect("a name");
    assert_eq!(service.metadata.name.as_deref(), Some(name));
    let spec = job.spec.expect("a Job has a spec");
    assert_eq!((spec.completions, spec.parallelism), (Some(3), Some(3)));
    let labels = spec.template.metadata.and_then(|metadata| metadata.labels).expect("labels");
    let selectors = [
        service.spec.and_then(|spec| spec.selector),
        network_policy.spec.and_then(|spec| spec.pod_selector?.match_labels),
    ];
    for selector in selectors {
        let selector = selector.expect("a selector");
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{selector:?}");
    }
    let pod = spec.template.spec.expect("a Job has a pod");
    assert_eq!(pod.subdomain.as_deref(), Some(name));
    let words = pod.containers[0].args.as_ref().expect("arguments");
    let peers = format!("http://{name}-1.{name}:8080,http://{name}-2.{name}:8080");
    assert_eq!(words[words.len() - 4..], ["--peers", &peers, "--listen", "0.0.0.0:8080"]);
    assert_eq!(pod.containers[0].ports.as_ref().map(Vec::len), Some(1));
}

#[test]
fn a_suspended_pipeline_keeps_everything_but_its_workers() {
    let pipeline = validated(&changed(&[("/spec/suspend", json!(true))]));
    let children = build_idle(&base(&pipeline), &kubernetes());
    assert!(children.deployments.is_empty() && children.config_map.is_none() && children.cron_job.is_none());
    snapshot("ecommerce-suspended", &children);
}

#[test]
fn local_mode_builds_the_same_processes_with_its_own_addresses() {
    let site = Site::Local(laptop());
    snapshot("ecommerce-local", &build(&resolved(&example("ecommerce"), &world(), &site), &site));
}

#[test]
fn the_worker_reads_the_configuration_that_the_operator_wrote() {
    let site = kubernetes();
    for name in example_names() {
        let resolved = resolved(&example(&name), &world(), &site);
        let data = build(&resolved, &site).config_map.and_then(|map| map.data).expect("there is data");
        let read = WorkerConfig::from_json(&data["config.json"]).expect("the worker can read it");
        assert_eq!(read, worker_config(&resolved, "/etc/sluice/config", &site), "{name}");
        assert_eq!(read.shards as usize, children(&name).deployments.len());
    }
}

#[test]
fn each_shard_is_one_process_that_is_never_there_twice() {
    let deployments = children("ecommerce").deployments;
    assert_eq!(deployments.len(), 2);
    for (shard, deployment) in deployments.iter().enumerate() {
        let spec = deployment.spec.as_ref().unwrap();
        assert_eq!(spec.replicas, Some(1));
        assert_eq!(spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()), Some("Recreate"));
        let arguments = container(deployment).args.unwrap();
        let position = arguments.iter().position(|argument| argument == "--shard").unwrap();
        assert_eq!(arguments[position + 1], shard.to_string());
    }
}

#[test]
fn selectors_find_the_pods_and_only_those_of_the_pipeline() {
    let children = children("ecommerce");
    let is_selected = |selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>| {
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let budget = children.pod_disruption_budget.spec.unwrap().selector.unwrap().match_labels.unwrap();
    let policy = children.network_policy.spec.unwrap().pod_selector.unwrap().match_labels.unwrap();
    let service = children.service.spec.unwrap().selector.unwrap();
    let pods: Vec<BTreeMap<String, String>> = children
        .deployments
        .iter()
        .map(|deployment| deployment.spec.clone().unwrap().template.metadata.unwrap().labels.unwrap())
        .collect();
    for labels in &pods {
        for selector in [&budget, &policy, &service] {
            assert!(is_selected(selector, labels), "{selector:?} misses {labels:?}");
        }
    }
    let other =
        super::fixture::children("iot").deployments[0].spec.clone().unwrap().template.metadata.unwrap();
    assert!(!is_selected(&service, &other.labels.unwrap()));
    let own: Vec<bool> = children
        .deployments
        .iter()
        .map(|deployment| deployment.spec.clone().unwrap().selector.match_labels.unwrap())
        .map(|selector| is_selected(&selector, &pods[0]))
        .collect();
    assert_eq!(own, [true, false], "a Deployment selects its own shard only");
}

#[test]
fn everything_belongs_to_the_resource_and_carries_none_of_its_labels() {
    let mut pipeline = example("ecommerce");
    let argo = ("argocd.argoproj.io/instance".to_owned(), "shop".to_owned());
    let helm = ("app.kubernetes.io/instance".to_owned(), "shop".to_owned());
    pipeline.metadata.labels = Some(BTreeMap::from([argo, helm]));
    let site = kubernetes();
    let children = build(&resolved(&pipeline, &world(), &site), &site);
    let metadata = [&children.service.metadata, &children.pod_disruption_budget.metadata]
        .into_iter()
        .chain(children.config_map.iter().map(|child| &child.metadata))
        .chain(children.cron_job.iter().map(|child| &child.metadata))
        .chain(children.deployments.iter().map(|child| &child.metadata));
    for metadata in metadata {
        let owners = metadata.owner_references.as_ref().expect("a child has an owner");
        assert_eq!((owners.len(), owners[0].controller), (1, Some(true)));
        assert_eq!(Some(&owners[0].uid), pipeline.metadata.uid.as_ref());
    }
    assert!(!yaml(&children).contains("instance"));
}

#[test]
fn labels_of_the_operator_win_over_the_users() {
    let template = json!({"labels": {"team": "payments"}, "annotations": {"note": "x"}});
    let pipeline = changed(&[("/spec/podTemplate", template)]);
    let site = kubernetes();
    let built = build(&resolved(&pipeline, &world(), &site), &site);
    let metadata = built.deployments[0].spec.clone().unwrap().template.metadata.unwrap();
    let labels = metadata.labels.unwrap();
    assert_eq!(labels["team"], "payments");
    assert_eq!(labels["sluice.dev/pipeline"], "ecommerce");
    assert_eq!(metadata.annotations.unwrap()["note"], "x");
}

#[test]
fn a_changed_configuration_makes_a_new_config_map_and_new_pods() {
    let site = kubernetes();
    let built = |pipeline| build(&resolved(&pipeline, &world(), &site), &site);
    let before = built(changed(&[]));
    let after = built(changed(&[("/spec/commit/every", json!("3s"))]));
    assert_ne!(
        before.config_map.clone().and_then(|map| map.metadata.name),
        after.config_map.and_then(|map| map.metadata.name)
    );
    assert_ne!(before.deployments, after.deployments);
    assert_eq!(before.config_map.and_then(|map| map.immutable), Some(true));
}

#[test]
fn the_revision_follows_what_decides_which_rows_come_out() {
    let of = |changes: &[(&str, serde_json::Value)]| revision(&validated(&changed(changes)));
    let before = of(&[]);
    assert_eq!(before.len(), 16);
    for (pointer, value) in [
        ("/spec/silver/require/2/expr", json!("amount >= 0")),
        ("/spec/silver/columns/4/expr", json!("amount > 2000")),
        ("/spec/silver/deduplicate/within", json!("11m")),
        ("/spec/source/eventTime/timeZone", json!("Europe/Berlin")),
        ("/spec/bronze/keepValue", json!(true)),
        ("/spec/gold/0/window/size", json!("20m")),
    ] {
        assert_ne!(of(&[(pointer, value)]), before, "{pointer}");
    }
    let schema = example("ecommerce").spec.source.schema.unwrap();
    for (pointer, value) in [
        ("/spec/commit/every", json!("3s")),
        ("/spec/shards", json!(4)),
        ("/spec/source/kafka/strimziRef/listener", json!("plain")),
        ("/spec/silver/deduplicate/within", json!("600s")),
        ("/spec/source/schema", json!(schema.replace('\n', " "))),
    ] {
        assert_eq!(of(&[(pointer, value)]), before, "{pointer}");
    }
}

#[test]
fn every_path_in_the_configuration_is_a_file_that_is_mounted() {
    for authentication in [StrimziAuthentication::Tls, StrimziAuthentication::ScramSha512] {
        let mut observed = world();
        observed.listener.as_mut().unwrap().authentication = authentication;
        observed.secrets.get_mut("sluice").unwrap().insert("password".to_owned(), "digest".to_owned());
        for site in [kubernetes(), Site::Local(laptop())] {
            let resolved = resolved(&example("ecommerce"), &observed, &site);
            let base = base(&resolved.pipeline);
            let directory = site.config_directory(&base.namespace, &base.workers());
            let security = worker_config(&resolved, &directory, &site).source.kafka.security;
            let tls = security.tls.unwrap();
            let mut paths: Vec<String> =
                [tls.ca_path, tls.certificate_path, tls.key_path].into_iter().flatten().collect();
            paths.extend(security.sasl.into_iter().flat_map(|sasl| [sasl.username_path, sasl.password_path]));
            assert!(paths.len() >= 3);

            let children = build(&resolved, &site);
            let files = mounted_files(&pod(&children.deployments[0]), &children);
            for path in paths {
                assert!(files.contains(&path), "{path} is not among {files:?}");
            }
        }
    }
}

/// Paths of the files that the volumes of a pod give its container.
fn mounted_files(pod: &PodSpec, children: &Children) -> Vec<String> {
    let data = children.config_map.as_ref().and_then(|map| map.data.as_ref()).unwrap();
    let mut files = Vec::new();
    for volume in pod.volumes.iter().flatten() {
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        let mount = mounts.clone().find(|mount| mount.name == volume.name).expect("each volume is mounted");
        if volume.config_map.is_some() {
            files.extend(data.keys().map(|key| format!("{}/{key}", mount.mount_path)));
        }
        let items = volume.secret.as_ref().and_then(|secret| secret.items.clone()).unwrap_or_default();
        files.extend(items.iter().map(|item| format!("{}/{}", mount.mount_path, item.path)));
    }
    files
}

#[test]
fn the_lake_of_a_claim_lies_below_its_mount() {
    for name in ["ecommerce", "iot"] {
        let children = children(name);
        let container = container(&children.deployments[0]);
        let mounts = container.volume_mounts.unwrap();
        let lake = mounts.iter().find(|mount| mount.name == "lake").unwrap();
        assert_eq!((lake.mount_path.as_str(), lake.read_only), ("/lake", None));
    }
}

#[test]
fn a_claim_of_one_node_draws_its_pods_together_and_keeps_the_users_affinity() {
    let affinity = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "kafka"}}}]}});
    let pipeline = changed(&[("/spec/podTemplate", json!({"affinity": affinity}))]);
    let site = kubernetes();
    let terms = |observed| {
        let built = build(&resolved(&pipeline, &observed, &site), &site);
        let affinity = pod(&built.deployments[0]).affinity.unwrap().pod_affinity.unwrap();
        let terms = affinity.required_during_scheduling_ignored_during_execution.unwrap();
        terms.into_iter().map(|term| term.topology_key).collect::<Vec<_>>()
    };
    assert_eq!(terms(world()), ["zone", "kubernetes.io/hostname"]);
    let mut shared = world();
    shared.claims.get_mut("lake").unwrap().read_write_many = true;
    assert_eq!(terms(shared), ["zone"]);
}

#[test]
fn a_service_account_of_the_user_is_used_and_not_made() {
    let pipeline = changed(&[("/spec/podTemplate", json!({"serviceAccountName": "lake-writer"}))]);
    let site = kubernetes();
    let built = build(&resolved(&pipeline, &world(), &site), &site);
    assert_eq!(built.service_account, None);
    assert_eq!(pod(&built.deployments[0]).service_account_name.as_deref(), Some("lake-writer"));
}

#[test]
fn the_workload_identity_is_an_annotation_of_the_service_account() {
    let annotations = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/lake"});
    let pipeline = changed(&[("/spec/podTemplate", json!({"serviceAccountAnnotations": annotations}))]);
    let account = build_idle(&base(&validated(&pipeline)), &kubernetes()).service_account.unwrap();
    assert_eq!(serde_json::to_value(account.metadata.annotations).unwrap(), annotations);
    assert_eq!(account.automount_service_account_token, Some(false));
}

/// Whether a policy lets a pod of these namespace and pod labels reach port `http`.
pub(crate) fn lets_in(children: &Children, namespace: &str, pod_name_label: &str) -> bool {
    let rules = children.network_policy.spec.clone().unwrap().ingress.unwrap();
    rules.iter().any(|rule| {
        let to_http =
            rule.ports.iter().flatten().any(|port| serde_json::to_value(&port.port).unwrap() == "http");
        let from = rule.from.iter().flatten().any(|peer| {
            let namespaces = peer.namespace_selector.clone().and_then(|selector| selector.match_expressions);
            let in_namespace = namespaces.iter().flatten().all(|term| {
                term.operator == "In" && term.values.iter().flatten().any(|value| value == namespace)
            });
            let labels = peer.pod_selector.clone().and_then(|selector| selector.match_labels);
            let is_pod = labels.is_none_or(|labels| labels["app.kubernetes.io/name"] == pod_name_label);
            namespaces.is_some() && in_namespace && is_pod
        });
        to_http && from
    })
}

#[test]
fn the_network_policy_lets_in_what_the_table_of_flows_says_and_nothing_else() {
    let children = children("ecommerce");
    for flow in FLOWS.iter().filter(|flow| flow.to == "ingest") {
        let (namespace, pod) = match flow.from {
            Peer::Operator => ("sluice-system", "sluice-operator"),
            Peer::Monitoring => ("monitoring", "prometheus"),
            Peer::Replay => unreachable!("replays ask workers for nothing"),
        };
        assert!(lets_in(&children, namespace, pod), "{}", flow.purpose);
    }
    assert!(!lets_in(&children, "shop", "shop-frontend"), "a neighbour");
    assert!(!lets_in(&children, "sluice-system", "something-else"), "the operator's neighbour");
    assert!(!lets_in(&children, "shop", "sluice-operator"), "a pod that borrows the operator's label");
}
