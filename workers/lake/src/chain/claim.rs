//! [`Claim`]: a process takes a chain over, by creating its next manifest before it reads any state.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, PartitionProgress, StateFiles, Writer};

use super::follow::{Follow, follow};
use super::{Chain, names, newest_manifest};
use crate::error::{ContendedSnafu, LakeError};
use crate::failpoint;
use crate::store::Store;

/// So many others cannot be starting at once, unless something is very wrong.
pub(super) const ATTEMPTS: u32 = 20;

/// How an attempt to take a chain over ended.
#[derive(Debug)]
pub enum Claim {
    /// The chain is ours until another process claims it.
    Won {
        /// The chain, for the epochs to come.
        chain: Chain,
        /// The claim just written: positions, state and the tables' last epochs of the newest manifest
        /// before it; what it begins with for a fresh chain (epoch 0).
        manifest: Box<Manifest>,
    },
    /// A process of a newer deployment holds the chain.
    HeldByNewer {
        /// Who holds it.
        writer: Writer,
    },
    /// The chain has ended: its generation is over.
    Sealed {
        /// Who ended it.
        by: Writer,
    },
}

/// What a fresh chain goes on with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beginning {
    /// Positions, from the chains of the generation before.
    pub partitions: BTreeMap<i32, PartitionProgress>,
    /// Their state, in files of the new chain's own.
    pub state: StateFiles,
    /// The rule set in force (scoring jobs).
    pub rule_set: Option<String>,
    /// The last epoch folded of chains that the new chain follows too (the merge).
    pub folded: BTreeMap<String, u64>,
}

/// Takes a chain over, unless it has ended or a newer deployment holds it. `beginning` is for a fresh one.
pub(crate) async fn claim(
    store: &Store,
    id: ChainId,
    writer: Writer,
    configuration: &str,
    beginning: &Beginning,
) -> Result<Claim, LakeError> {
    for _ in 0..ATTEMPTS {
        let newest = newest_manifest(store, &id).await?;
        match &newest {
            Some(newest) if newest.kind.is_end() => {
                return Ok(Claim::Sealed { by: newest.writer.clone() });
            }
            Some(newest) if newest.writer.deployment_revision > writer.deployment_revision => {
                return Ok(Claim::HeldByNewer { writer: newest.writer.clone() });
            }
            Some(_) | None => {}
        }
        let next = Follow { kind: ManifestKind::Claim, writer: &writer, configuration };
        let claim = match newest {
            Some(newest) => next.after(newest),
            None => Manifest {
                partitions: beginning.partitions.clone(),
                state: beginning.state.clone(),
                rule_set: beginning.rule_set.clone(),
                folded: beginning.folded.clone(),
                ..next.first(id.clone())
            },
        };
        failpoint::hit_of(&id.job, "before_claim");
        if follow(store, &claim).await? {
            failpoint::hit_of(&id.job, "after_claim");
            let chain = Chain::after(store.clone(), &claim);
            return Ok(Claim::Won { chain, manifest: Box::new(claim) });
        }
    }
    ContendedSnafu { action: "claim", path: store.name(&names::chain_directory(&id)), attempts: ATTEMPTS }
        .fail()
}
