//! The SQL of questions about refused messages. Pure.

use super::arguments::{Filter, Since, Stage};

/// Name of the table of what was replayed.
pub(super) const REPLAYED: &str = "replayed";

/// Where a page of messages begins: behind this partition and offset.
pub(super) type Cursor = (i32, i64);

/// Counts by stage and reason.
pub(super) fn count(filter: &Filter, has_replayed: bool) -> String {
    format!(
        "SELECT q.stage, q.reason, count(*) AS messages, min(q.processing_time) AS first, \
         max(q.processing_time) AS last FROM {} WHERE {} GROUP BY q.stage, q.reason ORDER BY q.stage, q.reason",
        outstanding(has_replayed),
        conditions(filter, None, &[]),
    )
}

/// Single messages, in the order of the topic.
pub(super) fn messages(
    filter: &Filter,
    stages: &[&str],
    after: Option<Cursor>,
    limit: usize,
    has_replayed: bool,
) -> String {
    format!(
        "SELECT q.topic, q.\"partition\", q.\"offset\", q.kafka_timestamp, q.kafka_key, q.\"value\", q.stage, \
         q.reason, q.detail, q.processing_time FROM {} WHERE {} \
         ORDER BY q.\"partition\", q.\"offset\" LIMIT {limit}",
        outstanding(has_replayed),
        conditions(filter, after, stages),
    )
}

/// The quarantine without what was replayed.
fn outstanding(has_replayed: bool) -> &'static str {
    if has_replayed {
        "quarantine q LEFT ANTI JOIN replayed r ON q.\"partition\" = r.\"partition\" \
         AND q.\"offset\" = r.\"offset\" AND q.stage = r.stage"
    } else {
        "quarantine q"
    }
}

fn conditions(filter: &Filter, after: Option<Cursor>, stages: &[&str]) -> String {
    let mut conditions = Vec::new();
    if !stages.is_empty() {
        let stages: Vec<String> = stages.iter().map(|stage| quoted(stage)).collect();
        conditions.push(format!("q.stage IN ({})", stages.join(", ")));
    }
    if let Some(stage) = filter.stage {
        conditions.push(format!("q.stage = {}", quoted(stage_name(stage))));
    }
    if let Some(reason) = &filter.reason {
        conditions.push(format!("q.reason = {}", quoted(reason)));
    }
    if let Some(partition) = filter.partition {
        conditions.push(format!("q.\"partition\" = {partition}"));
    }
    if let Some(offset) = filter.offset {
        conditions.push(format!("q.\"offset\" = {offset}"));
    }
    if let Some(Since(us)) = filter.since {
        conditions.push(format!("q.processing_time >= {}", time(us)));
    }
    if let Some((partition, offset)) = after {
        conditions.push(format!(
            "(q.\"partition\" > {partition} OR (q.\"partition\" = {partition} AND q.\"offset\" > {offset}))"
        ));
    }
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
}

fn time(us: i64) -> String {
    format!("arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// The stage's name in the table.
pub(super) fn stage_name(stage: Stage) -> &'static str {
    use sluice_contract::reasons;
    match stage {
        Stage::Decode => reasons::STAGE_DECODE,
        Stage::Silver => reasons::STAGE_SILVER,
        Stage::Late => reasons::STAGE_LATE,
    }
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column's name as SQL writes it.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The rows of silver that have the key of a candidate, on its partition: the candidate's position, both timestamps,
/// and the key. Candidates without one come once, with nulls.
///
/// `candidate_silver` and `candidate_bronze` are the candidates, in the columns of the tables. Only rows that were
/// sent between the two times of `sent` are looked at, or that nobody knows when, so that no whole table is read.
pub(super) fn copies(by: &[KeyColumn], sent: Option<(i64, i64)>) -> String {
    let keys: String =
        by.iter().enumerate().map(|(index, column)| format!(", {} AS k{index}", column.sql())).collect();
    let rows = |silver: &str, bronze: &str| {
        format!(
            "SELECT s.\"partition\" AS p, s.\"offset\" AS o, b.kafka_timestamp AS t{keys} FROM {silver} s \
             JOIN {bronze} b ON s.\"partition\" = b.\"partition\" AND s.\"offset\" = b.\"offset\""
        )
    };
    let near = sent.map_or(String::new(), |(from, to)| {
        let (from, to) = (time(from), time(to));
        format!(" WHERE b.kafka_timestamp IS NULL OR b.kafka_timestamp BETWEEN {from} AND {to}")
    });
    let of_candidate: String = (0..by.len()).map(|index| format!(", c.k{index}")).collect();
    let same: String =
        (0..by.len()).map(|index| format!(" AND c.k{index} IS NOT DISTINCT FROM f.k{index}")).collect();
    format!(
        "SELECT c.p, c.o, c.t, f.o, f.t{of_candidate} FROM ({}) c LEFT JOIN ({}{near}) f ON c.p = f.p{same} \
         ORDER BY c.p, c.o",
        rows("candidate_silver", "candidate_bronze"),
        rows("silver", "bronze"),
    )
}

/// A column that identifies rows, and the table that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyColumn {
    Silver(String),
    Bronze(String),
}

impl KeyColumn {
    fn sql(&self) -> String {
        match self {
            Self::Silver(name) => format!("s.{}", identifier(name)),
            Self::Bronze(name) => format!("b.{}", identifier(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_conditions_and_quotes_stay_text() {
        let filter = Filter {
            stage: Some(Stage::Silver),
            reason: Some("it's".to_owned()),
            partition: Some(3),
            offset: Some(7),
            since: None,
        };
        let expected =
            "q.stage = 'silver' AND q.reason = 'it''s' AND q.\"partition\" = 3 AND q.\"offset\" = 7";
        assert_eq!(conditions(&filter, None, &[]), expected);
        assert_eq!(conditions(&Filter::default(), None, &[]), "true");
    }

    #[test]
    fn copies_are_looked_for_in_the_tables_that_have_the_key_and_near_in_time() {
        let by = [KeyColumn::Silver("id".to_owned()), KeyColumn::Bronze("a\"b".to_owned())];
        let sql = copies(&by, Some((1, 2)));
        assert!(sql.contains("s.\"id\" AS k0, b.\"a\"\"b\" AS k1 FROM silver s"), "{sql}");
        assert!(sql.contains("c.k1 IS NOT DISTINCT FROM f.k1"), "{sql}");
        assert_eq!(sql.matches(" WHERE ").count(), 1, "the candidates are all looked at: {sql}");
        assert!(!copies(&by, None).contains("WHERE"));
    }

    #[test]
    fn a_page_begins_behind_the_cursor() {
        let sql = messages(&Filter::default(), &["decode"], Some((2, 10)), 5, true);
        assert!(sql.contains("q.stage IN ('decode') AND"), "{sql}");
        assert!(
            sql.contains("(q.\"partition\" > 2 OR (q.\"partition\" = 2 AND q.\"offset\" > 10))"),
            "{sql}"
        );
        assert!(sql.contains("LEFT ANTI JOIN replayed") && sql.ends_with("LIMIT 5"), "{sql}");
    }
}
