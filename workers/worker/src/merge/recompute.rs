//! Windows that are lost are computed again: from silver, and from what was published of them.
//!
//! Windows are lost where a replay has changed their rows of silver, and where they are to be corrected and the file
//! that they left memory for is gone. The next manifest has a base of its own, so no restart does this again.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::TryStreamExt;
use sluice_contract::manifest::MERGE;
use sluice_engine::gold::{self, Merge, PublishedBefore, Recomputation, SENT_AT, Span, TIME_OF_ROW, Times};
use sluice_engine::tables::{BRONZE, KAFKA_TIMESTAMP, SILVER, WINDOW_START};
use sluice_lake::{Lake, Reader, TopicIdentity, failpoint};
use snafu::ResultExt;

use super::error::{BrokenSnafu, LakeSnafu, MergeError, UnusableSnafu};
use super::memory::{Memory, Recipe, blocking};
use super::progress::Progress;
use super::publisher::Target;
use crate::finding::Finding;

/// Rows of silver are looked for by so many spans of time at most; more are looked for by one that has them all.
const MOST_SPANS: usize = 32;

/// How an attempt to compute windows again ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Some of what was lost is there again.
    Done(Memory),
    /// Silver has yet to get epochs that were folded: their manifests are decided, and their worker commits them.
    SilverIsBehind(Memory),
}

/// Computes the oldest of the lost windows again.
pub(super) async fn recompute(
    lake: &Lake,
    recipe: &Recipe,
    memory: Memory,
    tables: &[Target],
) -> Result<Attempt, MergeError> {
    let Memory { merge, progress, history } = memory;
    let mut recomputation = begin(lake, recipe, &merge).await?;
    let times = recomputation.times();
    let names: &[&str] = match times {
        Times::Silver { .. } => &[SILVER],
        Times::Bronze { .. } => &[SILVER, BRONZE],
    };
    let reader = lake.reader(names).await.context(LakeSnafu)?;
    if !has_all_epochs(lake, &reader, &progress).await? {
        return Ok(Attempt::SilverIsBehind(Memory { merge, progress, history }));
    }
    failpoint::hit_of(MERGE, "before_recomputation");
    recomputation =
        each_batch(&reader, &rows_with_times(&times), recomputation, Recomputation::observe).await?;
    let layouts = tables.iter().enumerate();
    let published =
        layouts.flat_map(|(place, table)| table.layout.buckets().map(move |bucket| (place, bucket)));
    let spans = recomputation.choose(published.map(|(place, bucket)| (place, bucket.window_start_us)));
    if !spans.is_empty() {
        let sql = rows_within(&times, &spans);
        recomputation = each_batch(&reader, &sql, recomputation, Recomputation::add).await?;
    }
    let starts = recomputation.starts().collect();
    let published = published_before(lake, starts, tables).await?;
    let mut merge = merge;
    let merge = blocking(move || -> Result<Merge, MergeError> {
        recomputation.close().map_err(broken)?;
        merge.settle(recomputation, &published).map_err(broken)?;
        Ok(merge)
    });
    let merge = merge.await??;
    failpoint::hit_of(MERGE, "after_recomputation");
    tracing::info!(rest = merge.has_lost(), "computed windows again from silver");
    Ok(Attempt::Done(Memory { merge, progress, history }))
}

async fn begin(lake: &Lake, recipe: &Recipe, merge: &Merge) -> Result<Recomputation, MergeError> {
    let Recipe { config, schema } = recipe;
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: None };
    let identity = lake.identify(&config.owner, &topic, None).await.context(LakeSnafu)?;
    Recomputation::new(config, schema, *identity.lake_id.as_bytes(), merge).map_err(|errors| {
        UnusableSnafu { findings: errors.into_iter().map(Finding::from).collect::<Vec<_>>() }.build()
    })
}

