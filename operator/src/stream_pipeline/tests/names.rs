//! The names of children fit everywhere that Kubernetes uses them.

use serde_json::json;

use super::fixture::{changed, kubernetes, resolved, world};
use crate::sharded_job::Children;
use crate::stream_pipeline::build;

fn names(children: &Children) -> Vec<String> {
    let metadata = [
        &children.service.metadata,
        &children.pod_disruption_budget.metadata,
        &children.network_policy.metadata,
    ];
    metadata
        .into_iter()
        .chain(children.config_map.iter().map(|child| &child.metadata))
        .chain(children.service_account.iter().map(|child| &child.metadata))
        .chain(children.cron_job.iter().map(|child| &child.metadata))
        .chain(children.deployments.iter().map(|child| &child.metadata))
        .map(|metadata| metadata.name.clone().expect("a child has a name"))
        .collect()
}

#[test]
fn the_longest_name_of_a_pipeline_makes_names_of_at_most_63_characters() {
    let name = "a".repeat(40);
    let pipeline = changed(&[("/metadata/name", json!(name)), ("/spec/shards", json!(128))]);
    let site = kubernetes();
    let children = build(&resolved(&pipeline, &world(), &site), &site);
    let names = names(&children);
    assert_eq!(names.len(), 134);
    let upkeep = children.cron_job.expect("a running pipeline is maintained").metadata.name;
    assert!(upkeep.is_some_and(|name| name.len() <= 52), "a CronJob adds eleven characters for each Job");
    for child in names {
        assert!(child.len() <= 63, "'{child}' has {} characters", child.len());
        assert!(child.starts_with(&format!("{name}-stpl-")), "'{child}' does not say whose it is");
        assert!(child.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}

#[test]
fn the_same_resource_always_gets_the_same_names() {
    let site = kubernetes();
    let built = || names(&build(&resolved(&changed(&[]), &world(), &site), &site));
    assert_eq!(built(), built());
}
