//! The recovery of a scorer: its chains, made again from its table and the bronze of its pipeline.
//!
//! The table says up to which row each partition is scored. Copies, velocity and watermarks are those of the rows of
//! bronze before that. What comes after is scored again: alerts of an epoch that was never committed are sent once
//! more, with the same ids.
//!
//! Counts of alerts, of refused messages, of bytes and of key mismatches are in no table and begin anew.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use sluice_contract::config::{StartFrom, WorkerConfig};
use sluice_contract::cut::Cut;
use sluice_contract::manifest::{ChainId, INGEST, Writer, add_to};
use sluice_contract::scorer::ScorerConfig;
use sluice_engine::Scoring;
use sluice_lake::{Lake, Numbered, Reader, Successor, Survey, TopicIdentity};
use snafu::{ResultExt, ensure};
use uuid::Uuid;

use super::accounts::{Account, Accounts, integers};
use super::error::{ColumnsSnafu, LakeSnafu, PipelineBehindSnafu, PipelineLostSnafu, RecoverError};
use super::memory::{self, Memory};
use super::{Subject, TABLES, await_silence, beginning, look, plan};
use crate::score::work::{ScoreWork, table_spec};
use crate::stream::generations::{next, registry, schema_of};
use crate::stream::restore::find_topic_id;
use crate::stream::work::Work as _;

/// Where what a scorer remembers is found.
const SOURCES: &str = "find offsets in the table of scores; copies, velocity and watermarks in bronze";

/// Recovers a scorer, or tells what a recovery would do.
pub(super) async fn run(config: ScorerConfig, apply: bool) -> Result<String, RecoverError> {
    let lake = Lake::open(&config.pipeline.storage).await.context(LakeSnafu)?;
    let work = ScoreWork::at_rest(config);
    let table = work.table();
    let tables = [table.as_str()];
    let subject = Subject { work: &work, tables: &tables };
    let survey = look(&subject, &lake).await?;
    if survey.is_sound() {
        return Ok(format!("Nothing is lost of {} in {}.\n", work.job(), lake.uri()));
    }
    check_pipeline(work.pipeline(), &lake).await?;
    if !apply {
        return Ok(plan::announced(lake.uri(), &survey, work.shards(), SOURCES));
    }
    for finding in plan::findings(&survey) {
        tracing::warn!(finding, "lost");
    }
    if !survey.is_fenced() {
        await_silence(&subject, &lake).await?;
    }
    // What was looked at before may have been a worker's last words.
    let survey = look(&subject, &lake).await?;
    recover(&work, &lake, &survey, &subject).await
}

/// Fails where the pipeline has lost something itself: a scorer is rebuilt from what it has.
async fn check_pipeline(config: &WorkerConfig, lake: &Lake) -> Result<(), RecoverError> {
    let survey = look(&Subject { work: config, tables: &TABLES }, lake).await?;
    ensure!(survey.is_sound(), PipelineLostSnafu { pipeline: &config.owner.name });
    Ok(())
}

