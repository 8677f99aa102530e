//! The start of the merge: claims its chain, and only then restores what it left.
//!
//! A new generation ends the chain of the one before, takes over what it knew, and folds what the ended chains of
//! ingest left beyond that. Its own chain begins with a base that holds all of it, so nothing of an earlier
//! generation is read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{ChainId, INGEST, MERGE, Manifest, StateFiles};
use sluice_decode::RowSchema;
use sluice_engine::TableSchema;
use sluice_lake::{Beginning, Claim, Lake, Table, TableSpec, failpoint};
use snafu::{OptionExt, ResultExt};

use super::Merging;
use super::epochs::{read_all, refuse_gaps};
use super::error::{BrokenSnafu, EpochsLostSnafu, LakeSnafu, MergeError, RewrittenSnafu, UnusableSnafu};
use super::layout::Layout;
use super::memory::{Memory, Recipe, chains_of};
use super::pieces::written;
use super::progress::Progress;
use super::publisher::{Publisher, Target};
use crate::finding::Finding;

/// How long the replaced files of a published table, and its log, are kept: it is rewritten every few seconds.
const RETENTION: &str = "interval 6 hours";

/// How a start ended.
pub(super) enum Begun {
    /// The chain is ours and everything is restored.
    Ready(Box<Publisher>),
    /// A newer deployment holds the chain, or its generation is over: ingest will hear of it too.
    Superseded,
}

/// Claims the chain of the merge in a generation, and restores what it says.
pub(super) async fn begin(merging: &Merging) -> Result<Begun, MergeError> {
    let Merging { lake, generation, config, writer, .. } = merging;
    let recipe = recipe(merging).await?;
    let chains = chains_of(*generation, config.shards);
    let specs = specs(Memory::new(&recipe, [])?.merge.table_schemas(), config);
    let id = ChainId { job: MERGE.to_owned(), generation: *generation, shard: 0 };
    let (beginning, superseded) = match lake.newest_manifest(&id).await.context(LakeSnafu)? {
        Some(_) => (Beginning::default(), Vec::new()),
        None => inherit(merging, &recipe, &id, &specs).await?,
    };
    let claim = lake.claim(id, writer.clone(), &config.revision, &beginning).await.context(LakeSnafu)?;
    let Claim::Won { chain, manifest } = claim else { return Ok(Begun::Superseded) };
    if let Err(error) = lake.forget(&superseded).await {
        tracing::warn!(%error, "failed to delete what the base of the merge covers, maintenance will");
    }
    let tables = open(lake, &specs, &manifest).await?;
    failpoint::hit_of(MERGE, "after_recover");
    let memory = Memory::at(lake, &recipe, chains, &manifest).await?;
    refuse_gaps(lake, &memory.progress).await?;
    tracing::info!(chain = %chain.id(), epoch = manifest.epoch, "claimed the chain of the merge");
    Ok(Begun::Ready(Box::new(Publisher::new(merging, recipe, chain, memory, tables))))
}

/// What the merge is made from: the configuration, and the schema that the generation has pinned.
async fn recipe(merging: &Merging) -> Result<Recipe, MergeError> {
    let Merging { lake, generation, config, .. } = merging;
    let unusable = |message: String| {
        let findings = vec![Finding::new("source.schema", message, "correct the schema")];
        UnusableSnafu { findings }.build()
    };
    let pinned = if config.source.schema.is_some() {
        None
    } else {
        let newest = lake.generation(INGEST).await.context(LakeSnafu)?;
        newest
            .filter(|newest| newest.number == *generation)
            .and_then(|newest| newest.generation.reader_schema)
    };
    let text = config.source.schema.as_ref().or(pinned.as_ref());
    let text = text.with_context(|| BrokenSnafu { detail: "the generation has ended meanwhile" })?;
    let schema = RowSchema::parse(text).map_err(|error| unusable(error.to_string()))?;
    Ok(Recipe { config: Arc::clone(config), schema: Arc::new(schema) })
}

/// What the lake must know of the tables, whose schemas are in the order of the configuration.
pub(crate) fn specs<'a>(
    schemas: impl IntoIterator<Item = &'a TableSchema>,
    config: &WorkerConfig,
) -> Vec<TableSpec> {
    let retentions = ["delta.logRetentionDuration", "delta.deletedFileRetentionDuration"];
    let properties: BTreeMap<String, String> =
        retentions.map(|property| (property.to_owned(), RETENTION.to_owned())).into();
    let spec = |(schema, table): (&TableSchema, &sluice_contract::config::GoldTable)| TableSpec {
        name: schema.name.clone(),
        schema: Arc::clone(&schema.schema),
        partition_by: schema.partition_columns.clone(),
        description: Some(match table.group_by.as_slice() {
            [] => "Windows of all rows of silver; one row each, published by Sluice alone.".to_owned(),
            keys => format!(
                "Windows of silver by {}; one row for each window and key, published by Sluice alone.",
                keys.join(", ")
            ),
        }),
        properties: properties.clone(),
    };
    schemas.into_iter().zip(&config.gold).map(spec).collect()
}

