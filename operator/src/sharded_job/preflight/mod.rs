//! Preflight: what the check of a configuration says. Pure.
//!
//! A configuration that no worker runs yet is checked by a Job before any worker gets it, so that one that
//! cannot work never replaces one that does. What a check found wrong with the text of the spec stands until
//! the spec changes; what it missed around it (brokers, the registry, storage) may come, so it is repeated.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;

use super::ending::Ending;
use super::seen::JobSeen;
use crate::pod_trouble::Trouble;

/// A check that may end otherwise is repeated after this.
const REPEATED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Findings at these fields are about the world, not about the text of the spec.
const WORLDLY: [&str; 5] = ["source.kafka", "source.schemaRegistry", "storage", "shards", "alerts.topic"];

/// How a check stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing is wrong.
    Passed,
    /// It has not ended yet.
    Running,
    /// It cannot run.
    Hindered(Trouble),
    /// It found something wrong.
    Failed {
        /// What, and the fixes.
        findings: String,
        /// Whether only a change of the spec mends it.
        is_lasting: bool,
        /// When it ended.
        ended: Option<Timestamp>,
    },
}

impl Check {
    /// Whether it is time to check again.
    pub fn is_to_be_repeated(&self, now: Timestamp) -> bool {
        match self {
            Self::Failed { is_lasting: false, ended, .. } => {
                ended.is_none_or(|ended| now.duration_since(ended) >= REPEATED_AFTER)
            }
            _ => false,
        }
    }
}

/// How the check of a configuration stands.
pub fn judge(check: Option<&JobSeen>) -> Check {
    let Some(check) = check else { return Check::Running };
    match Ending::of(check) {
        Ending::Running => Check::Running,
        Ending::Hindered(trouble) => Check::Hindered(trouble),
        Ending::Complete { .. } => Check::Passed,
        Ending::Failed { words, reason, at } => {
            let findings: Vec<&str> =
                words.iter().map(String::as_str).filter(|line| !is_count(line)).collect();
            let findings = if findings.is_empty() {
                no_words(&check.job, reason.as_deref())
            } else {
                findings.join("\n")
            };
            let is_lasting = is_lasting(&findings);
            Check::Failed { findings, is_lasting, ended: at }
        }
    }
}

/// The last line of a check counts its findings.
fn is_count(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(number, word)| {
        number.chars().all(|digit| digit.is_ascii_digit()) && word.starts_with("finding")
    })
}

fn no_words(job: &Job, reason: Option<&str>) -> String {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    match reason {
        Some("DeadlineExceeded") => {
            format!("the check did not end in time; see kubectl describe job {name}")
        }
        _ => format!("the check failed without a word; see kubectl logs job/{name}"),
    }
}

/// Whether at least one finding is about the text of the spec.
fn is_lasting(findings: &str) -> bool {
    findings.lines().any(|line| {
        line.split_once(": ").is_some_and(|(field, _)| {
            // A scorer's document has that of its pipeline inside.
            let field = field.strip_prefix("pipeline.").unwrap_or(field);
            is_field(field) && !WORLDLY.iter().any(|worldly| field.starts_with(worldly))
        })
    })
}

/// A path of a field: `silver.columns[3].expr`.
fn is_field(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "._[]".contains(character))
}

#[cfg(test)]
mod tests;
