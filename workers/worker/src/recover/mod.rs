//! `sluice-worker recover`: rebuilds what a lake remembers from its tables, after manifests or state were lost.
//!
//! What is looked at and what is written is `sluice_lake`'s to tell (its module `recovery`). Here are the parts that
//! need more than the lake: whether somebody still works in it, what Kafka still has, and the state of the core.
//!
//! Reading order: this file, [`accounts`] (positions and counts), [`memory`] (watermarks and deduplication); then
//! [`scorer`], which rebuilds what a scorer remembers.
//!
//! Bytes read and key mismatches are in no table: their counts begin anew.

mod accounts;
mod arguments;
mod error;
mod memory;
mod plan;
mod scorer;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrow::util::display::array_value_to_string;
use sluice_contract::config::WorkerConfig;
use sluice_contract::cut::Cut;
use sluice_contract::manifest::{ChainId, PartitionProgress, StateFile, StateFiles, Writer};
use sluice_engine::state::{self, Retention};
use sluice_engine::{Ingest, StateError};
use sluice_lake::{Beginning, Damage, Lake, LakeError, Numbered, Reader, Successor, Survey, TopicIdentity};
use snafu::{ResultExt, ensure};
use uuid::Uuid;

pub use arguments::RecoverArguments;
pub use error::RecoverError;

use accounts::Accounts;
use error::{
    AnotherTopicSnafu, ColumnsSnafu, ExpiredSnafu, LakeSnafu, StateSnafu, TopicSnafu, WorkerRunsSnafu,
};
use memory::Memory;

use crate::ingest::{JOB, compile, read_configuration, specs};
use crate::kafka::{Topic, TopicError, Watermarks};
use crate::quarantine::replayed_spec;
use crate::score;
use crate::stream::generations::{next, registry, schema_of};
use crate::stream::restore::find_topic_id;
use crate::stream::work::Work;

/// The tables that say what was delivered, and what became of it.
const TABLES: [&str; 4] = ["bronze", "silver", "quarantine", "replayed"];

/// A worker gives a sign of life each 10 s, even an idle one. One that was silent for so long, and wakes up, looks
/// where its chain ends before it writes.
const SILENCE: Duration = Duration::from_secs(30);

/// A worker at work is found soon.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where what an ingest remembers is found.
const SOURCES: &str = "find offsets, watermarks and the memory of deduplication in bronze and quarantine";

/// What is recovered.
struct Subject<'a> {
    /// The job.
    work: &'a dyn Work,
    /// The tables that it fills.
    tables: &'a [&'a str],
}

/// Recovers a lake, or tells what a recovery would do.
pub async fn run(arguments: RecoverArguments) -> Result<String, RecoverError> {
    if arguments.scorer {
        let config = score::read_configuration(&arguments.config)?;
        return Box::pin(scorer::run(config, arguments.apply)).await;
    }
    let config = read_configuration(&arguments.config)?;
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    let subject = Subject { work: &config, tables: &TABLES };
    let survey = look(&subject, &lake).await?;
    if survey.is_sound() {
        return Ok(format!("Nothing is lost in {}: the tables and what is remembered agree.\n", lake.uri()));
    }
    check_topic(&config, &lake).await?;
    if !arguments.apply {
        return Ok(plan::announced(lake.uri(), &survey, config.shards, SOURCES));
    }
    for finding in plan::findings(&survey) {
        tracing::warn!(finding, "lost");
    }
    if !survey.is_fenced() {
        await_silence(&subject, &lake).await?;
    }
    // What was looked at before may have been a worker's last words.
    let survey = look(&subject, &lake).await?;
    let doubtful = lake.doubtful_offsets(&survey).await.context(LakeSnafu)?;
    check_kafka_has(&config, &doubtful).await?;
    recover(&config, &lake, &survey).await
}