/// Opens the tables, gives each the epochs that the process before us left undone, and finds where rows lie.
async fn open(lake: &Lake, specs: &[TableSpec], claim: &Manifest) -> Result<Vec<Target>, MergeError> {
    let mut tables = Vec::new();
    for spec in specs {
        let mut table = recovered(lake, spec, claim).await?;
        let files = table.live_files().await.context(LakeSnafu)?;
        let layout =
            Layout::of(files).map_err(|misplaced| RewrittenSnafu { table: &spec.name, misplaced }.build())?;
        tables.push(Target { table, spec: spec.clone(), layout });
    }
    Ok(tables)
}

async fn recovered(lake: &Lake, spec: &TableSpec, newest: &Manifest) -> Result<Table, MergeError> {
    let mut table = lake.open_table(spec).await.context(LakeSnafu)?;
    for recovered in lake.recover(&mut table, std::slice::from_ref(newest)).await.context(LakeSnafu)? {
        if !recovered.redone.is_empty() || recovered.rebuilt.is_some() {
            tracing::info!(table = spec.name, ?recovered, "finished what the merge before left undone");
        }
    }
    Ok(table)
}

/// What the chain of a new generation begins with, and the files that nobody reads once it has begun.
async fn inherit(
    merging: &Merging,
    recipe: &Recipe,
    id: &ChainId,
    specs: &[TableSpec],
) -> Result<(Beginning, Vec<String>), MergeError> {
    let Merging { lake, config, writer, .. } = merging;
    let mut before = lake.chains(MERGE).await.context(LakeSnafu)?;
    before.retain(|chain| chain.generation < id.generation);
    while let Some(old) = before.pop() {
        let seal = lake.seal(&old, writer, &config.revision).await.context(LakeSnafu)?;
        if seal.epoch == 0 {
            // Nobody has ever claimed it: what was meant for it is still in the generation before.
            continue;
        }
        for spec in specs {
            recovered(lake, spec, &seal).await?;
        }
        let ended = lake.chains(INGEST).await.context(LakeSnafu)?.into_iter();
        let ended: Vec<ChainId> =
            ended.filter(|chain| (old.generation..id.generation).contains(&chain.generation)).collect();
        let own = ended.iter().filter(|chain| chain.generation == old.generation).cloned();
        let own = own.chain([ChainId::of_replays()]).collect();
        let memory = Memory::at(lake, recipe, own, &seal).await?;
        let folded = memory.progress.of_replays();
        let Memory { merge, history, .. } = fold_to_the_end(lake, memory, ended).await?;
        let store = |pieces| lake.put_state_in_pieces(id, 0, pieces);
        let base = written(move |take| merge.write_snapshot(take), store).await?;
        tracing::info!(chain = %id, from = %old, "took the open windows over from the generation before");
        let state = StateFiles { base: Some(base), deltas: Vec::new() };
        return Ok((Beginning { state, folded, ..Beginning::default() }, history.into_paths()));
    }
    // The tables begin with what is read from now on: what was replayed before is not in them.
    let newest = lake.newest_manifest(&ChainId::of_replays()).await.context(LakeSnafu)?;
    let folded = newest.map(|newest| (newest.chain.to_string(), newest.epoch));
    Ok((Beginning { folded: folded.into_iter().collect(), ..Beginning::default() }, Vec::new()))
}

/// Folds what chains of ingest that have ended left, generation by generation.
async fn fold_to_the_end(lake: &Lake, mut memory: Memory, ended: Vec<ChainId>) -> Result<Memory, MergeError> {
    let mut folded = memory.progress.epochs();
    let mut generations: Vec<u64> = ended.iter().map(|chain| chain.generation).collect();
    generations.dedup();
    for generation in generations {
        let chains = ended.iter().filter(|chain| chain.generation == generation).cloned();
        memory.progress = Progress::new(chains, &folded);
        loop {
            let batch = read_all(lake, &memory.progress).await?;
            if batch.epochs.is_empty() {
                break;
            }
            memory = memory.fold(lake, batch.epochs, 0, 0).await?;
        }
        refuse_lost_ends(lake, &memory.progress).await?;
        folded = memory.progress.epochs();
    }
    Ok(memory)
}

/// Fails where the end of a chain was not reached.
async fn refuse_lost_ends(lake: &Lake, progress: &Progress) -> Result<(), MergeError> {
    for (chain, next) in progress.next() {
        let newest = lake.newest_manifest(&chain).await.context(LakeSnafu)?;
        if newest.is_some_and(|newest| newest.epoch >= next) {
            return EpochsLostSnafu { chain: chain.to_string(), epoch: next }.fail();
        }
    }
    Ok(())
}