async fn recover(
    work: &ScoreWork,
    lake: &Lake,
    survey: &Survey,
    subject: &Subject<'_>,
) -> Result<String, RecoverError> {
    let pipeline = work.pipeline();
    let topic =
        TopicIdentity { name: pipeline.source.kafka.topic.clone(), id: find_topic_id(pipeline).await? };
    let adopt = pipeline.storage.adopt.as_deref();
    let identity = lake.identify(&pipeline.owner, &topic, adopt).await.context(LakeSnafu)?;
    let registry = registry(pipeline)?;
    let writer = Writer { id: format!("recover-{}", Uuid::new_v4()), deployment_revision: 0 };
    let newest = survey.newest_generation.as_ref();
    let deployment_revision = newest.map_or(0, |newest| newest.generation.deployment_revision);
    let following = next(work, newest, registry.as_ref(), deployment_revision).await?;
    let generation = Numbered { number: survey.next_generation, ..following };
    let key = generation.generation.hash_key.unwrap_or(identity.lake_id).into_bytes();
    let scoring = work.scoring(schema_of(pipeline, &generation.generation), key)?;
    let specs = [table_spec(&scoring)];
    // All that can be refused is refused before anything is written.
    lake.check_tables(&specs).await.context(LakeSnafu)?;
    lake.mend(survey, &specs, &writer, work.revision()).await.context(LakeSnafu)?;
    lake.set_aside(survey).await.context(LakeSnafu)?;

    let reader = reader(lake, subject).await?;
    let rule_set = rule_set(survey, &reader, subject.tables[0]).await?;
    let Memory { partitions, state } = remember(work, lake, scoring, (subject, &reader)).await?;
    let mut shards = Vec::new();
    for shard in 0..work.shards() {
        let chain = ChainId { job: work.job().to_owned(), generation: generation.number, shard };
        let cut = Cut { shards: work.shards(), shard };
        let mut beginning = beginning(work, lake, (&chain, cut), &partitions, state.as_deref()).await?;
        beginning.rule_set.clone_from(&rule_set);
        shards.push(beginning);
    }
    let number = generation.number;
    lake.begin_recovered(work.job(), &Successor { generation, shards }, &writer).await.context(LakeSnafu)?;
    tracing::info!(generation = number, partitions = partitions.len(), "recovered");
    Ok(plan::done(number, &partitions))
}

/// The tables that tell what was scored, and of what, as far as they are there.
async fn reader(lake: &Lake, subject: &Subject<'_>) -> Result<Reader, RecoverError> {
    let mut tables = Vec::new();
    for table in ["bronze", "quarantine"].iter().chain(subject.tables) {
        if lake.has_table(table).await.context(LakeSnafu)? {
            tables.push(*table);
        }
    }
    lake.reader(&tables).await.context(LakeSnafu)
}

/// The rule set in force, by which rows may have been alerted that are not in the table.
async fn rule_set(survey: &Survey, reader: &Reader, table: &str) -> Result<Option<String>, RecoverError> {
    let manifests = survey.chains.iter().filter_map(|chain| chain.newest.as_ref());
    let newest =
        manifests.filter(|manifest| manifest.rule_set.is_some()).max_by_key(|newest| newest.created_at_ms);
    if let Some(newest) = newest {
        return Ok(newest.rule_set.clone());
    }
    if !reader.has(table) {
        return Ok(None);
    }
    let sql = format!("SELECT rule_set FROM \"{table}\" ORDER BY processing_time DESC LIMIT 1");
    let rows = reader.rows(&sql).await.context(LakeSnafu)?;
    let newest = rows.iter().find(|rows| rows.num_rows() > 0);
    newest.map(|rows| array_value_to_string(rows.column(0), 0)).transpose().context(ColumnsSnafu)
}

