//! Events: one for each transition of a condition that matters to people. Pure.
//!
//! The reason of an event is that of its condition. Several conditions that tell one fact (not ready and
//! stalled, by the same reason) make one event.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::conditions::{reasons, types};

use crate::conditions::{find, is_good};

/// Reasons of being not ready that are part of any life.
const ORDINARY: [&str; 4] =
    [reasons::STARTING, reasons::CHECKING, reasons::ROLLING_OUT, reasons::AWAITING_FIRST_MODEL];

/// Something that people should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The condition's type.
    pub type_: String,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub note: String,
    /// Whether it is bad news.
    pub is_warning: bool,
}

/// What has changed between two lists of conditions.
pub fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Transition> {
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for condition in after.iter().filter(|condition| is_told(condition)) {
        let earlier = find(before, &condition.type_);
        let is_same = earlier
            .is_some_and(|earlier| earlier.status == condition.status && earlier.reason == condition.reason);
        let is_first_good_news = earlier.is_none() && !is_bad(condition) && condition.type_ != types::READY;
        if is_same || is_first_good_news || !told.insert(condition.reason.clone()) {
            continue;
        }
        found.push(Transition {
            type_: condition.type_.clone(),
            reason: condition.reason.clone(),
            note: condition.message.clone(),
            is_warning: is_bad(condition) && !ORDINARY.contains(&condition.reason.as_str()),
        });
    }
    found
}

/// That the operator is at work is no news; nor is what nobody knows.
fn is_told(condition: &Condition) -> bool {
    condition.type_ != types::RECONCILING && condition.status != "Unknown"
}

fn is_bad(condition: &Condition) -> bool {
    (condition.status == "True") != is_good(&condition.type_)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use sluice_crds::conditions::types;

    use super::transitions;
    use crate::conditions::{Statement, Truth, merge};

    fn conditions(statements: &[(&'static str, Truth, &str)]) -> Vec<Condition> {
        let statements: Vec<_> = statements
            .iter()
            .map(|(type_, truth, reason)| Statement::new(type_, *truth, *reason, "note"))
            .collect();
        merge(&[], &statements, None, Timestamp::UNIX_EPOCH)
    }

    fn told(before: &[Condition], after: &[Condition]) -> Vec<(String, bool)> {
        transitions(before, after).into_iter().map(|told| (told.reason, told.is_warning)).collect()
    }

    #[test]
    fn an_invalid_resource_makes_one_event() {
        let after = conditions(&[
            (types::READY, Truth::False, "InvalidSpec"),
            (types::STALLED, Truth::True, "InvalidSpec"),
        ]);
        assert_eq!(told(&[], &after), [("InvalidSpec".to_owned(), true)]);
        assert_eq!(told(&after, &after), []);
    }

    #[test]
    fn starting_is_ordinary_and_running_is_good_news() {
        let starting = conditions(&[
            (types::READY, Truth::False, "Starting"),
            (types::RECONCILING, Truth::True, "Starting"),
        ]);
        assert_eq!(told(&[], &starting), [("Starting".to_owned(), false)]);
        let running = conditions(&[
            (types::READY, Truth::True, "Running"),
            (types::KAFKA_REACHABLE, Truth::True, "AsExpected"),
        ]);
        assert_eq!(told(&starting, &running), [("Running".to_owned(), false)]);
    }

    #[test]
    fn a_part_that_breaks_and_recovers_is_told_both_times() {
        let well = conditions(&[(types::KAFKA_REACHABLE, Truth::True, "AsExpected")]);
        let ill = conditions(&[(types::KAFKA_REACHABLE, Truth::False, "KafkaUnreachable")]);
        assert_eq!(told(&well, &ill), [("KafkaUnreachable".to_owned(), true)]);
        assert_eq!(told(&ill, &well), [("AsExpected".to_owned(), false)]);
        let unknown = conditions(&[(types::KAFKA_REACHABLE, Truth::Unknown, "NoReport")]);
        assert_eq!(told(&well, &unknown), []);
    }
}
