//! One line for a pipeline or a scorer, as `key=value` pairs that scripts can read. Pure.

use std::fmt::Write;

use crate::progress::view::JobView;

/// The line of a pipeline or a scorer.
pub(crate) fn render(view: &JobView) -> String {
    let unknown = || "unknown".to_owned();
    let number = |value: Option<u64>| value.map_or_else(unknown, |value| value.to_string());
    let epochs: Vec<String> = view.epochs.iter().map(|epoch| number(*epoch)).collect();
    let mut line = format!(
        "{}={} state={} messages_per_second={:.0} lag={} freshness_ms={} epochs={}",
        view.noun,
        view.name,
        view.state,
        view.messages_per_second,
        number(view.lag),
        number(view.freshness_ms),
        epochs.join(","),
    );
    let mut add = |key: &str, value: &dyn std::fmt::Display| {
        write!(line, " {key}={value}").expect("a String takes everything");
    };
    add("messages", &view.counts.messages);
    for table in &view.tables {
        add(&format!("{}.rows", table.name), &table.rows);
        add(&format!("{}.files", table.name), &table.files);
        add(&format!("{}.bytes", table.name), &table.bytes);
        add(&format!("{}.version", table.name), &table.version);
    }
    add("duplicates", &view.counts.duplicates);
    add("key_mismatches", &view.counts.key_mismatches);
    for (stage, reasons) in &view.counts.refused {
        for (reason, count) in reasons {
            add(&format!("refused.{stage}.{reason}"), count);
        }
    }
    if let Some(gold) = &view.gold {
        add("open_windows", &gold.open_windows);
        add("window_rows", &gold.groups);
        add("corrections", &gold.tables.iter().map(|table| table.corrections).sum::<u64>());
    }
    if let Some(scoring) = &view.scoring {
        add("rule_sets", &scoring.rule_sets.join(","));
        add("alerts", &view.counts.scoring.alerts);
        add("alert_latency_ms", &number(scoring.alert_latency_ms));
        for (level, rows) in &scoring.levels {
            add(&format!("level.{level}"), rows);
        }
        for (rule, rows) in &view.counts.scoring.rules {
            add(&format!("rule.{rule}"), rows);
        }
    }
    let stalled = view.stalled_partitions();
    if !stalled.is_empty() {
        let numbers: Vec<String> = stalled.iter().map(i32::to_string).collect();
        add("stalled_partitions", &numbers.join(","));
    }
    for problem in &view.problems {
        add("problem", &format_args!("{}: {:?}", problem.reason, problem.message));
    }
    line
}

#[cfg(test)]
mod tests {
    use sluice_contract::report::{GoldReport, Problem};

    use super::render;
    use crate::progress::fixtures::{gold, pipeline, scorer};
    use crate::progress::view::JobView;

    #[test]
    fn the_line_of_a_pipeline_with_windows_counts_them() {
        let view = JobView { gold: Some(gold()), ..JobView::of(&pipeline()) };
        let line = render(&view);
        assert!(line.ends_with(" open_windows=12 window_rows=3400 corrections=5"), "{line}");
    }

    #[test]
    fn every_figure_has_its_key() {
        let mut view = JobView::of(&pipeline());
        view.problems = vec![Problem { reason: "TopicMissing".to_owned(), message: "create it".to_owned() }];
        assert_eq!(
            render(&view),
            "pipeline=default/shop state=Running messages_per_second=10012 lag=1201 freshness_ms=2100 \
             epochs=40,41 messages=2000 bronze.rows=1204311 bronze.files=82 bronze.bytes=96344880 \
             bronze.version=81 silver.rows=1900 silver.files=82 silver.bytes=152000 silver.version=81 \
             quarantine.rows=60 quarantine.files=8 quarantine.bytes=4800 quarantine.version=7 duplicates=40 \
             key_mismatches=0 refused.decode.MalformedJson=20 refused.silver.NonPositiveAmount=40 \
             problem=TopicMissing: \"create it\""
        );
    }

    #[test]
    fn partitions_that_windows_do_not_wait_for_are_named() {
        let gold = GoldReport { stalled_partitions: vec![3, 5], ..gold() };
        let view = JobView { gold: Some(gold), ..JobView::of(&pipeline()) };
        assert!(render(&view).ends_with(" stalled_partitions=3,5"), "{}", render(&view));
    }

    #[test]
    fn the_line_of_a_scorer_has_its_scores() {
        let line = render(&JobView::of_scorer(&scorer()));
        assert!(line.starts_with("scorer=default/shop state=Running "), "{line}");
        let scores = " rule_sets=5afe alerts=7 alert_latency_ms=8 level.HIGH=7 level.LOW=1893 rule.old=7";
        assert!(line.ends_with(scores), "{line}");
    }

    #[test]
    fn what_is_not_known_says_so() {
        let mut pipeline = pipeline();
        pipeline.workers.iter_mut().for_each(|worker| worker.report = None);
        let line = render(&JobView::of(&pipeline));
        assert!(line.contains("lag=unknown freshness_ms=unknown epochs=unknown,unknown"), "{line}");
    }
}
