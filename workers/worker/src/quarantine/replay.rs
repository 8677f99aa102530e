//! [`run`]: takes refused messages through the present configuration again, exactly once.
//!
//! # Exactly once
//! A replay writes as ingest does, through a chain of its own: `_sluice/replay/0/0/`, whose Delta transactions
//! have the same name. A page of messages is one epoch: its rows of bronze, silver, quarantine and of the
//! table `replayed`, which says which refused messages have left quarantine, are decided by one manifest,
//! whose creation is the commit point and the fence. All tables only ever gain rows, so nothing else that
//! writes to them (ingest, a compaction) can be in the way.
//!
//! - Killed before the manifest: nothing has happened. After it: the next replay claims the chain and
//!   finishes what is decided, before it looks for messages.
//! - Run twice: what has left quarantine is not looked for again. Run twice at the same time: the second one
//!   takes the chain, and the first one's next epoch is lost, with none of its rows.
//! - Whoever reads quarantine leaves out what `replayed` has, by partition, offset and stage. With that, each
//!   message is in bronze or refused at `decode`, and each bronze row in silver, refused at `silver` or a
//!   copy, exactly once, as without a replay.
//!
//! # Copies
//! A replayed row is judged against the table of silver, not against the memory of ingest, see
//! [`super::verdict::copies`]: it is a copy if silver has its key on its partition, sent within
//! `deduplicate.within` of it. Ingest does not know of replayed rows: a copy that the topic brings after the
//! replay, or while it runs, is a second silver row, as it would be after the horizon.
//! A replayed row moves no watermark of ingest.
//!
//! # Windows
//! The manifest says over which event times silver has new rows: the merge computes these windows again, from silver.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use sluice_contract::config::{Deduplicate, WorkerConfig};
use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, Recompute, Writer};
use sluice_contract::reasons::{STAGE_DECODE, STAGE_SILVER};
use sluice_engine::{Ingest, Processed};
use sluice_lake::{
    Appended, Beginning, Chain, Claim, Lake, Table, TableSpec, TableWriter, TopicIdentity, failpoint,
};
use snafu::{OptionExt, ResultExt, ensure};
use uuid::Uuid;

use super::arguments::Filter;
use super::error::{
    ColumnsSnafu, KeyColumnSnafu, LakeSnafu, LostSnafu, NeverStartedSnafu, QuarantineError, RegistrySnafu,
    UnresolvedSnafu,
};
use super::message::{self, RefusedMessage, as_they_came, positions};
use super::query::{self, Cursor, KeyColumn, REPLAYED};
use super::verdict::{Looked, Tally, Verdict, copies, replayed_schema};
use crate::clock::now_us;
use crate::ingest::{JOB, compile, specs};
use crate::registry_client::{Answer, RegistryClient};
use crate::stream::generations::registry;

/// Messages of one epoch.
const PAGE: usize = 2_000;

/// Replays what fits the filter, and tells what became of it.
pub(super) async fn run(config: &WorkerConfig, filter: &Filter) -> Result<Tally, QuarantineError> {
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    let mut tally = Tally::default();
    if !lake.has_table("quarantine").await.context(LakeSnafu)? {
        return Ok(tally);
    }
    let mut replay = Replay::start(config, lake).await?;
    let mut after = None;
    loop {
        let page = replay.page(filter, after).await?;
        let Some(last) = page.last() else { return Ok(tally) };
        after = Some((last.partition, last.offset));
        let (verdict, recompute) = replay.judge(page).await?;
        tally.add(verdict.tally);
        if !verdict.rows.is_empty() {
            replay.commit(&verdict.rows, recompute).await?;
        }
    }
}

/// A replay that owns its chain.
struct Replay<'a> {
    config: &'a WorkerConfig,
    lake: Lake,
    chain: Chain,
    writer: Writer,
    tables: Vec<Table>,
    specs: Vec<TableSpec>,
    registry: Option<RegistryClient>,
    /// The core for messages that have no bronze row, and the one for those that have.
    decode: Ingest,
    silver: Ingest,
    key: Vec<KeyColumn>,
}

