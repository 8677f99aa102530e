//! Every pod meets the Pod Security Standard `restricted`, and writes to nothing but its volumes.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::json;

use super::fixture::{changed, children, example, example_names, kubernetes, resolved, world};
use crate::sharded_job::build::{build_check, documents_of_check};
use crate::stream_pipeline::build;
use crate::stream_pipeline::job::job;

/// What of the standard a pod does not meet.
pub(crate) fn violations(pod: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |holds: bool, rule: &str| {
        if !holds {
            found.push(rule.to_owned());
        }
    };
    let security = pod.security_context.clone().unwrap_or_default();
    let seccomp = security.seccomp_profile.map(|profile| profile.type_);
    expect(seccomp.as_deref() == Some("RuntimeDefault"), "seccomp profile");
    expect(security.run_as_non_root == Some(true), "runAsNonRoot");
    expect(security.run_as_user.is_none_or(|user| user != 0), "runAsUser is root");
    expect(security.sysctls.is_none(), "sysctls");
    expect(pod.host_network != Some(true), "host network");
    expect(pod.host_pid != Some(true) && pod.host_ipc != Some(true), "host namespaces");
    expect(pod.automount_service_account_token == Some(false), "token of the ServiceAccount");
    expect(
        pod.init_containers.is_none() && pod.ephemeral_containers.is_none(),
        "containers that nothing checks",
    );
    for volume in pod.volumes.iter().flatten() {
        let allowed = volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.empty_dir.is_some()
            || volume.persistent_volume_claim.is_some();
        expect(allowed, "kind of volume");
    }
    for container in &pod.containers {
        let security = container.security_context.clone().unwrap_or_default();
        expect(security.allow_privilege_escalation == Some(false), "privilege escalation");
        expect(security.privileged != Some(true), "privileged");
        expect(security.read_only_root_filesystem == Some(true), "root file system");
        let capabilities = security.capabilities.unwrap_or_default();
        expect(capabilities.drop == Some(vec!["ALL".to_owned()]), "dropped capabilities");
        expect(capabilities.add.is_none(), "added capabilities");
        let ports = container.ports.iter().flatten();
        expect(ports.clone().all(|port| port.host_port.is_none()), "host port");
        expect(ports.clone().all(|port| port.container_port >= 1024), "port that needs a privilege");
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        expect(limits.is_some_and(|limits| limits.contains_key("memory")), "memory limit");
    }
    found
}

#[test]
fn every_pod_of_every_example_is_restricted() {
    for name in example_names() {
        for deployment in children(&name).deployments {
            let pod = deployment.spec.and_then(|spec| spec.template.spec).expect("a Deployment has a pod");
            assert_eq!(violations(&pod), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn no_pod_template_of_a_user_makes_a_pod_less_restricted() {
    let templates = [
        json!({"labels": {"team": "a"}, "annotations": {"note": "b"}}),
        json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "ssd"}}),
        json!({"serviceAccountName": "mine", "imagePullSecrets": [{"name": "pull"}], "priorityClassName": "high"}),
        json!({"resources": {"limits": {"memory": "4Gi", "cpu": 2}}}),
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}),
    ];
    let site = kubernetes();
    for template in templates {
        let pipeline = changed(&[("/spec/podTemplate", template.clone())]);
        for deployment in build(&resolved(&pipeline, &world(), &site), &site).deployments {
            let pod = deployment.spec.and_then(|spec| spec.template.spec).expect("a Deployment has a pod");
            assert_eq!(violations(&pod), Vec::<String>::new(), "{template}");
        }
    }
}

#[test]
fn the_check_itself_refuses_a_bare_pod() {
    let found = violations(&PodSpec { containers: vec![Container::default()], ..PodSpec::default() });
    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn the_pod_of_every_check_is_restricted() {
    let site = kubernetes();
    for name in example_names() {
        let job = job(&resolved(&example(&name), &world(), &site), &site);
        let check = build_check(&job, &documents_of_check(&job), &site);
        let pod = check.spec.and_then(|spec| spec.template.spec).expect("a Job has a pod");
        assert_eq!(violations(&pod), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_pod_of_every_upkeep_is_restricted() {
    for name in example_names() {
        let job = children(&name).cron_job.and_then(|upkeep| upkeep.spec?.job_template.spec);
        let pod = job.and_then(|job| job.template.spec).expect("an upkeep has a pod");
        assert_eq!(violations(&pod), Vec::<String>::new(), "{name}");
    }
}
