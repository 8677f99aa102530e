//! [`inherit`]: what a shard's chain begins with, when it is the first of its kind in a new generation.
//!
//! The chains of the generation before end, every table gets all that they decided, and only then is their
//! state read. The new chain keeps it in files of its own, so that no file has two owners.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, Manifest, StateFile, StateFiles, Writer};
use sluice_engine::state;
use sluice_lake::{Beginning, Bequest, Lake, TableSpec, failpoint};
use snafu::ResultExt;

use super::restore::{LakeSnafu, RestoreError, StateSnafu};
use super::work::Work;

/// What a chain begins with.
#[derive(Clone, Debug)]
pub(crate) struct Inherited {
    /// Positions and state.
    pub(crate) beginning: Beginning,
    /// Whether nothing was ever read: where the pipeline starts is the configuration's choice then.
    pub(crate) is_first_start: bool,
}

/// Collects what a chain begins with; nothing for a chain that has begun.
pub(crate) async fn inherit(
    work: &dyn Work,
    lake: &Lake,
    chain: &ChainId,
    writer: &Writer,
    specs: &[TableSpec],
) -> Result<Inherited, RestoreError> {
    let nothing = |is_first_start| Ok(Inherited { beginning: Beginning::default(), is_first_start });
    if chain.generation == 0 {
        return nothing(true);
    }
    if lake.sign_of_life(chain).await.context(LakeSnafu)?.is_some() {
        return nothing(false);
    }
    let inheritance = lake.inherit(chain, work.shards(), writer, work.revision()).await.context(LakeSnafu)?;
    for spec in specs {
        let mut table = lake.open_table(spec).await.context(LakeSnafu)?;
        lake.recover(&mut table, &inheritance.seals).await.context(LakeSnafu)?;
    }
    failpoint::hit("after_inheritance");
    let mut partitions = BTreeMap::new();
    let mut deltas = Vec::new();
    for bequest in inheritance.bequests {
        deltas.extend(take_state(work, lake, chain, &bequest).await?);
        partitions.extend(bequest.partitions);
    }
    tracing::info!(%chain, partitions = partitions.len(), "took partitions over from the generation before");
    let rule_set = newest_rule_set(&inheritance.seals);
    let state = StateFiles { base: None, deltas };
    let beginning = Beginning { partitions, state, rule_set, ..Beginning::default() };
    Ok(Inherited { beginning, is_first_start: !inheritance.has_positions })
}

/// Writes the state of the partitions that one chain leaves; `None` if there is none.
async fn take_state(
    work: &dyn Work,
    lake: &Lake,
    chain: &ChainId,
    Bequest { partitions, state: files }: &Bequest,
) -> Result<Option<StateFile>, RestoreError> {
    let mut contents = Vec::new();
    let mut newest = "";
    for file in files.base.iter().chain(&files.deltas) {
        contents.push(lake.read(&file.path).await.context(LakeSnafu)?);
        newest = &file.path;
    }
    let merged = state::merge(&contents, partitions, work.retention());
    match merged.context(StateSnafu { path: newest })? {
        Some(bytes) => lake.put_state(chain, 0, bytes).await.context(LakeSnafu).map(Some),
        None => Ok(None),
    }
}

/// The rule set in force where the chains before end. They may differ for a moment while rules change: then it is
/// the one of the chain that was at work last.
fn newest_rule_set(seals: &[Manifest]) -> Option<String> {
    seals.iter().max_by_key(|seal| seal.created_at_ms)?.rule_set.clone()
}
