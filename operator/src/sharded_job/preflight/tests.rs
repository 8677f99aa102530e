use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Check, judge};
use crate::sharded_job::seen::JobSeen;

fn check(job: Value, pods: &[Value], refusal: Option<&str>) -> JobSeen {
    let pod = |status: &Value| {
        let pod = json!({"metadata": {"name": "shop-check"}, "status": status});
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    };
    JobSeen {
        job: Arc::new(
            serde_json::from_value(json!({"metadata": {"name": "check"}, "status": job})).expect("a Job"),
        ),
        pods: pods.iter().map(pod).collect(),
        refusal: refusal.map(str::to_owned),
    }
}

fn ended(type_: &str, reason: &str) -> Value {
    json!({"conditions": [{
        "type": type_, "status": "True", "reason": reason, "lastTransitionTime": "1970-01-01T00:00:00Z"
    }]})
}

fn said(code: i32, message: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "check", "image": "w", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": code, "message": message}}
    }]})
}

#[test]
fn a_check_runs_until_its_job_has_ended() {
    assert_eq!(judge(None), Check::Running);
    assert_eq!(judge(Some(&check(json!({"active": 1}), &[], None))), Check::Running);
    assert_eq!(judge(Some(&check(ended("Complete", ""), &[], None))), Check::Passed);
}

#[test]
fn findings_about_the_text_stand_and_those_about_the_world_are_checked_again() {
    let failed = ended("Failed", "BackoffLimitExceeded");
    let text = "silver.columns[0].expr: no column 'amuont'; did you mean 'amount'?";
    let world =
        "source.kafka.topic: the broker has no topic 'x'; create the topic, or correct source.kafka.topic";
    for (message, findings, lasts) in [
        (format!("{text}\n1 finding\n"), text.to_owned(), true),
        (format!("{world}\n1 finding\n"), world.to_owned(), false),
        (format!("{world}\n{text}\n2 findings\n"), format!("{world}\n{text}"), true),
        (format!("pipeline.{text}\n"), format!("pipeline.{text}"), true),
        (format!("pipeline.{world}\n"), format!("pipeline.{world}"), false),
        (
            "alerts.topic: is not there; make it\n".to_owned(),
            "alerts.topic: is not there; make it".to_owned(),
            false,
        ),
        ("thread 'main' panicked".to_owned(), "thread 'main' panicked".to_owned(), false),
    ] {
        let expected = Check::Failed { findings, is_lasting: lasts, ended: Some(Timestamp::UNIX_EPOCH) };
        assert_eq!(judge(Some(&check(failed.clone(), &[said(1, &message)], None))), expected);
    }
}

#[test]
fn only_what_may_end_otherwise_is_repeated_and_not_at_once() {
    let failed = |is_lasting| Check::Failed {
        findings: String::new(),
        is_lasting,
        ended: Some(Timestamp::UNIX_EPOCH),
    };
    let later = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
    assert!(!failed(false).is_to_be_repeated(later(59)));
    assert!(failed(false).is_to_be_repeated(later(60)));
    assert!(!failed(true).is_to_be_repeated(later(9_000)));
    assert!(!Check::Passed.is_to_be_repeated(later(60)));
    assert!(!Check::Running.is_to_be_repeated(later(60)));
}

#[test]
fn a_check_that_ends_without_a_word_says_where_to_look() {
    for (reason, words) in
        [("DeadlineExceeded", "in time"), ("BackoffLimitExceeded", "kubectl logs job/check")]
    {
        let Check::Failed { findings, is_lasting: false, .. } =
            judge(Some(&check(ended("Failed", reason), &[], None)))
        else {
            panic!("{reason} is a failure that may pass");
        };
        assert!(findings.contains(words), "{findings}");
    }
}

#[test]
fn what_keeps_the_check_itself_from_running_is_told() {
    let waiting = json!({"containerStatuses": [{
        "name": "check", "image": "w:9", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    }]});
    let Check::Hindered(trouble) = judge(Some(&check(json!({"active": 1}), &[waiting], None))) else {
        panic!("it cannot run");
    };
    assert_eq!(trouble.reason, "ImagePullFailed");
    let refusal = Some("pods is forbidden: violates PodSecurity \"restricted:latest\"");
    let Check::Hindered(trouble) = judge(Some(&check(json!({}), &[], refusal))) else {
        panic!("it cannot run")
    };
    assert_eq!(trouble.reason, "PodSecurityViolation");
    let over = judge(Some(&check(ended("Failed", "DeadlineExceeded"), &[], refusal)));
    assert!(matches!(over, Check::Failed { is_lasting: false, .. }), "it is tried again: {over:?}");
}