/// Whether the table of silver, as it was opened, has all epochs of ingest that were folded.
async fn has_all_epochs(lake: &Lake, reader: &Reader, progress: &Progress) -> Result<bool, MergeError> {
    for (chain, next) in progress.next() {
        let Some(folded) = next.checked_sub(1) else { continue };
        let Some(manifest) = lake.manifest(&chain, folded).await.context(LakeSnafu)? else {
            // It was pruned, which happens to manifests alone that all tables have.
            continue;
        };
        let last_epoch = manifest.tables.get(SILVER).map_or(0, |progress| progress.last_epoch);
        let known = reader.transaction(SILVER, &chain.to_string()).await.context(LakeSnafu)?;
        if known.unwrap_or_default().unsigned_abs() < last_epoch {
            tracing::debug!(%chain, last_epoch, known, "silver lacks epochs that were folded");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives all rows of a question to a recomputation.
async fn each_batch(
    reader: &Reader,
    sql: &str,
    mut recomputation: Recomputation,
    take: fn(&mut Recomputation, &RecordBatch) -> Result<(), ArrowError>,
) -> Result<Recomputation, MergeError> {
    let mut rows = reader.stream(sql).await.context(LakeSnafu)?;
    while let Some(batch) = rows.try_next().await.context(LakeSnafu)? {
        let taken = move || take(&mut recomputation, &batch).map(|()| recomputation);
        recomputation = blocking(taken).await?.map_err(broken)?;
    }
    Ok(recomputation)
}

/// What readers see of the windows that are to be settled, table by table; `starts` are those of the windows, by the
/// place of their table.
async fn published_before(
    lake: &Lake,
    starts: BTreeMap<usize, Span>,
    tables: &[Target],
) -> Result<Vec<PublishedBefore>, MergeError> {
    let mut published = vec![PublishedBefore::default(); tables.len()];
    for (place, Span { from_us, until_us }) in starts {
        let Target { spec, layout, .. } = &tables[place];
        let buckets = layout.buckets().filter(|bucket| (from_us..until_us).contains(&bucket.window_start_us));
        let buckets = buckets.map(|bucket| gold::Bucket {
            window_start_us: bucket.window_start_us,
            number: bucket.number,
            of: bucket.of,
        });
        published[place].buckets = buckets.collect();
        if !published[place].buckets.is_empty() {
            let (name, from, until) = (&spec.name, time(from_us), time(until_us));
            let sql = format!(
                "SELECT * FROM \"{name}\" WHERE \"{WINDOW_START}\" >= {from} AND \"{WINDOW_START}\" < {until}"
            );
            published[place].rows = lake.query(&[name.as_str()], &[], &sql).await.context(LakeSnafu)?;
        }
    }
    Ok(published)
}

fn broken(error: impl std::fmt::Display) -> MergeError {
    BrokenSnafu { detail: format!("windows were to be computed again: {error}") }.build()
}

/// Partition, offset and times of all rows of silver.
fn rows_with_times(times: &Times) -> String {
    let (event_time, sent, source) = sources(times);
    format!(
        "SELECT s.\"partition\", s.\"offset\", {event_time} AS \"{TIME_OF_ROW}\", {sent} AS \"{SENT_AT}\" FROM {source}"
    )
}

/// All columns of the rows of silver within spans of event times, as far as SQL can tell; the recomputation looks
/// itself.
fn rows_within(times: &Times, spans: &[Span]) -> String {
    let (event_time, _, source) = sources(times);
    let rows = format!("SELECT s.*, {event_time} AS \"{TIME_OF_ROW}\" FROM {source}");
    let (Times::Silver { .. }, Some(first), Some(last)) = (times, spans.first(), spans.last()) else {
        return rows;
    };
    let whole = [Span { from_us: first.from_us, until_us: last.until_us }];
    let spans = if spans.len() > MOST_SPANS { &whole[..] } else { spans };
    let within = spans.iter().map(|Span { from_us, until_us }| {
        format!("({event_time} >= {} AND {event_time} < {})", time(*from_us), time(*until_us))
    });
    format!("{rows} WHERE {}", within.collect::<Vec<_>>().join(" OR "))
}

/// The expressions of both times, and the rows that they are of.
fn sources(times: &Times) -> (String, String, String) {
    match times {
        Times::Silver { event_time, kafka_timestamp } => {
            (column("s", event_time), column("s", kafka_timestamp), format!("{SILVER} s"))
        }
        Times::Bronze { event_time } => (
            column("b", event_time),
            column("b", KAFKA_TIMESTAMP),
            format!(
                "{SILVER} s JOIN {BRONZE} b ON s.\"partition\" = b.\"partition\" AND s.\"offset\" = b.\"offset\""
            ),
        ),
    }
}

fn column(table: &str, name: &str) -> String {
    format!("{table}.\"{}\"", name.replace('"', "\"\""))
}

fn time(us: i64) -> String {
    format!("arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silver() -> Times {
        Times::Silver { event_time: "a\"b".to_owned(), kafka_timestamp: "sent".to_owned() }
    }

    #[test]
    fn times_that_silver_has_are_read_there_and_others_in_bronze() {
        let sql = rows_with_times(&silver());
        assert!(
            sql.contains("s.\"a\"\"b\" AS \"__event_time\", s.\"sent\" AS") && !sql.contains("JOIN"),
            "{sql}"
        );
        let sql = rows_with_times(&Times::Bronze { event_time: "at".to_owned() });
        assert!(sql.contains("b.\"at\" AS \"__event_time\", b.\"kafka_timestamp\" AS"), "{sql}");
        assert!(
            sql.ends_with(
                "JOIN bronze b ON s.\"partition\" = b.\"partition\" AND s.\"offset\" = b.\"offset\""
            )
        );
    }

    #[test]
    fn rows_are_looked_for_by_their_spans_or_by_one_that_has_them_all() {
        let spans: Vec<Span> = (0..40).map(|at| Span { from_us: at * 10, until_us: at * 10 + 5 }).collect();
        let few = rows_within(&silver(), &spans[..2]);
        assert_eq!(few.matches(" OR ").count(), 1, "{few}");
        let many = rows_within(&silver(), &spans);
        assert!(many.contains(&time(0)) && many.contains(&time(395)) && !many.contains(" OR "), "{many}");
        let text = rows_within(&Times::Bronze { event_time: "at".to_owned() }, &spans);
        assert!(!text.contains("WHERE"), "text is no time yet: {text}");
    }
}
