//! Mending: what is damaged goes aside, what is left of the chains ends, and a new generation begins.

use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, TableProgress, Writer};

use super::REPLAY;
use super::doubt;
use super::survey::{Survey, SurveyedChain};
use super::verdict::Verdict;
use crate::chain::{Beginning, Follow, follow, names, read_manifest};
use crate::error::{ContendedSnafu, LakeError};
use crate::failpoint;
use crate::generation::{self, Numbered};
use crate::lake::Lake;
use crate::store::{Created, Store};
use crate::table::TableSpec;

/// A lost chain ends so far behind its last known epoch: a process that still holds it, though it was silent, finds
/// the end wherever it had come to, and stops.
const LEAP: u64 = 1_000_000;

/// What the chains of a recovered generation begin with.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The generation.
    pub generation: Numbered,
    /// What each of its shards goes on with, by its number.
    pub shards: Vec<Beginning>,
}

impl Lake {
    /// Moves files that cannot be read below `_sluice/aside/`, for whoever wants to look at them.
    pub async fn set_aside(&self, survey: &Survey) -> Result<(), LakeError> {
        let store = self.store();
        for damage in survey.damaged.iter().filter(|damage| damage.exists) {
            if let Some(content) = store.read_if_exists(&damage.path).await? {
                store.put(&names::aside(&damage.path), content).await?;
                store.delete(&damage.path).await?;
                failpoint::hit("after_set_aside");
            }
        }
        Ok(())
    }

    /// Brings the tables to one end for all chains: what is decided is committed, what is in doubt is taken out.
    /// Then nobody can add to a chain any more. Safe to repeat.
    pub async fn mend(
        &self,
        survey: &Survey,
        specs: &[TableSpec],
        writer: &Writer,
        configuration: &str,
    ) -> Result<(), LakeError> {
        for chain in &survey.chains {
            match &chain.verdict {
                Verdict::Pending { epoch } => self.commit_pending(chain, *epoch, specs).await?,
                Verdict::Doubtful { epoch, tables } => {
                    for table in tables {
                        doubt::take_out(self.store(), table, &chain.id, *epoch).await?;
                    }
                }
                Verdict::Sound | Verdict::Lost { .. } => {}
            }
            end(self.store(), chain, writer, configuration).await?;
        }
        failpoint::hit("after_mend");
        Ok(())
    }

    async fn commit_pending(
        &self,
        chain: &SurveyedChain,
        epoch: u64,
        specs: &[TableSpec],
    ) -> Result<(), LakeError> {
        let manifest = read_manifest(self.store(), &chain.id, epoch).await?;
        for spec in specs.iter().filter(|spec| manifest.tables.contains_key(&spec.name)) {
            let mut table = self.open_table(spec).await?;
            table.recover(&chain.id, &manifest).await?;
        }
        Ok(())
    }

    /// Begins the generation: from then on workers go on with what its chains begin with.
    pub async fn begin_recovered(
        &self,
        job: &str,
        successor: &Successor,
        writer: &Writer,
    ) -> Result<(), LakeError> {
        let store = self.store();
        let Numbered { number, generation } = &successor.generation;
        let taken =
            |path: String| ContendedSnafu { action: "create", path: store.name(&path), attempts: 1_u32 };
        for (shard, beginning) in (0..).zip(&successor.shards) {
            let id = ChainId { job: job.to_owned(), generation: *number, shard };
            let next = Follow { kind: ManifestKind::Claim, writer, configuration: &generation.configuration };
            let claim = Manifest {
                partitions: beginning.partitions.clone(),
                state: beginning.state.clone(),
                ..next.first(id)
            };
            if !follow(store, &claim).await? {
                return taken(names::manifest(&claim.chain, 0)).fail();
            }
            failpoint::hit("after_recovered_claim");
        }
        match generation::begin(store, job, &successor.generation).await? {
            Created::Created => Ok(()),
            Created::AlreadyExists => taken(names::generation(job, *number)).fail(),
        }
    }
}

/// Ends a chain of the job, or lets the one of replays go on where the tables are.
async fn end(
    store: &Store,
    chain: &SurveyedChain,
    writer: &Writer,
    configuration: &str,
) -> Result<(), LakeError> {
    let is_sound = matches!(chain.verdict, Verdict::Sound | Verdict::Pending { .. });
    let is_replay = chain.id.job == REPLAY;
    if is_sound && (is_replay || chain.is_sealed()) {
        return Ok(());
    }
    let kind = if is_replay { ManifestKind::Claim } else { ManifestKind::Sealed };
    let next = Follow { kind, writer, configuration };
    let last = match &chain.newest {
        Some(newest) => next.after(newest.clone()),
        None => next.first(chain.id.clone()),
    };
    let mut tables = last.tables.clone();
    for (table, epoch) in &chain.known {
        tables.insert(table.clone(), TableProgress { last_epoch: *epoch, ..TableProgress::default() });
    }
    // Where a chain is whole its next name is the fence; an epoch that is pending is its last.
    let (epoch, tables) =
        if is_sound { (chain.highest + 1, last.tables.clone()) } else { (chain.highest + LEAP, tables) };
    let last = Manifest { epoch, tables, ..last };
    if follow(store, &last).await? {
        failpoint::hit("after_recovered_end");
        return Ok(());
    }
    let path = store.name(&names::manifest(&last.chain, last.epoch));
    ContendedSnafu { action: "create", path, attempts: 1_u32 }.fail()
}