/// What the scorer knew when it had scored the rows of its table.
async fn remember(
    work: &ScoreWork,
    lake: &Lake,
    scoring: Scoring,
    (subject, reader): (&Subject<'_>, &Reader),
) -> Result<Memory, RecoverError> {
    let mended = lake.survey(work.job(), subject.tables).await.context(LakeSnafu)?.positions();
    let covered = lake.coverage(INGEST, "bronze").await.context(LakeSnafu)?;
    let scored = scored(reader, subject.tables[0]).await?;
    let first_rows = first_rows(reader).await?;
    let known: BTreeSet<i32> = covered
        .keys()
        .chain(first_rows.keys())
        .chain(scored.0.keys())
        .chain(mended.keys())
        .copied()
        .collect();
    let mut accounts = Accounts::default();
    for partition in known {
        let first_row = first_rows.get(&partition).copied();
        let covered = covered.get(&partition).copied();
        let mut account = scored.0.get(&partition).cloned().unwrap_or_default();
        let behind_scored = scored.0.get(&partition).map(|account| account.next_offset);
        let position = behind_scored.max(mended.get(&partition).copied());
        let position = match work.start_from() {
            StartFrom::Earliest => position.or(first_row).or(covered),
            StartFrom::Latest => position.or(covered),
        };
        let Some(position) = position else { continue };
        let covered = covered.unwrap_or_default();
        ensure!(position <= covered, PipelineBehindSnafu { partition, position, covered });
        account.next_offset = position;
        account.bronze = first_row.filter(|first| *first < position).map(|first| (first, position - 1));
        account.counts.bronze = rows_before(reader, partition, position).await?;
        account.counts.messages = account.counts.bronze;
        accounts.0.insert(partition, account);
    }
    Box::pin(memory::rebuild(scoring, reader, &accounts, work.retention())).await
}

/// Where each partition of the table ends, with its rows by level and by rule.
async fn scored(reader: &Reader, table: &str) -> Result<Accounts, RecoverError> {
    let mut accounts = Accounts::default();
    if !reader.has(table) {
        return Ok(accounts);
    }
    let rows = format!("SELECT \"partition\" AS p, max(\"offset\") AS high FROM \"{table}\" GROUP BY 1");
    for batch in reader.rows(&rows).await.context(LakeSnafu)? {
        let [partitions, high] = integers(&batch).context(ColumnsSnafu)?;
        for (partition, high) in partitions.into_iter().zip(high) {
            let account = Account { next_offset: high.saturating_add(1), ..Account::default() };
            accounts.0.insert(partition as i32, account);
        }
    }
    let levels =
        format!("SELECT \"partition\" AS p, count(*) AS n, risk_level FROM \"{table}\" GROUP BY 1, 3");
    let rules = format!(
        "SELECT p, count(*) AS n, reason FROM \
         (SELECT \"partition\" AS p, unnest(reasons) AS reason FROM \"{table}\") GROUP BY 1, 3"
    );
    for (partition, name, rows) in counted(&reader.rows(&levels).await.context(LakeSnafu)?)? {
        add_to(&mut accounts.0.entry(partition).or_default().counts.scoring.levels, &name, rows);
    }
    for (partition, name, rows) in counted(&reader.rows(&rules).await.context(LakeSnafu)?)? {
        add_to(&mut accounts.0.entry(partition).or_default().counts.scoring.rules, &name, rows);
    }
    Ok(accounts)
}

/// Partition, name and number of each row.
fn counted(batches: &[RecordBatch]) -> Result<Vec<(i32, String, u64)>, RecoverError> {
    let mut found = Vec::new();
    for batch in batches {
        let [partitions, rows] = integers(batch).context(ColumnsSnafu)?;
        for row in 0..batch.num_rows() {
            let name = array_value_to_string(batch.column(2), row).context(ColumnsSnafu)?;
            found.push((partitions[row] as i32, name, rows[row].unsigned_abs()));
        }
    }
    Ok(found)
}

/// Offset of the first row that bronze has of each partition.
async fn first_rows(reader: &Reader) -> Result<BTreeMap<i32, i64>, RecoverError> {
    let mut first_rows = BTreeMap::new();
    if reader.has("bronze") {
        let sql = "SELECT \"partition\" AS p, min(\"offset\") AS low FROM bronze GROUP BY 1";
        for batch in reader.rows(sql).await.context(LakeSnafu)? {
            let [partitions, low] = integers(&batch).context(ColumnsSnafu)?;
            first_rows.extend(partitions.into_iter().map(|partition| partition as i32).zip(low));
        }
    }
    Ok(first_rows)
}

/// Number of rows that bronze has of a partition before an offset.
async fn rows_before(reader: &Reader, partition: i32, position: i64) -> Result<u64, RecoverError> {
    if !reader.has("bronze") {
        return Ok(0);
    }
    let sql = format!(
        "SELECT count(*) AS n FROM bronze WHERE \"partition\" = {partition} AND \"offset\" < {position}"
    );
    let mut rows = 0;
    for batch in reader.rows(&sql).await.context(LakeSnafu)? {
        let [counts] = integers(&batch).context(ColumnsSnafu)?;
        rows += counts.into_iter().map(i64::unsigned_abs).sum::<u64>();
    }
    Ok(rows)
}