/// Surveys the lake, its state files included, if it is this pipeline's.
async fn look(Subject { work, tables }: &Subject<'_>, lake: &Lake) -> Result<Survey, RecoverError> {
    let config = work.pipeline();
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: None };
    match lake.check_owner(&config.owner, &topic, config.storage.adopt.as_deref()).await {
        // Torn or gone: then it is nobody's.
        Ok(()) | Err(LakeError::Unreadable { .. } | LakeError::LakeFileLost { .. }) => {}
        Err(source) => return Err(RecoverError::Lake { source }),
    }
    let mut survey = lake.survey(work.job(), tables).await.context(LakeSnafu)?;
    let lost = lost_state(lake, &survey).await?;
    survey.damaged.extend(lost);
    Ok(survey)
}

/// The state files that a worker would begin with and cannot have.
async fn lost_state(lake: &Lake, survey: &Survey) -> Result<Vec<Damage>, RecoverError> {
    let mut lost = Vec::new();
    for StateFile { path, .. } in survey.state_files() {
        let damage = |problem| Damage { path: path.clone(), problem, exists: false };
        match lake.read(path).await {
            Ok(content) => match state::merge(&[content], &BTreeMap::new(), Retention::default()) {
                Ok(_) => {}
                Err(source @ StateError::FormatVersion { .. }) => {
                    return Err(source).context(StateSnafu { path });
                }
                Err(error) => lost.push(damage(error.to_string())),
            },
            Err(LakeError::FileMissing { .. }) => lost.push(damage("it does not exist".to_owned())),
            Err(source) => return Err(RecoverError::Lake { source }),
        }
    }
    Ok(lost)
}

/// Fails where the rows are of another topic: their offsets are not those of the configuration's.
async fn check_topic(config: &WorkerConfig, lake: &Lake) -> Result<(), RecoverError> {
    let reader = reader(lake).await?;
    let topic = &config.source.kafka.topic;
    for table in reader.tables() {
        let sql = format!("SELECT DISTINCT topic FROM {table}");
        for rows in reader.rows(&sql).await.context(LakeSnafu)? {
            for row in 0..rows.num_rows() {
                let found = array_value_to_string(rows.column(0), row).context(ColumnsSnafu)?;
                ensure!(found == *topic, AnotherTopicSnafu { table, found, topic });
            }
        }
    }
    Ok(())
}

/// The tables that tell which messages were delivered, as far as they are there.
async fn reader(lake: &Lake) -> Result<Reader, RecoverError> {
    let mut tables = Vec::new();
    for table in ["bronze", "quarantine"] {
        if lake.has_table(table).await.context(LakeSnafu)? {
            tables.push(table);
        }
    }
    lake.reader(&tables).await.context(LakeSnafu)
}

/// Fails where a worker gives a sign of life.
async fn await_silence(Subject { work, tables }: &Subject<'_>, lake: &Lake) -> Result<(), RecoverError> {
    let seconds = SILENCE.as_secs();
    tracing::info!(seconds, "looking whether a worker is at work in the lake");
    let before = lake.pulse(work.job(), tables).await.context(LakeSnafu)?;
    let started = Instant::now();
    while started.elapsed() < SILENCE {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = lake.pulse(work.job(), tables).await.context(LakeSnafu)?;
        ensure!(now == before, WorkerRunsSnafu { uri: lake.uri() });
    }
    Ok(())
}

/// Fails where messages must be read again that the broker has not.
async fn check_kafka_has(config: &WorkerConfig, doubtful: &BTreeMap<i32, i64>) -> Result<(), RecoverError> {
    if doubtful.is_empty() {
        return Ok(());
    }
    let (kafka, partitions) = (config.source.kafka.clone(), doubtful.keys().copied().collect::<Vec<_>>());
    let ask = move || -> Result<Vec<Watermarks>, TopicError> {
        let topic = Topic::new(&kafka)?;
        partitions.iter().map(|partition| topic.watermarks(*partition, TIMEOUT)).collect()
    };
    let asked = tokio::task::spawn_blocking(ask).await;
    let available = asked.unwrap_or_else(|error| Err(TopicError::Client { detail: error.to_string() }));
    for ((partition, wanted), available) in doubtful.iter().zip(available.context(TopicSnafu)?) {
        let low = available.low;
        ensure!(low <= *wanted, ExpiredSnafu { partition: *partition, wanted: *wanted, low });
    }
    Ok(())
}

