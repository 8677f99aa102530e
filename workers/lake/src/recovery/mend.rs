//! Mending: the tables come to one end, all chains end for good, and a new generation begins.

use std::collections::BTreeMap;

use sluice_contract::manifest::{
    ChainId, Manifest, ManifestKind, PartitionProgress, REPLAY, StateFiles, TableProgress, Writer,
};

use super::doubt::{self, Rows};
use super::survey::{Survey, SurveyedChain};
use super::verdict::Verdict;
use crate::chain::{Beginning, Follow, follow, names, read_manifest};
use crate::error::{ContendedSnafu, LakeError};
use crate::failpoint;
use crate::generation::{self, Numbered};
use crate::lake::Lake;
use crate::store::Created;
use crate::table::TableSpec;

/// A chain whose end is lost ends so far behind its last known epoch: a process that still holds it, though it was
/// silent, looks where the chain ends before it goes on, and finds this wherever it had come to.
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
    /// Brings the tables to one end for all chains: what is decided is committed, what is in doubt is taken out.
    /// Then nobody can add to a chain any more, or go on from one. Safe to repeat.
    pub async fn mend(
        &self,
        survey: &Survey,
        specs: &[TableSpec],
        writer: &Writer,
        configuration: &str,
    ) -> Result<(), LakeError> {
        let mut tables = Vec::new();
        for spec in specs {
            if self.has_table(&spec.name).await? {
                tables.push(spec.name.as_str());
            }
        }
        for chain in &survey.chains {
            if let Verdict::Pending { epoch } = chain.verdict {
                let manifest = read_manifest(self.store(), &chain.id, epoch).await?;
                self.commit_last(&manifest, specs).await?;
            }
            if has_its_end(chain) {
                continue;
            }
            let rows = doubt::rows(self.store(), chain).await?;
            let end = end(chain, &tables, &rows, writer, configuration);
            if !follow(self.store(), &end).await? {
                return self.taken(&names::manifest(&end.chain, end.epoch));
            }
            failpoint::hit("after_recovered_end");
            self.commit_last(&end, specs).await?;
        }
        failpoint::hit("after_mend");
        Ok(())
    }

    /// Commits the last epoch of a chain. Every table has those before it.
    async fn commit_last(&self, manifest: &Manifest, specs: &[TableSpec]) -> Result<(), LakeError> {
        for spec in specs.iter().filter(|spec| manifest.commit_to(&spec.name).is_some()) {
            let mut table = self.open_table(spec).await?;
            if table.is_torn() {
                table.recover(&manifest.chain, manifest).await?;
            }
            table.roll_forward(manifest).await?;
        }
        Ok(())
    }

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

    /// Begins the generation: from then on workers go on with what its chains begin with.
    pub async fn begin_recovered(
        &self,
        job: &str,
        successor: &Successor,
        writer: &Writer,
    ) -> Result<(), LakeError> {
        let Numbered { number, generation } = &successor.generation;
        for (shard, beginning) in (0..).zip(&successor.shards) {
            let id = ChainId { job: job.to_owned(), generation: *number, shard };
            let next = Follow { kind: ManifestKind::Claim, writer, configuration: &generation.configuration };
            let claim = Manifest {
                partitions: beginning.partitions.clone(),
                state: beginning.state.clone(),
                rule_set: beginning.rule_set.clone(),
                ..next.first(id)
            };
            if !follow(self.store(), &claim).await? {
                return self.taken(&names::manifest(&claim.chain, 0));
            }
            failpoint::hit("after_recovered_claim");
        }
        match generation::begin(self.store(), job, &successor.generation).await? {
            Created::Created => Ok(()),
            Created::AlreadyExists => self.taken(&names::generation(job, *number)),
        }
    }

    /// Another recovery, or a worker, was faster.
    fn taken(&self, path: &str) -> Result<(), LakeError> {
        ContendedSnafu { action: "create", path: self.store().name(path), attempts: 1_u32 }.fail()
    }
}

/// Whether a chain is left as it is. Replays go on with theirs for ever, unless some of it is lost.
fn has_its_end(chain: &SurveyedChain) -> bool {
    let is_whole = matches!(chain.verdict, Verdict::Sound | Verdict::Pending { .. });
    is_whole && (chain.is_superseded || chain.is_abandoned() || chain.id.job == REPLAY)
}

/// The last manifest of a chain: it takes out the rows that are in doubt, and names the positions behind those
/// that are not. The chain of replays goes on behind it.
///
/// It is committed to every table. So a process that slept between a manifest, now lost, and its commit finds
/// that another has written in its name, and stops.
fn end(
    chain: &SurveyedChain,
    tables: &[&str],
    rows: &Rows,
    writer: &Writer,
    configuration: &str,
) -> Manifest {
    let kind = if chain.id.job == REPLAY { ManifestKind::Claim } else { ManifestKind::Abandoned };
    let next = Follow { kind, writer, configuration };
    let is_whole = matches!(chain.verdict, Verdict::Sound | Verdict::Pending { .. });
    let (epoch, last) = match &chain.newest {
        // Its next name is the fence.
        Some(newest) if is_whole => (newest.epoch + 1, next.after(newest.clone())),
        Some(newest) => (chain.highest + LEAP, next.after(newest.clone())),
        None if is_whole => (0, next.first(chain.id.clone())),
        None => (chain.highest + LEAP, next.first(chain.id.clone())),
    };
    let ended = |table: &&str| {
        let removes = rows.files.get(*table).cloned().unwrap_or_default();
        ((*table).to_owned(), TableProgress { last_epoch: epoch, removes, ..TableProgress::default() })
    };
    let tables = tables.iter().map(ended).collect();
    let mut partitions = if knows_more_than_the_tables(chain) { BTreeMap::new() } else { last.partitions };
    for (partition, offset) in &rows.offsets {
        partitions.entry(*partition).or_insert_with(|| PartitionProgress::starting_at(*offset));
    }
    Manifest { epoch, tables, partitions, state: StateFiles::default(), ..last }
}

/// Whether its newest manifest comes after an epoch that is in doubt, so that its positions are beyond it.
fn knows_more_than_the_tables(chain: &SurveyedChain) -> bool {
    match (&chain.newest, &chain.verdict) {
        (Some(newest), Verdict::Doubtful { epoch, .. }) => newest.epoch >= *epoch,
        (None, _) | (_, Verdict::Sound | Verdict::Pending { .. } | Verdict::Lost { .. }) => false,
    }
}
