use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{of_deployment, of_pod};

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "shop-0"}, "status": status})).expect("a pod")
}

fn waiting(reason: &str, message: &str, last: &Value) -> Value {
    json!({"containerStatuses": [{
        "name": "worker", "image": "ghcr.io/sluice/worker:9", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": reason, "message": message}}, "lastState": last
    }]})
}

#[test]
fn each_trouble_of_a_pod_has_its_reason_and_its_fix() {
    let unschedulable = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient memory."
    }]});
    let ended = |reason: &str, code: i32, message: &str| json!({"terminated": {"exitCode": code, "reason": reason, "message": message}});
    let none = json!({});
    for (status, reason, words) in [
        (unschedulable, "Unschedulable", vec!["Insufficient memory", "spec.podTemplate"]),
        (
            waiting("ImagePullBackOff", "not found", &none),
            "ImagePullFailed",
            vec!["worker:9", "imagePullSecrets"],
        ),
        (waiting("ErrImageNeverPull", "absent", &none), "ImagePullFailed", vec!["absent"]),
        (
            waiting("CreateContainerConfigError", "secret \"lake\" not found", &none),
            "ContainerSetupFailed",
            vec!["secret \"lake\" not found"],
        ),
        (
            waiting(
                "CrashLoopBackOff",
                "back-off 5m0s",
                &ended("Error", 2, "silver.columns[0].expr: no such column"),
            ),
            "CrashLoop",
            vec!["exit code 2", "silver.columns[0].expr", "kubectl logs"],
        ),
        (
            waiting("CrashLoopBackOff", "back-off", &ended("OOMKilled", 137, "")),
            "OutOfMemory",
            vec!["resources.limits.memory"],
        ),
        (waiting("CrashLoopBackOff", "back-off", &none), "CrashLoop", vec!["kubectl logs"]),
    ] {
        let trouble = of_pod(&pod(&status)).unwrap_or_else(|| panic!("{reason} is not seen"));
        assert_eq!(trouble.reason, reason);
        for word in words {
            assert!(trouble.message.contains(word), "{word} is not in {}", trouble.message);
        }
    }
}

#[test]
fn a_pod_that_starts_is_in_no_trouble() {
    for status in
        [json!({}), waiting("ContainerCreating", "", &json!({})), waiting("PodInitializing", "", &json!({}))]
    {
        assert_eq!(of_pod(&pod(&status)), None, "{status}");
    }
}

#[test]
fn the_end_of_a_long_message_is_kept_at_a_character() {
    let message = format!("{}ü the end", "ä".repeat(5_000));
    let status = waiting("CrashLoopBackOff", "", &json!({"terminated": {"exitCode": 1, "message": message}}));
    let trouble = of_pod(&pod(&status)).expect("a trouble");
    assert!(trouble.message.contains("the end"), "{}", trouble.message);
    assert!(trouble.message.len() < 2_000, "{} bytes", trouble.message.len());
}

#[test]
fn a_pod_that_the_api_server_refuses_is_told_with_the_rule_that_it_breaks() {
    let deployment = |message: &str| -> Deployment {
        serde_json::from_value(json!({"status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
        ]}}))
        .expect("a Deployment")
    };
    for (message, reason) in [
        ("pods \"a\" is forbidden: exceeded quota: small, requested: pods=1", "QuotaExceeded"),
        (
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot",
            "PodSecurityViolation",
        ),
        ("pods \"a\" is forbidden: error looking up service account", "PodRefused"),
    ] {
        let trouble = of_deployment(&deployment(message)).expect("a trouble");
        assert_eq!(trouble.reason, reason);
        assert!(trouble.message.contains(message), "{}", trouble.message);
    }
    assert_eq!(of_deployment(&Deployment::default()), None);
}
