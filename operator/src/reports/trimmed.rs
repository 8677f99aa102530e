//! A report that is safe to repeat: its texts cut, its lists short. Pure.

use sluice_contract::report::Report;

use crate::conditions::cut;

const LONGEST_NAME: usize = 64;
const LONGEST_MESSAGE: usize = 1_000;
const MOST_PROBLEMS: usize = 16;
const MOST_TABLES: usize = 64;
const MOST_PARTITIONS: usize = 256;
const MOST_REASONS: usize = 128;

/// A report with its texts cut and its lists shortened to what a status holds.
pub(super) fn trimmed(mut report: Report) -> Report {
    report.writer = cut(&report.writer, LONGEST_NAME);
    report.configuration = cut(&report.configuration, LONGEST_NAME);
    report.problems.truncate(MOST_PROBLEMS);
    for problem in &mut report.problems {
        problem.message = cut(&problem.message, LONGEST_MESSAGE);
        if !is_word(&problem.reason) {
            "Unknown".clone_into(&mut problem.reason);
        }
    }
    report.tables.truncate(MOST_TABLES);
    report.tables.retain(|table| table.name.chars().count() <= 80);
    if let Some(gold) = &mut report.gold {
        gold.stalled_partitions.truncate(MOST_PARTITIONS);
        gold.tables.truncate(MOST_TABLES);
        gold.tables.retain(|table| table.name.chars().count() <= 80);
    }
    if let Some(scoring) = &mut report.scoring {
        // They are about people, and no status tells of them: whoever may read a status may not read a topic.
        scoring.newest_alerts.clear();
    }
    let mut kept = 0;
    report.counts.refused.retain(|stage, reasons| {
        reasons.retain(|reason, _| {
            kept += 1;
            kept <= MOST_REASONS && reason.chars().count() <= LONGEST_NAME
        });
        stage.len() <= 16 && !reasons.is_empty()
    });
    report
}

/// What may be the reason of a condition.
fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric())
}
