//! [`Ending`]: what has become of a Job, a check or a replay. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;

use super::seen::JobSeen;
use crate::pod_trouble::{self, Trouble};

/// Annotation of the pods of an Indexed Job: the number of the pod.
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What has become of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has not ended yet.
    Running,
    /// It cannot run.
    Hindered(Trouble),
    /// It has done its work.
    Complete {
        /// When it ended.
        at: Option<Timestamp>,
    },
    /// It has not, and is not tried again.
    Failed {
        /// The last lines that it printed, or what kept it from running; none where nobody knows.
        words: Vec<String>,
        /// Why Kubernetes has given it up.
        reason: Option<String>,
        /// When it ended.
        at: Option<Timestamp>,
    },
}

impl Ending {
    /// What is seen of a Job.
    pub fn of(seen: &JobSeen) -> Self {
        if let Some(complete) = condition(&seen.job, "Complete") {
            return Self::Complete { at: time_of(complete) };
        }
        if let Some(failure) = condition(&seen.job, "Failed") {
            let said = seen.pods.iter().filter(|pod| is_first(pod)).find_map(|pod| last_words(pod));
            let words = said.or_else(|| hindrance(seen).map(|trouble| vec![trouble.message]));
            let (reason, at) = (failure.reason.clone(), time_of(failure));
            return Self::Failed { words: words.unwrap_or_default(), reason, at };
        }
        hindrance(seen).map_or(Self::Running, Self::Hindered)
    }
}

/// Whether a Job does nothing more.
pub fn has_ended(job: &Job) -> bool {
    condition(job, "Complete").or_else(|| condition(job, "Failed")).is_some()
}

fn condition<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.find(|condition| condition.type_ == type_ && condition.status == "True")
}

fn time_of(condition: &JobCondition) -> Option<Timestamp> {
    condition.last_transition_time.as_ref().map(|time| time.0)
}

/// What keeps the Job itself from running.
fn hindrance(seen: &JobSeen) -> Option<Trouble> {
    let refusal = seen.refusal.as_ref().filter(|_| seen.pods.is_empty());
    let trouble = seen.pods.iter().find_map(|pod| pod_trouble::of_pod(pod));
    trouble.or_else(|| refusal.map(|said| pod_trouble::of_refusal(said)))
}

/// Whether it is the first one of several pods, which gives out the tasks, or the only one.
fn is_first(pod: &Pod) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(COMPLETION_INDEX)).is_none_or(|index| index == "0")
}

/// What the pod printed before it failed; `None` if that was nothing.
fn last_words(pod: &Pod) -> Option<Vec<String>> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let terminated = statuses.iter().find_map(|status| status.state.as_ref()?.terminated.as_ref())?;
    if terminated.exit_code == 0 {
        return None;
    }
    let lines = terminated.message.as_deref()?.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    (!lines.is_empty()).then_some(lines)
}
