//! Replays: what has become of one, and what is said of it. Pure.
//!
//! | the spec asks for | its Job | what is done |
//! |---|---|---|
//! | none | is there | it goes, running or not |
//! | one whose name has ended before | – | nothing: a name runs once |
//! | another | is not there | it is made as soon as all workers run the present configuration |
//! | another | is there | it is left alone, whatever changes |
//!
//! The status remembers which name has ended; the Job stays until the spec asks for it no more, so that one which
//! ends while the operator is away is not started again.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sluice_crds::conditions::{reasons, types};
use sluice_crds::replay::{ReplayPhase, ReplayStatus};

use super::ending::Ending;
use super::plan::Stage;
use super::seen::JobSeen;
use crate::conditions::{Statement, Truth, cut, whole_seconds};

/// Messages are for people: what is longer is cut.
const LONGEST_MESSAGE: usize = 1_000;

/// Whether nothing more comes of the replay of a name, by what the status has said so far.
pub fn has_ended(name: &str, told: Option<&ReplayStatus>) -> bool {
    told.is_some_and(|told| told.name == name && told.phase.is_final())
}

/// What the status says: `asked` is the name that the spec asks for, `told` what was said so far, `job` the Job of the
/// former, or else of the latter.
pub fn status(
    asked: Option<&str>,
    told: Option<&ReplayStatus>,
    job: Option<&JobSeen>,
    stage: &Stage,
    now: Timestamp,
) -> Option<ReplayStatus> {
    let Some(name) = asked else { return told.and_then(|told| given_up(told, job, now)) };
    if has_ended(name, told) {
        return told.cloned();
    }
    let pending = ReplayStatus::pending(name, waits_for(stage));
    Some(match job {
        Some(job) => of_job(pending, job),
        None => pending,
    })
}

/// What is said of a replay that nobody asks for any more: one that had not begun is forgotten.
fn given_up(told: &ReplayStatus, job: Option<&JobSeen>, now: Timestamp) -> Option<ReplayStatus> {
    match told.phase {
        ReplayPhase::Pending => None,
        ReplayPhase::Running => {
            // It may have ended just before.
            let ended = job.map(|job| of_job(told.clone(), job)).filter(|ended| ended.phase.is_final());
            Some(ended.unwrap_or_else(|| ReplayStatus {
                phase: ReplayPhase::Failed,
                message: Some("stopped: spec.replay was removed; the tables are whole".to_owned()),
                finished_at: Some(Time(whole_seconds(now))),
                ..told.clone()
            }))
        }
        ReplayPhase::Succeeded | ReplayPhase::Failed => Some(told.clone()),
    }
}

fn waits_for(stage: &Stage) -> &'static str {
    match stage {
        Stage::Refused(_) => "waits until the spec has no faults",
        Stage::Suspended(_) => "waits until spec.suspend is over",
        Stage::Waiting(_) | Stage::Checking(_) => "waits until the configuration can be used; see Ready",
        Stage::Running { .. } => "waits until all workers run the present configuration and are ready",
    }
}

fn of_job(replay: ReplayStatus, seen: &JobSeen) -> ReplayStatus {
    let started_at = seen.job.status.as_ref().and_then(|status| status.start_time.clone());
    let replay = ReplayStatus { started_at, ..replay };
    let job = seen.job.metadata.name.as_deref().unwrap_or_default();
    let (phase, message, at) = match Ending::of(seen) {
        Ending::Running => (ReplayPhase::Running, None, None),
        Ending::Hindered(trouble) => (ReplayPhase::Running, Some(trouble.message), None),
        Ending::Complete { at } => {
            (ReplayPhase::Succeeded, Some(format!("kubectl logs job/{job} shows what has changed")), at)
        }
        Ending::Failed { words, at, .. } => {
            let said = words.last().cloned();
            let message =
                said.unwrap_or_else(|| format!("failed without a word; see kubectl logs job/{job}"));
            (ReplayPhase::Failed, Some(message), at)
        }
    };
    let message = message.map(|message| cut(&message, LONGEST_MESSAGE));
    ReplayStatus { phase, message, finished_at: at.map(Time), ..replay }
}

