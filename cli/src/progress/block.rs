//! Some lines for a pipeline or a scorer, for a person at a terminal. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_contract::report::GoldReport;

use crate::progress::format::{bytes, count, duration, table};
use crate::progress::view::{JobView, ScoringView};

/// What a line is about, by which it is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Heading,
    Plain,
    Problem,
}

/// One line of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// The lines of a pipeline or a scorer, cut to a width.
pub(crate) fn render(view: &JobView, width: usize) -> Vec<Line> {
    let mut lines = vec![Line { tone: Tone::Heading, text: headline(view) }];
    let mut plain = |text: String| lines.push(Line { tone: Tone::Plain, text: format!("  {text}") });
    if !view.tables.is_empty() {
        tables(view).into_iter().for_each(&mut plain);
    }
    plain(format!(
        "messages {}   duplicates {}   key mismatches {}",
        count(view.counts.messages),
        count(view.counts.duplicates),
        count(view.counts.key_mismatches)
    ));
    for (stage, reasons) in &view.counts.refused {
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, number)| format!("{reason} {}", count(*number))).collect();
        plain(format!("refused at {stage}: {}", reasons.join(", ")));
    }
    if let Some(gold) = &view.gold {
        plain(windows(gold));
    }
    if let Some(scoring) = &view.scoring {
        scores(view, scoring).into_iter().for_each(&mut plain);
    }
    let stalled = view.stalled_partitions();
    if !stalled.is_empty() {
        let text = format!("  ! PartitionsStalled: windows do not wait for {}", listed(&stalled));
        lines.push(Line { tone: Tone::Problem, text });
    }
    for problem in &view.problems {
        let text = format!("  ! {}: {}", problem.reason, problem.message);
        lines.push(Line { tone: Tone::Problem, text });
    }
    for line in &mut lines {
        cut(&mut line.text, width);
    }
    lines
}

fn headline(view: &JobView) -> String {
    let epochs: Vec<String> =
        view.epochs.iter().map(|epoch| epoch.map_or_else(|| "-".to_owned(), count)).collect();
    let freshness = view.freshness_ms.map(Duration::from_millis);
    let noun = if view.scoring.is_some() { "scorer " } else { "" };
    format!(
        "{noun}{}  {}   {} messages/s   lag {}   freshness {}   epoch {}",
        view.name,
        view.state,
        count(view.messages_per_second.round() as u64),
        view.lag.map_or_else(|| "-".to_owned(), count),
        freshness.map_or_else(|| "-".to_owned(), duration),
        epochs.join(" "),
    )
}

fn windows(gold: &GoldReport) -> String {
    let corrections = gold.tables.iter().map(|table| table.corrections).sum();
    let stretched: Vec<String> = gold
        .tables
        .iter()
        .filter(|table| table.is_stretched)
        .map(|table| format!("{} every {}", table.name, duration(Duration::from_millis(table.interval_ms))))
        .collect();
    let note = if stretched.is_empty() {
        String::new()
    } else {
        format!("   published less often than asked: {}", stretched.join(", "))
    };
    format!(
        "windows open {}   with rows {}   corrections {}{note}",
        count(gold.open_windows),
        count(gold.groups),
        count(corrections)
    )
}

fn scores(view: &JobView, scoring: &ScoringView) -> Vec<String> {
    let listed = |pairs: Vec<(&String, u64)>| {
        let pairs = pairs.into_iter().map(|(name, rows)| format!("{name} {}", count(rows)));
        pairs.collect::<Vec<_>>().join(", ")
    };
    let latency = scoring.alert_latency_ms.map(Duration::from_millis);
    let mut lines = vec![
        format!("levels: {}", listed(scoring.levels.iter().map(|(name, rows)| (name, *rows)).collect())),
        format!(
            "alerts {}   p99 {}   rule set {}",
            count(view.counts.scoring.alerts),
            latency.map_or_else(|| "-".to_owned(), duration),
            if scoring.rule_sets.is_empty() { "-".to_owned() } else { scoring.rule_sets.join(" ") },
        ),
    ];
    if !view.counts.scoring.rules.is_empty() {
        let fired = view.counts.scoring.rules.iter().map(|(name, rows)| (name, *rows)).collect();
        lines.push(format!("rules fired: {}", listed(fired)));
    }
    lines
}