impl<'a> Replay<'a> {
    /// Claims the chain, and finishes what a replay before has decided.
    async fn start(config: &'a WorkerConfig, lake: Lake) -> Result<Self, QuarantineError> {
        let generation = lake.generation(JOB).await.context(LakeSnafu)?;
        let pinned = generation.and_then(|generation| generation.generation.reader_schema);
        let schema = config.source.schema.as_deref().or(pinned.as_deref()).context(NeverStartedSnafu)?;
        // Copies are judged against silver, not by the memory of a core; windows are the business of those who read
        // the topic, and a row that is late for them is a row of silver all the same.
        let mut rows_alone = config.clone();
        rows_alone.silver.deduplicate = None;
        rows_alone.gold.clear();
        let core = || compile(&rows_alone, schema, [0; 16]).map_err(QuarantineError::from);
        let (decode, silver) = (core()?, core()?);
        let mut specs = specs(&decode).to_vec();
        let key = key_columns(config, &specs)?;
        specs.push(replayed_spec());
        let registry = registry(config)?;
        let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: None };
        lake.identify(&config.owner, &topic, config.storage.adopt.as_deref()).await.context(LakeSnafu)?;
        let id = ChainId::of_replays();
        let writer = Writer { id: format!("replay-{}", Uuid::new_v4()), deployment_revision: 0 };
        let claim = lake.claim(id, writer.clone(), &config.revision, &Beginning::default()).await;
        let (chain, claim) = match claim.context(LakeSnafu)? {
            Claim::Won { chain, manifest } => (chain, manifest),
            Claim::HeldByNewer { writer: by } | Claim::Sealed { by } => {
                return LostSnafu { by: by.id }.fail();
            }
        };
        let mut tables = Vec::new();
        for spec in &specs {
            let mut table = lake.open_table(spec).await.context(LakeSnafu)?;
            lake.recover(&mut table, std::slice::from_ref(claim.as_ref())).await.context(LakeSnafu)?;
            tables.push(table);
        }
        failpoint::hit("after_recover");
        Ok(Self { config, lake, chain, writer, tables, specs, registry, decode, silver, key })
    }

    /// The next messages that are still in quarantine.
    async fn page(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
    ) -> Result<Vec<RefusedMessage>, QuarantineError> {
        let sql = query::messages(filter, &[STAGE_DECODE, STAGE_SILVER], after, PAGE, true);
        let rows = self.lake.query(&["quarantine", REPLAYED], &[], &sql).await.context(LakeSnafu)?;
        message::messages(&rows).context(ColumnsSnafu)
    }

    /// What becomes of messages, and the windows that the new rows of silver are in.
    async fn judge(
        &mut self,
        page: Vec<RefusedMessage>,
    ) -> Result<(Verdict, Option<Recompute>), QuarantineError> {
        let of = |stage| page.iter().filter(move |message| message.stage == stage);
        let decode = look(&mut self.decode, self.registry.as_ref(), of(STAGE_DECODE)).await?;
        let silver = look(&mut self.silver, self.registry.as_ref(), of(STAGE_SILVER)).await?;
        let within_us = self.config.silver.deduplicate.as_ref().map_or(0, window_us);
        let sent = sent_near(&page, within_us);
        let looked = Looked::new(page, decode, silver).context(ColumnsSnafu)?;
        let candidates = looked.candidates().context(ColumnsSnafu)?;
        let copies = match (&self.config.silver.deduplicate, candidates.clone()) {
            (Some(_), Some((silver, bronze))) => {
                let candidates = [("candidate_silver", silver), ("candidate_bronze", bronze)];
                let sql = query::copies(&self.key, sent);
                let rows =
                    self.lake.query(&["silver", "bronze"], &candidates, &sql).await.context(LakeSnafu)?;
                copies(&rows, within_us).context(ColumnsSnafu)?
            }
            _ => HashSet::new(),
        };
        let recompute = match candidates {
            Some((silver, bronze)) => self.recompute(&silver, &bronze, &copies).context(ColumnsSnafu)?,
            None => None,
        };
        Ok((looked.decide(&copies, now_us()).context(ColumnsSnafu)?, recompute))
    }

    /// The windows over the rows of silver that are no copies; `None` where there are no such rows or no windows.
    fn recompute(
        &self,
        silver: &RecordBatch,
        bronze: &RecordBatch,
        copies: &HashSet<(i32, i64)>,
    ) -> Result<Option<Recompute>, ArrowError> {
        if self.config.gold.is_empty() {
            return Ok(None);
        }
        let mut new: HashSet<(i32, i64)> = positions(silver)?.into_iter().collect();
        new.retain(|position| !copies.contains(position));
        let times = self.silver.event_times(bronze)?;
        let times = positions(bronze)?.into_iter().zip(&times);
        let times: Vec<i64> =
            times.filter(|(position, _)| new.contains(position)).filter_map(|row| row.1).collect();
        let span = times.iter().min().zip(times.iter().max());
        Ok(span.map(|(first, last)| Recompute {
            tables: Vec::new(),
            from_us: *first,
            until_us: last.saturating_add(1),
        }))
    }

    /// Makes the rows durable, decides them with a manifest, and gives each table its own.
    async fn commit(
        &mut self,
        rows: &BTreeMap<&'static str, RecordBatch>,
        recompute: Option<Recompute>,
    ) -> Result<(), QuarantineError> {
        let mut added = BTreeMap::new();
        for spec in &self.specs {
            let Some(rows) = rows.get(spec.name.as_str()) else { continue };
            let mut writer = TableWriter::new(spec);
            writer.write(rows).context(LakeSnafu)?;
            let files = writer.finish().context(LakeSnafu)?;
            added.insert(spec.name.clone(), self.lake.persist(&spec.name, files).await.context(LakeSnafu)?);
        }
        let begun = self.chain.manifest(ManifestKind::Data, &self.writer, &self.config.revision);
        let manifest = Manifest { tables: self.chain.progress(added), recompute, ..begun };
        if let Appended::Lost { by } = self.chain.append(&manifest).await.context(LakeSnafu)? {
            return LostSnafu { by: by.id }.fail();
        }
        for table in &mut self.tables {
            table.roll_forward(&manifest).await.context(LakeSnafu)?;
        }
        failpoint::hit("after_all_commits");
        Ok(())
    }
}