/// The condition of a replay; its transitions make the events.
pub fn statement(replay: &ReplayStatus) -> Statement {
    let (truth, reason) = match replay.phase {
        ReplayPhase::Pending => (Truth::Unknown, reasons::REPLAY_PENDING),
        ReplayPhase::Running => (Truth::Unknown, reasons::REPLAY_RUNNING),
        ReplayPhase::Succeeded => (Truth::True, reasons::REPLAY_SUCCEEDED),
        ReplayPhase::Failed => (Truth::False, reasons::REPLAY_FAILED),
    };
    let message = replay.message.as_deref().unwrap_or("it runs");
    Statement::new(types::REPLAYED, truth, reason, format!("replay '{}': {message}", replay.name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::conditions::merge;
    use crate::transitions::transitions;

    const RUNNING: Stage = Stage::Running { rolling: false };

    fn job(status: Value, words: Option<&str>) -> JobSeen {
        let job = json!({"metadata": {"name": "shop-stpl-replay-1"}, "status": status});
        let pod = words.map(|words| {
            let terminated = json!({"exitCode": 1, "message": words});
            let container = json!({"name": "replay", "image": "w", "imageID": "", "ready": false, "restartCount": 0,
                                   "state": {"terminated": terminated}});
            let pod = json!({"metadata": {"name": "pod"}, "status": {"containerStatuses": [container]}});
            Arc::new(serde_json::from_value(pod).expect("a pod"))
        });
        JobSeen {
            job: Arc::new(serde_json::from_value(job).expect("a Job")),
            pods: pod.into_iter().collect(),
            refusal: None,
        }
    }

    fn running() -> JobSeen {
        job(json!({"active": 1, "startTime": "2026-01-05T20:00:00Z"}), None)
    }

    fn ended(type_: &str, words: Option<&str>) -> JobSeen {
        let condition =
            json!({"type": type_, "status": "True", "lastTransitionTime": "2026-01-05T20:10:00Z"});
        job(json!({"startTime": "2026-01-05T20:00:00Z", "conditions": [condition]}), words)
    }

    fn say(asked: Option<&str>, told: Option<&ReplayStatus>, job: Option<&JobSeen>) -> Option<ReplayStatus> {
        status(asked, told, job, &RUNNING, Timestamp::UNIX_EPOCH)
    }

    fn phase(said: Option<&ReplayStatus>) -> Option<(&str, ReplayPhase)> {
        said.map(|said| (said.name.as_str(), said.phase))
    }

    #[test]
    fn a_replay_waits_runs_and_ends_and_a_name_runs_once() {
        assert_eq!(say(None, None, None), None);
        let pending = say(Some("a"), None, None);
        assert_eq!(phase(pending.as_ref()), Some(("a", ReplayPhase::Pending)));
        let runs = say(Some("a"), pending.as_ref(), Some(&running())).expect("it runs");
        assert_eq!((runs.phase, runs.message.as_deref()), (ReplayPhase::Running, None));
        let time = |time: Option<Time>| time.map(|time| time.0.to_string());
        assert_eq!(time(runs.started_at.clone()).as_deref(), Some("2026-01-05T20:00:00Z"));
        let done = say(Some("a"), Some(&runs), Some(&ended("Complete", None))).expect("it is done");
        assert_eq!(done.phase, ReplayPhase::Succeeded);
        assert_eq!(time(done.finished_at.clone()).as_deref(), Some("2026-01-05T20:10:00Z"));
        assert_eq!(say(Some("a"), Some(&done), None).as_ref(), Some(&done), "whatever became of the Job");
        assert_eq!(phase(say(Some("b"), Some(&done), None).as_ref()), Some(("b", ReplayPhase::Pending)));
        assert!(has_ended("a", Some(&done)) && !has_ended("b", Some(&done)) && !has_ended("a", Some(&runs)));
    }

    #[test]
    fn a_replay_that_fails_tells_the_last_word_of_its_pod() {
        let words = "started\nsluice-worker: --until: partition 9 is unknown; name one of 0 to 7\n";
        let failed = say(Some("a"), None, Some(&ended("Failed", Some(words)))).expect("it has failed");
        let expected = "sluice-worker: --until: partition 9 is unknown; name one of 0 to 7";
        assert_eq!((failed.phase, failed.message.as_deref()), (ReplayPhase::Failed, Some(expected)));
        let silent = say(Some("a"), None, Some(&ended("Failed", None))).expect("it has failed");
        assert!(
            silent.message.is_some_and(|message| message.contains("kubectl logs job/shop-stpl-replay-1"))
        );
    }

    #[test]
    fn one_that_nobody_asks_for_any_more_has_failed_if_it_ran_and_is_forgotten_if_it_waited() {
        let pending = say(Some("a"), None, None);
        assert_eq!(say(None, pending.as_ref(), None), None);
        let runs = say(Some("a"), None, Some(&running()));
        let done = say(None, runs.as_ref(), Some(&ended("Complete", None))).expect("it is remembered");
        assert_eq!(done.phase, ReplayPhase::Succeeded, "it was faster");
        let stopped = say(None, runs.as_ref(), Some(&running())).expect("it is remembered");
        assert_eq!(stopped.phase, ReplayPhase::Failed);
        assert_eq!(stopped.finished_at, Some(Time(Timestamp::UNIX_EPOCH)));
        assert_eq!(say(None, Some(&stopped), None).as_ref(), Some(&stopped), "it stays as it is");
    }

    #[test]
    fn each_end_makes_one_event() {
        let mut conditions = Vec::new();
        let mut told = None;
        let mut events = Vec::new();
        let mut pass = |asked: &str, job: Option<&JobSeen>| {
            told = say(Some(asked), told.as_ref(), job);
            let said: Vec<Statement> = told.iter().map(statement).collect();
            let after = merge(&conditions, &said, None, Timestamp::UNIX_EPOCH);
            let news = transitions(&conditions, &after).into_iter();
            events.extend(news.map(|event| (event.reason, event.is_warning)));
            conditions = after;
        };
        for (asked, end) in [("a", "Complete"), ("b", "Complete"), ("c", "Failed")] {
            pass(asked, None);
            pass(asked, Some(&running()));
            pass(asked, Some(&ended(end, None)));
            pass(asked, None);
        }
        let expected = [("ReplaySucceeded", false), ("ReplaySucceeded", false), ("ReplayFailed", true)];
        assert_eq!(events, expected.map(|(reason, is_warning)| (reason.to_owned(), is_warning)));
    }
}