/// `partition 1`, `partitions 1, 5`.
fn listed(partitions: &BTreeSet<i32>) -> String {
    let noun = if partitions.len() == 1 { "partition" } else { "partitions" };
    let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
    format!("{noun} {}", numbers.join(", "))
}

fn tables(view: &JobView) -> Vec<String> {
    let mut rows = vec![["table", "rows", "files", "size", "version"].map(str::to_owned).to_vec()];
    for table in &view.tables {
        rows.push(vec![
            table.name.clone(),
            count(table.rows),
            count(table.files),
            bytes(table.bytes),
            count(table.version),
        ]);
    }
    table(&rows, &[false, true, true, true, true])
}

/// A line that wraps would put the block out of step with the cursor.
fn cut(text: &mut String, width: usize) {
    if let Some((end, _)) = text.char_indices().nth(width.saturating_sub(1))
        && text.chars().count() > width
    {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use sluice_contract::report::{GoldReport, Problem};

    use super::{Tone, render};
    use crate::progress::fixtures::{gold, pipeline, scorer};
    use crate::progress::view::JobView;

    #[test]
    fn a_block_shows_flow_tables_quarantine_and_problems() {
        let mut view = JobView::of(&pipeline());
        view.problems = vec![Problem { reason: "TopicMissing".to_owned(), message: "create it".to_owned() }];
        let lines = render(&view, 120);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "default/shop  Running   10,012 messages/s   lag 1,201   freshness 2.1s   epoch 40 41",
                "  table            rows  files      size  version",
                "  bronze      1,204,311     82   96.3 MB       81",
                "  silver          1,900     82  152.0 kB       81",
                "  quarantine         60      8    4.8 kB        7",
                "  messages 2,000   duplicates 40   key mismatches 0",
                "  refused at decode: MalformedJson 20",
                "  refused at silver: NonPositiveAmount 40",
                "  ! TopicMissing: create it",
            ]
        );
        assert_eq!(lines.last().map(|line| line.tone), Some(Tone::Problem));
    }

    #[test]
    fn partitions_that_windows_do_not_wait_for_are_named() {
        let last_line = |stalled: &[i32]| {
            let mut view = JobView::of(&pipeline());
            view.gold = Some(GoldReport { stalled_partitions: stalled.to_vec(), ..gold() });
            render(&view, 120).pop().map(|line| line.text).unwrap_or_default()
        };
        assert_eq!(last_line(&[3]), "  ! PartitionsStalled: windows do not wait for partition 3");
        assert_eq!(last_line(&[5, 3]), "  ! PartitionsStalled: windows do not wait for partitions 3, 5");
        assert!(!last_line(&[]).contains("Stalled"));
    }

    #[test]
    fn the_block_of_a_scorer_shows_levels_alerts_and_rules() {
        let lines = render(&JobView::of_scorer(&scorer()), 120);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "scorer default/shop  Running   5,006 messages/s   lag 600   freshness 2.1s   epoch 40",
                "  table          rows  files      size  version",
                "  fraud/scores  1,900      6  152.0 kB        5",
                "  messages 1,000   duplicates 20   key mismatches 0",
                "  refused at decode: MalformedJson 10",
                "  refused at silver: NonPositiveAmount 20",
                "  levels: HIGH 7, LOW 1,893",
                "  alerts 7   p99 8ms   rule set 5afe",
                "  rules fired: old 7",
            ]
        );
    }

    #[test]
    fn a_block_shows_windows_and_which_of_their_tables_are_late() {
        let mut view = JobView::of(&pipeline());
        let mut told = gold();
        view.gold = Some(told.clone());
        let has = |view: &JobView, text: &str| render(view, 200).iter().any(|line| line.text == text);
        assert!(
            has(&view, "  windows open 12   with rows 3,400   corrections 5"),
            "{:?}",
            render(&view, 200)
        );
        told.tables[1].is_stretched = true;
        view.gold = Some(told);
        let note = "published less often than asked: gold/merchant every 40.0s";
        assert!(has(&view, &format!("  windows open 12   with rows 3,400   corrections 5   {note}")));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [10, 20, 40] {
            let lines = render(&JobView::of(&pipeline()), width);
            assert!(lines.iter().all(|line| line.text.chars().count() <= width), "{lines:?}");
        }
    }
}
