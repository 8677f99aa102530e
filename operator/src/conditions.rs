//! Conditions: what shall be said, merged with what was said before. Pure.
//!
//! `lastTransitionTime` moves only when the status of a condition does, so that an unchanged resource gives
//! an identical document. A condition that is not said any more goes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sluice_crds::conditions::types;

/// Messages are for people: what is longer is cut.
const LONGEST_MESSAGE: usize = 2_000;

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

impl Truth {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition, without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its type.
    pub type_: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// Why, as a CamelCase word.
    pub reason: String,
    /// Why, for people, with the fix.
    pub message: String,
}

impl Statement {
    /// A condition that holds, or does not.
    pub fn new(
        type_: &'static str,
        truth: Truth,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, truth, reason: reason.into(), message: message.into() }
    }

    /// The same fact under another type.
    pub fn also(&self, type_: &'static str, truth: Truth) -> Self {
        Self { type_, truth, ..self.clone() }
    }
}

/// The conditions after a pass.
pub fn merge(
    previous: &[Condition],
    statements: &[Statement],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |statement: &Statement| {
        let before = previous.iter().find(|condition| condition.type_ == statement.type_);
        let since = before
            .filter(|condition| condition.status == statement.truth.as_str())
            .map_or_else(|| Time(whole_seconds(now)), |condition| condition.last_transition_time.clone());
        Condition {
            type_: statement.type_.to_owned(),
            status: statement.truth.as_str().to_owned(),
            reason: statement.reason.clone(),
            message: cut(&statement.message, LONGEST_MESSAGE),
            last_transition_time: since,
            observed_generation: generation,
        }
    };
    statements.iter().map(condition).collect()
}

/// A text of at most so many characters.
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition of this type is good news when it is true.
pub fn is_good(type_: &str) -> bool {
    !matches!(
        type_,
        types::RECONCILING
            | types::STALLED
            | types::DEGRADED
            | types::KEY_MISMATCH
            | types::LABEL_USED_IN_SCORING
            | types::TIMESTAMPS_UNTRUSTED
            | types::PARTITIONS_STALLED
            | types::SINGLE_NODE_STORAGE
            | types::RECONCILIATION_PAUSED
    )
}

/// The API server stores times of conditions in whole seconds.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use sluice_crds::conditions::types;

    use super::{Statement, Truth, cut, merge};

    fn ready(truth: Truth, reason: &str) -> Vec<Statement> {
        vec![Statement::new(types::READY, truth, reason, "")]
    }

    #[test]
    fn the_time_of_a_transition_moves_only_when_the_status_does() {
        let start = Timestamp::UNIX_EPOCH;
        let later = start + SignedDuration::from_secs(60);
        let first = merge(&[], &ready(Truth::False, "Starting"), Some(1), start);
        let reworded = merge(&first, &ready(Truth::False, "TopicMissing"), Some(2), later);
        assert_eq!(reworded[0].last_transition_time.0, start);
        assert_eq!((reworded[0].reason.as_str(), reworded[0].observed_generation), ("TopicMissing", Some(2)));
        let flipped = merge(&reworded, &ready(Truth::True, "Running"), Some(2), later);
        assert_eq!(flipped[0].last_transition_time.0, later);
        let repeated =
            merge(&flipped, &ready(Truth::True, "Running"), Some(2), later + SignedDuration::from_secs(9));
        assert_eq!(repeated, flipped, "an unchanged resource gives an identical document");
    }

    #[test]
    fn a_condition_that_is_not_said_any_more_goes() {
        let stalled = [Statement::new(types::STALLED, Truth::True, "InvalidSpec", "")];
        let before = merge(&[], &stalled, None, Timestamp::UNIX_EPOCH);
        let after = merge(&before, &ready(Truth::True, "Running"), None, Timestamp::UNIX_EPOCH);
        assert_eq!(after.len(), 1);
        assert_eq!(after[0].type_, types::READY);
    }

    #[test]
    fn times_are_whole_seconds_as_the_api_server_keeps_them() {
        let now = Timestamp::from_millisecond(1_234).expect("in range");
        let conditions = merge(&[], &ready(Truth::True, "Running"), None, now);
        assert_eq!(conditions[0].last_transition_time.0, Timestamp::from_second(1).expect("in range"));
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
