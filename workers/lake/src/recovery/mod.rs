//! Recovery: what a lake remembers below `_sluice/`, made again from its tables.
//!
//! Bronze and quarantine hold every message that was delivered, each with its partition and offset, and their logs
//! say up to which epoch of which chain. So where manifests, generations or `lake.json` are gone, torn or at odds
//! with the tables, all that a chain said can be found again, but for one thing: whether the very last epoch is in
//! all of its tables.
//!
//! # Reading order
//! 1. [`survey`]: reads everything and changes nothing; [`verdict`] is the pure part of it.
//! 2. [`doubt`]: finds the rows of an epoch that may be in some tables only.
//! 3. [`mend`]: ends all chains, so that such rows are taken out of the tables and read again, sets damaged files
//!    aside, and begins a generation whose chains start with what was found.
//!
//! The creation of `generation.json` is the commit point, and the last step. A recovery that dies before it leaves
//! chains that have ended for it ([`ManifestKind::Abandoned`](sluice_contract::manifest::ManifestKind)): no worker
//! goes on from them, and the recovery is run again.

mod doubt;
mod mend;
mod survey;
pub(crate) mod transactions;
mod verdict;

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, REPLAY};

pub use mend::Successor;
pub use survey::{Damage, Pulse, Survey, SurveyedChain};
pub use verdict::Verdict;

use crate::chain::names;
use crate::error::{LakeError, LakeFileLostSnafu};
use crate::lake::Lake;
use crate::store::Store;

/// Fails where a table has epochs of a generation of the job that is not there, from `number` on.
///
/// Whoever begins a generation of that number would read the topic again from where an older one stood, or from its
/// beginning.
pub(crate) async fn refuse_lost_generations(
    store: &Store,
    job: &str,
    number: u64,
    tables: &[&str],
) -> Result<(), LakeError> {
    for table in tables {
        let found = transactions::all(store, table).await?;
        let chains = found.keys().filter_map(|application| survey::chain_of(application));
        let newer: BTreeMap<u64, ChainId> = chains
            .filter(|chain| chain.job == job && chain.generation >= number)
            .map(|chain| (chain.generation, chain))
            .collect();
        for (generation, chain) in newer.into_iter().rev() {
            let path = names::generation(job, generation);
            // Another process may have begun it, and written to it, since the generations were looked at.
            if store.read_if_exists(&path).await?.is_none() {
                let evidence = has_epochs(table, &chain);
                return LakeFileLostSnafu { path: store.name(&path), evidence }.fail();
            }
        }
    }
    Ok(())
}

/// Which table has rows of Sluice, if any has.
pub(crate) async fn evidence(store: &Store) -> Result<Option<String>, LakeError> {
    for table in store.list_directories("").await?.iter().filter(|name| *name != names::ROOT) {
        let found = transactions::all(store, table).await?;
        if let Some(chain) = found.keys().find_map(|application| survey::chain_of(application)) {
            return Ok(Some(has_epochs(table, &chain)));
        }
    }
    Ok(None)
}

fn has_epochs(table: &str, chain: &ChainId) -> String {
    format!("table '{table}' has epochs of '{chain}'")
}

impl Lake {
    /// Looks at all that the lake remembers of a job, and compares it with the tables. Changes nothing.
    pub async fn survey(&self, job: &str, tables: &[&str]) -> Result<Survey, LakeError> {
        survey::survey(self.store(), job, tables).await
    }

    /// How far chains and tables have come: it changes while any worker lives.
    pub async fn pulse(&self, job: &str, tables: &[&str]) -> Result<Pulse, LakeError> {
        survey::pulse(self.store(), job, tables).await
    }

    /// The smallest offset of each partition in the rows that [`Self::mend`] takes out of the tables, and that must
    /// be read again. What a replay took up is still in quarantine.
    pub async fn doubtful_offsets(&self, survey: &Survey) -> Result<BTreeMap<i32, i64>, LakeError> {
        let mut smallest = BTreeMap::new();
        for chain in survey.chains.iter().filter(|chain| chain.id.job != REPLAY) {
            for (partition, offset) in doubt::rows(self.store(), chain).await?.offsets {
                let least = smallest.entry(partition).or_insert(offset);
                *least = offset.min(*least);
            }
        }
        Ok(smallest)
    }
}

#[cfg(test)]
mod tests;
