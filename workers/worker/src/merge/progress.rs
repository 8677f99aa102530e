//! [`Progress`]: how far the merge has come in each chain of ingest, and in that of replays. Pure.
//!
//! Chains are folded in the order of their names, each up to where it was found to end, epoch by epoch. So the
//! epochs that a manifest of the merge names say all of the order: a restart folds as the first time.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, INGEST};

/// How far the merge has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    chains: BTreeMap<String, Followed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    id: ChainId,
    /// The newest epoch folded.
    folded: Option<u64>,
}

impl Progress {
    /// These chains, of which `folded` may have epochs.
    pub(super) fn new(chains: impl IntoIterator<Item = ChainId>, folded: &BTreeMap<String, u64>) -> Self {
        let follow = |id: ChainId| {
            let name = id.to_string();
            let folded = folded.get(&name).copied();
            (name, Followed { id, folded })
        };
        Self { chains: chains.into_iter().map(follow).collect() }
    }

    /// The chains, in the order in which they are folded, each with the next epoch to fold.
    pub(super) fn next(&self) -> Vec<(ChainId, u64)> {
        let next = |chain: &Followed| (chain.id.clone(), chain.folded.map_or(0, |epoch| epoch + 1));
        self.chains.values().map(next).collect()
    }

    /// [`Self::next`] without the chain of replays.
    pub(super) fn of_ingest(&self) -> Vec<(ChainId, u64)> {
        self.next().into_iter().filter(|(chain, _)| chain.job == INGEST).collect()
    }

    /// What a manifest says of replays.
    pub(super) fn of_replays(&self) -> BTreeMap<String, u64> {
        let mut epochs = self.epochs();
        epochs.retain(|chain, _| *chain == ChainId::of_replays().to_string());
        epochs
    }

    /// Whether nothing of ingest has been folded.
    pub(super) fn is_fresh(&self) -> bool {
        self.of_ingest().iter().all(|(_, next)| *next == 0)
    }

    /// An epoch has been folded.
    pub(super) fn folded(&mut self, chain: &ChainId, epoch: u64) {
        if let Some(chain) = self.chains.get_mut(&chain.to_string()) {
            chain.folded = Some(epoch);
        }
    }

    /// What a manifest says of it.
    pub(super) fn epochs(&self) -> BTreeMap<String, u64> {
        let folded = |(name, chain): (&String, &Followed)| Some((name.clone(), chain.folded?));
        self.chains.iter().filter_map(folded).collect()
    }
}

/// What a manifest of the merge folds, given what the one before had folded: each chain with the epochs from and to,
/// both included, in the order in which they were folded.
pub(super) fn steps(
    progress: &Progress,
    folded: &BTreeMap<String, u64>,
) -> impl Iterator<Item = (ChainId, u64, u64)> {
    let step = |(chain, next): (ChainId, u64)| {
        let last = *folded.get(&chain.to_string())?;
        (last >= next).then_some((chain, next, last))
    };
    progress.next().into_iter().filter_map(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(shard: u32) -> ChainId {
        ChainId { job: INGEST.to_owned(), generation: 4, shard }
    }

    fn chains(shards: u32) -> impl Iterator<Item = ChainId> {
        (0..shards).map(chain)
    }

    fn folded(epochs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        epochs.iter().map(|(name, epoch)| ((*name).to_owned(), *epoch)).collect()
    }

    #[test]
    fn each_chain_goes_on_after_its_own_last_epoch() {
        let mut progress = Progress::new(chains(2), &folded(&[("ingest/4/0", 7), ("ingest/3/0", 99)]));
        assert_eq!(progress.next(), [(chain(0), 8), (chain(1), 0)]);
        progress.folded(&chain(1), 0);
        progress.folded(&chain(0), 8);
        assert_eq!(progress.next(), [(chain(0), 9), (chain(1), 1)]);
        assert_eq!(progress.epochs(), folded(&[("ingest/4/0", 8), ("ingest/4/1", 0)]));
    }

    #[test]
    fn a_manifest_tells_what_it_folded_and_in_which_order() {
        let progress = Progress::new(chains(11), &folded(&[("ingest/4/0", 7), ("ingest/4/2", 3)]));
        let after = folded(&[("ingest/4/0", 9), ("ingest/4/2", 3), ("ingest/4/10", 1)]);
        let steps: Vec<_> = steps(&progress, &after).collect();
        assert_eq!(steps, [(chain(0), 8, 9), (chain(10), 0, 1)]);
        let order: Vec<u32> = progress.next().iter().map(|(chain, _)| chain.shard).collect();
        assert_eq!(order[..4], [0, 1, 10, 2], "by name, live and in a replay alike");
    }
}