async fn recover(config: &WorkerConfig, lake: &Lake, survey: &Survey) -> Result<String, RecoverError> {
    let id = find_topic_id(config).await?;
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id };
    let registry = registry(config)?;
    let writer = Writer { id: format!("recover-{}", Uuid::new_v4()), deployment_revision: 0 };
    let newest = survey.newest_generation.as_ref();
    let deployment_revision = newest.map_or(0, |newest| newest.generation.deployment_revision);
    let following = next(config, newest, registry.as_ref(), deployment_revision).await?;
    let generation = Numbered { number: survey.next_generation, ..following };
    // All that can be refused is refused before anything is written.
    let mut tables = specs(&compile(config, schema_of(config, &generation.generation), [0; 16])?).to_vec();
    lake.check_tables(&tables).await.context(LakeSnafu)?;
    tables.push(replayed_spec());

    // All chains end before the lake gets another id: their state is of no use with it.
    lake.mend(survey, &tables, &writer, &config.revision).await.context(LakeSnafu)?;
    lake.set_aside(survey).await.context(LakeSnafu)?;
    let adopt = config.storage.adopt.as_deref();
    let identity = lake.identify_again(&config.owner, &topic, adopt).await.context(LakeSnafu)?;

    let ingest = compile(config, schema_of(config, &generation.generation), *identity.lake_id.as_bytes())?;
    let Memory { partitions, state } = remember(config, lake, ingest).await?;
    let mut shards = Vec::new();
    for shard in 0..config.shards {
        let chain = ChainId { job: JOB.to_owned(), generation: generation.number, shard };
        let cut = Cut { shards: config.shards, shard };
        shards.push(beginning(config, lake, (&chain, cut), &partitions, state.as_deref()).await?);
    }
    let number = generation.number;
    lake.begin_recovered(JOB, &Successor { generation, shards }, &writer).await.context(LakeSnafu)?;
    tracing::info!(generation = number, partitions = partitions.len(), "recovered");
    Ok(plan::done(number, &partitions))
}

/// What the tables, now that they are whole, tell of the partitions.
async fn remember(config: &WorkerConfig, lake: &Lake, ingest: Ingest) -> Result<Memory, RecoverError> {
    let reader = reader(lake).await?;
    let mut accounts = Accounts::read(&reader).await?;
    let mended = lake.survey(JOB, &TABLES).await.context(LakeSnafu)?;
    accounts.at_least(&mended.positions());
    Box::pin(memory::rebuild(ingest, &reader, &accounts, Retention::of(config))).await
}

/// What one shard begins with.
async fn beginning(
    work: &dyn Work,
    lake: &Lake,
    (chain, cut): (&ChainId, Cut),
    partitions: &BTreeMap<i32, PartitionProgress>,
    state: Option<&[u8]>,
) -> Result<Beginning, RecoverError> {
    let mut partitions = partitions.clone();
    partitions.retain(|partition, _| cut.has(*partition));
    let files: Vec<&[u8]> = state.into_iter().collect();
    let merged = state::merge(&files, &partitions, work.retention());
    let base = match merged.context(StateSnafu { path: "what was read again" })? {
        Some(bytes) => Some(lake.put_state(chain, 0, bytes).await.context(LakeSnafu)?),
        None => None,
    };
    let state = StateFiles { base, deltas: Vec::new() };
    Ok(Beginning { partitions, state, ..Beginning::default() })
}