/// The table of what was replayed.
pub(crate) fn replayed_spec() -> TableSpec {
    TableSpec {
        name: REPLAYED.to_owned(),
        schema: replayed_schema(),
        partition_by: vec!["processing_date".to_owned()],
        description: Some("Refused messages that were replayed, and what they became.".to_owned()),
        properties: BTreeMap::new(),
    }
}

fn window_us(deduplicate: &Deduplicate) -> i64 {
    i64::try_from(deduplicate.within_ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// When whatever is near to one of the messages was sent; `None` where one does not tell when it was.
fn sent_near(messages: &[RefusedMessage], within_us: i64) -> Option<(i64, i64)> {
    let times = messages.iter().map(|message| message.kafka_timestamp.as_ref().map(|(us, _)| *us));
    let times: Vec<i64> = times.collect::<Option<_>>()?;
    let (first, last) = (times.iter().min()?, times.iter().max()?);
    Some((first.saturating_sub(within_us), last.saturating_add(within_us)))
}

/// What a core makes of messages.
async fn look<'m>(
    core: &mut Ingest,
    registry: Option<&RegistryClient>,
    messages: impl Iterator<Item = &'m RefusedMessage>,
) -> Result<Processed, QuarantineError> {
    let batch = as_they_came(messages);
    if batch.is_empty() {
        return Ok(Processed { bronze: None, silver: None, quarantine: None });
    }
    for id in core.decoder().unresolved_schema_ids(&batch).into_keys() {
        let answer = match registry {
            Some(registry) => registry.schema(id).await.context(RegistrySnafu)?,
            None => Answer::NotFound,
        };
        match answer {
            Answer::Found(text) => core.decoder().add_writer_schema(id, &text),
            Answer::NotFound => core.decoder().mark_schema_not_found(id),
        }
    }
    core.process(&batch, now_us()).map_err(|error| UnresolvedSnafu { detail: error.to_string() }.build())
}

/// Where the columns are that identify a row.
fn key_columns(config: &WorkerConfig, specs: &[TableSpec]) -> Result<Vec<KeyColumn>, QuarantineError> {
    let has = |table: &str, column: &str| {
        let spec = specs.iter().find(|spec| spec.name == table);
        spec.is_some_and(|spec| spec.schema.field_with_name(column).is_ok())
    };
    let mut columns = Vec::new();
    for column in config.silver.deduplicate.iter().flat_map(|deduplicate| &deduplicate.by) {
        let in_silver = has("silver", column);
        ensure!(in_silver || has("bronze", column), KeyColumnSnafu { column });
        let column = column.clone();
        columns.push(if in_silver { KeyColumn::Silver(column) } else { KeyColumn::Bronze(column) });
    }
    Ok(columns)
}
