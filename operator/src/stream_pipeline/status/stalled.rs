//! `PartitionsStalled`: the partitions that windows do not wait for. Pure.
//!
//! Shard 0 tells them, which publishes the windows of all shards.

use std::collections::BTreeSet;

use sluice_contract::report::Report;
use sluice_crds::conditions::types;

use crate::conditions::{Statement, Truth};

/// So many are named; how many more there are is told.
const MOST_NAMED: usize = 16;

/// The partitions that windows do not wait for, because they trail far behind the others.
pub fn stalled_partitions<'a>(reports: impl Iterator<Item = &'a Report>) -> BTreeSet<i32> {
    let gold = reports.filter_map(|report| report.gold.as_ref());
    gold.flat_map(|gold| &gold.stalled_partitions).copied().collect()
}

/// The condition that names them; `None`: there are none.
pub fn stalled_statement<'a>(reports: impl Iterator<Item = &'a Report>) -> Option<Statement> {
    let stalled = stalled_partitions(reports);
    if stalled.is_empty() {
        return None;
    }
    let named: Vec<String> = stalled.iter().take(MOST_NAMED).map(i32::to_string).collect();
    let more = match stalled.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "partitions read to their ends that trail the median of all by more than \
         spec.source.eventTime.stalledAfter: {}{more}; windows do not wait for them, and their rows correct windows \
         that are final; see why their event times are so old, or raise stalledAfter",
        named.join(", ")
    );
    Some(Statement::new(types::PARTITIONS_STALLED, Truth::True, types::PARTITIONS_STALLED, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_contract::report::Report;

    use super::{stalled_partitions, stalled_statement};

    fn report(stalled: &[i32]) -> Report {
        serde_json::from_value(json!({
            "formatVersion": 1, "job": "ingest", "shard": 0, "shards": 2, "writer": "w", "configuration": "c",
            "phase": "Running", "problems": [], "startedAtMs": 0, "epoch": 3, "committedAtMs": 5_000, "lag": 0,
            "freshnessMs": 2_100, "messagesPerSecond": 1.5, "partitions": [], "tables": [],
            "counts": {
                "messages": 9, "bytes": 9, "bronze": 9, "silver": 9, "duplicates": 0, "keyMismatches": 0
            },
            "gold": {
                "epoch": 1, "publishedAtMs": null, "openWindows": 1, "groups": 1, "memoryBytes": 1,
                "stalledPartitions": stalled, "tables": []
            }
        }))
        .expect("a report")
    }

    fn message(stalled: &[i32]) -> Option<String> {
        stalled_statement([report(stalled)].iter()).map(|statement| statement.message)
    }

    #[test]
    fn the_condition_names_the_partitions_and_goes_with_them() {
        assert_eq!(message(&[]), None);
        let named = message(&[7, 12]).expect("there are some");
        assert!(named.contains("eventTime.stalledAfter: 7, 12; windows"), "{named}");
    }

    #[test]
    fn of_many_partitions_the_first_are_named_and_the_others_counted() {
        let many: Vec<i32> = (0..40).collect();
        let named = message(&many).expect("there are some");
        assert!(named.contains(" 14, 15 and 24 more; windows"), "{named}");
    }

    #[test]
    fn a_report_without_windows_stalls_nothing() {
        let report = Report { gold: None, ..report(&[1]) };
        assert!(stalled_partitions([report].iter()).is_empty());
    }
}
