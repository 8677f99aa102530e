//! What is wrong with a lake, and what a recovery does about it, in words. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sluice_contract::manifest::PartitionProgress;
use sluice_lake::{Survey, Verdict};

/// What is wrong, a line each.
pub(super) fn findings(survey: &Survey) -> Vec<String> {
    let mut lines: Vec<String> =
        survey.damaged.iter().map(|damage| format!("{}: {}", damage.path, damage.problem)).collect();
    for chain in &survey.chains {
        let end = chain.newest.as_ref().map_or("it has no manifests".to_owned(), |newest| {
            format!("its manifests end at {}", newest.epoch)
        });
        match &chain.verdict {
            Verdict::Sound | Verdict::Pending { .. } => {}
            Verdict::Lost { epoch } => {
                lines.push(format!(
                    "chain {}: the tables have all of it up to epoch {epoch}, {end}",
                    chain.id
                ));
            }
            Verdict::Doubtful { epoch, tables } if tables.is_empty() => {
                lines.push(format!("chain {}: epoch {epoch} is in no table, {end}", chain.id));
            }
            Verdict::Doubtful { epoch, tables } => lines.push(format!(
                "chain {}: epoch {epoch} is in {}, and perhaps not in all tables that it has rows for, {end}",
                chain.id,
                tables.join(" and ")
            )),
        }
    }
    lines
}

/// What is done about it, a line each.
fn steps(survey: &Survey, shards: u32, sources: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if survey.damaged.iter().any(|damage| damage.exists) {
        lines.push("move the files that cannot be read below _sluice/aside".to_owned());
    }
    for (chain, epoch, tables) in survey.doubtful().filter(|(_, _, tables)| !tables.is_empty()) {
        let tables = tables.join(" and ");
        lines.push(format!(
            "take the rows of epoch {epoch} of {} out of {tables}; its messages are read again",
            chain.id
        ));
    }
    lines.push(sources.to_owned());
    lines.push(format!(
        "begin generation {} with them, of {shards} {}",
        survey.next_generation,
        if shards == 1 { "shard" } else { "shards" }
    ));
    lines
}

/// The whole text of a run that changes nothing; `sources` says what would be found where.
pub(super) fn announced(uri: &str, survey: &Survey, shards: u32, sources: &str) -> String {
    let mut text = format!("Lost or torn in {uri}:\n");
    list(&mut text, &findings(survey));
    text.push_str("\nA recovery would:\n");
    list(&mut text, &steps(survey, shards, sources));
    text.push_str("\nNothing was changed. Stop the workers, and run it again with --apply.\n");
    text
}

/// The whole text of a run that did it.
pub(super) fn done(number: u64, partitions: &BTreeMap<i32, PartitionProgress>) -> String {
    let mut text = format!("Recovered: workers go on in generation {number}.\n\n");
    let _ = writeln!(
        text,
        "{:>9}  {:>14}  {:>14}  {:>14}",
        "PARTITION", "NEXT OFFSET", "BRONZE ROWS", "SILVER ROWS"
    );
    for (partition, progress) in partitions {
        let counts = &progress.counts;
        let _ = writeln!(
            text,
            "{partition:>9}  {:>14}  {:>14}  {:>14}",
            progress.next_offset, counts.bronze, counts.silver
        );
    }
    text.push_str("\nPartitions that are not listed have no rows: they are read from their first message.\n");
    text
}

fn list(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "  - {line}");
    }
}
