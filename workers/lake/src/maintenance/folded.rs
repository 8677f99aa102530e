//! [`Folded`]: which epochs of ingest no restart of the merge reads any more. Reads only.
//!
//! A merge that starts reads its base, and then what every epoch of ingest above it left. So all of that stays:
//! the manifests, and the files of partial aggregates that they name.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, INGEST, MERGE, REPLAY};

use super::MaintenancePolicy;
use super::chains::{ChainEnd, read_if_exists};
use crate::error::LakeError;
use crate::store::Store;

/// How far the base of the merge covers the chains of ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// There is no merge: nobody needs an epoch for it.
    Unneeded,
    /// The merge has yet to begin: everything is needed.
    Nothing,
    /// Generations before this one are covered, and of its own chains these epochs.
    UpTo {
        /// The generation of the newest chain of the merge.
        generation: u64,
        /// The newest epoch covered, by chain.
        epochs: BTreeMap<String, u64>,
    },
}

impl Folded {
    /// Looks at the newest chain of the merge.
    pub(super) async fn of(
        store: &Store,
        ends: &[ChainEnd],
        policy: &MaintenancePolicy,
    ) -> Result<Self, LakeError> {
        if !policy.merged {
            return Ok(Self::Unneeded);
        }
        let chains = ends.iter().filter(|end| end.id.job == MERGE);
        let Some(newest) = chains.max_by_key(|end| end.id.generation) else { return Ok(Self::Nothing) };
        // A chain begins with a base that covers all generations before its own, if there were any to cover.
        let base = match &newest.newest.state.base {
            Some(base) => read_if_exists(store, &newest.id, base.epoch).await?,
            None => None,
        };
        let epochs = base.map(|manifest| manifest.folded).unwrap_or_default();
        Ok(Self::UpTo { generation: newest.id.generation, epochs })
    }

    /// The oldest epoch of a chain that is still needed; `None` if none is.
    pub(super) fn needed_from(&self, chain: &ChainId) -> Option<u64> {
        match self {
            Self::Unneeded => None,
            // There is one chain of replays for all generations.
            Self::UpTo { epochs, .. } if chain.job == REPLAY => {
                Some(epochs.get(&chain.to_string()).map_or(0, |epoch| epoch + 1))
            }
            _ if chain.job != INGEST => None,
            Self::Nothing => Some(0),
            Self::UpTo { generation, .. } if chain.generation < *generation => None,
            Self::UpTo { generation, epochs } if chain.generation == *generation => {
                Some(epochs.get(&chain.to_string()).map_or(0, |epoch| epoch + 1))
            }
            Self::UpTo { .. } => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(job: &str, generation: u64) -> ChainId {
        ChainId { job: job.to_owned(), generation, shard: 0 }
    }

    #[test]
    fn what_the_newest_base_does_not_cover_is_needed() {
        let epochs = BTreeMap::from([("ingest/3/0".to_owned(), 41), ("replay/0/0".to_owned(), 6)]);
        let folded = Folded::UpTo { generation: 3, epochs };
        assert_eq!(folded.needed_from(&chain(INGEST, 2)), None);
        assert_eq!(folded.needed_from(&chain(INGEST, 3)), Some(42));
        let unseen = ChainId { shard: 1, ..chain(INGEST, 3) };
        assert_eq!(folded.needed_from(&unseen), Some(0));
        assert_eq!(folded.needed_from(&chain(INGEST, 4)), Some(0), "the merge has not come so far");
        assert_eq!(folded.needed_from(&chain("score-x", 0)), None);
        assert_eq!(folded.needed_from(&ChainId::of_replays()), Some(7), "of all generations");
    }

    #[test]
    fn before_a_merge_begins_all_is_needed_and_without_one_nothing() {
        assert_eq!(Folded::Nothing.needed_from(&chain(INGEST, 0)), Some(0));
        assert_eq!(Folded::Unneeded.needed_from(&chain(INGEST, 0)), None);
    }
}
