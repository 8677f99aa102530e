//! What keeps pods from running: the cause and the fix, from what Kubernetes says of them. Pure.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use sluice_crds::conditions::reasons;

use crate::conditions::cut;

/// Longest text that is taken over from a pod.
const LONGEST_TEXT: usize = 700;

/// Why a pod does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The reason of the condition.
    pub reason: &'static str,
    /// What is wrong, and the fix.
    pub message: String,
}

impl Trouble {
    fn new(reason: &'static str, what: &str, fix: &str) -> Self {
        Self { reason, message: format!("{}; {fix}", cut(what.trim(), LONGEST_TEXT)) }
    }
}

/// What keeps a pod from running, if something does.
pub fn of_pod(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let message = condition.message.as_deref().unwrap_or("no node fits");
        return Some(Trouble::new(
            reasons::UNSCHEDULABLE,
            &format!("pod '{name}': {message}"),
            "add a node that fits, or change spec.podTemplate (resources, nodeSelector, tolerations, affinity) or the volume",
        ));
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers.into_iter().find_map(|container| of_container(name, container))
}

fn of_container(pod: &str, status: &ContainerStatus) -> Option<Trouble> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    match waiting.reason.as_deref()? {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable" => Some(Trouble::new(
            reasons::IMAGE_PULL_FAILED,
            &format!("pod '{pod}': image '{}': {message}", status.image),
            "correct the operator's worker image, or add spec.podTemplate.imagePullSecrets",
        )),
        "CrashLoopBackOff" => {
            Some(of_crash(pod, status.last_state.as_ref().and_then(|state| state.terminated.as_ref())))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(Trouble::new(
            reasons::CONTAINER_SETUP_FAILED,
            &format!("pod '{pod}': {message}"),
            "create what the pod refers to, or correct spec.podTemplate",
        )),
        _ => None,
    }
}

fn of_crash(pod: &str, last: Option<&ContainerStateTerminated>) -> Trouble {
    let Some(last) = last else {
        return Trouble::new(
            reasons::CRASH_LOOP,
            &format!("pod '{pod}' ends again and again"),
            "see kubectl logs",
        );
    };
    if last.reason.as_deref() == Some("OOMKilled") {
        return Trouble::new(
            reasons::OUT_OF_MEMORY,
            &format!("pod '{pod}' used more memory than its limit"),
            "raise spec.podTemplate.resources.limits.memory",
        );
    }
    let words = last.message.as_deref().map_or("it left no message", last_words);
    Trouble::new(
        reasons::CRASH_LOOP,
        &format!("pod '{pod}' ended with exit code {}: {words}", last.exit_code),
        "see kubectl logs --previous",
    )
}

/// The end of a log says what went wrong last.
fn last_words(message: &str) -> &str {
    let message = message.trim();
    let start = message.len().saturating_sub(LONGEST_TEXT / 2);
    let start = (start..=message.len()).find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    &message[start..]
}

/// What keeps a Deployment from making its pod, if something does.
pub fn of_deployment(deployment: &Deployment) -> Option<Trouble> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let failure = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    Some(of_refusal(failure.message.as_deref().unwrap_or("no reason is given")))
}

/// What the API server means when it refuses a pod.
pub fn of_refusal(message: &str) -> Trouble {
    let (reason, fix) = if message.contains("exceeded quota") {
        (
            reasons::QUOTA_EXCEEDED,
            "raise the ResourceQuota, or lower spec.podTemplate.resources or spec.shards",
        )
    } else if message.contains("violates PodSecurity") {
        (
            reasons::POD_SECURITY_VIOLATION,
            "workers fit the level 'restricted': correct spec.podTemplate, or lower the namespace's level",
        )
    } else {
        (reasons::POD_REFUSED, "mend what the message names")
    };
    Trouble::new(reason, message, fix)
}

#[cfg(test)]
mod tests;
