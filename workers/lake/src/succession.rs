//! [`Inheritance`]: from one generation of a job to the next.
//!
//! Every chain of the generation before is sealed first. From then on nothing can be added to it, so what
//! its last manifest says is what the next generation goes on with. A process of the old generation that
//! still runs finds its next name taken, and stops.
//!
//! All processes of the new generation do this, each before its own first claim, and all come to the same:
//! a seal is created once, and read by whoever comes later.

use std::collections::BTreeMap;

use sluice_contract::cut::Cut;
use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, PartitionProgress, StateFiles, Writer};
use snafu::ensure;

use crate::chain::{self, names};
use crate::error::{LakeError, RecoveryUnfinishedSnafu};
use crate::generation;
use crate::store::Store;

/// What a shard of a new generation goes on with.
#[derive(Clone, Debug, Default)]
pub struct Inheritance {
    /// The seals of the chains that ended. Every table must have all their epochs before anything is built
    /// on them.
    pub seals: Vec<Manifest>,
    /// What comes from each of the chains, where that is anything.
    pub bequests: Vec<Bequest>,
    /// Whether any shard has ever read anything: if not, the pipeline starts now.
    pub has_positions: bool,
}

/// What a shard takes over from one chain.
#[derive(Clone, Debug)]
pub struct Bequest {
    /// The partitions that go on in the shard.
    pub partitions: BTreeMap<i32, PartitionProgress>,
    /// The chain's state, of these partitions and others.
    pub state: StateFiles,
}

/// The shard that inherits.
#[derive(Clone, Debug)]
pub(crate) struct Heir<'a> {
    pub(crate) chain: &'a ChainId,
    /// Number of shards of its generation.
    pub(crate) shards: u32,
    pub(crate) writer: &'a Writer,
    pub(crate) configuration: &'a str,
}

/// Seals the generation before, and collects what the shard takes over from it.
///
/// A shard of it that never ran has left nothing; then what was meant for it is still in the generation
/// before that one.
pub(crate) async fn inherit(store: &Store, heir: &Heir<'_>) -> Result<Inheritance, LakeError> {
    let ChainId { job, generation, shard } = heir.chain;
    let mut seals = BTreeMap::new();
    let mut inheritance = Inheritance::default();
    // A generation, and all the shards that a partition must have belonged to since.
    let mut open = vec![(*generation, vec![Cut { shards: heir.shards, shard: *shard }])];
    while let Some((number, cuts)) = open.pop() {
        let Some(before) = number.checked_sub(1) else { continue };
        let shards = generation::read(store, job, before).await?.shards;
        for shard in 0..shards {
            let id = ChainId { job: job.clone(), generation: before, shard };
            let seal = chain::seal(store, &id, heir.writer, heir.configuration).await?;
            ensure!(
                seal.kind != ManifestKind::Abandoned,
                RecoveryUnfinishedSnafu { path: store.name(&names::manifest(&id, seal.epoch)) }
            );
            if seal.epoch == 0 {
                let cuts = cuts.iter().copied().chain([Cut { shards, shard }]).collect();
                open.push((before, cuts));
                continue;
            }
            inheritance.has_positions |= !seal.partitions.is_empty();
            inheritance.bequests.extend(bequest(&seal, &cuts));
            seals.insert(id, seal);
        }
    }
    inheritance.seals = seals.into_values().collect();
    Ok(inheritance)
}

fn bequest(seal: &Manifest, cuts: &[Cut]) -> Option<Bequest> {
    let mut partitions = seal.partitions.clone();
    partitions.retain(|partition, _| cuts.iter().all(|cut| cut.has(*partition)));
    (!partitions.is_empty()).then(|| Bequest { partitions, state: seal.state.clone() })
}

#[cfg(test)]
mod tests;
