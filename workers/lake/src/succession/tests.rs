use sluice_contract::manifest::{ManifestKind, StateFile};

use super::*;
use crate::chain::{Appended, Beginning};
use crate::fixtures::{generation, local_store, manifest, won_of, writer};
use crate::generation::{Numbered, begin};

fn chain(generation: u64, shard: u32) -> ChainId {
    ChainId { job: "ingest".to_owned(), generation, shard }
}

async fn begun(store: &Store, number: u64, shards: u32) {
    begin(store, "ingest", &Numbered { number, generation: generation(shards, "r") }).await.unwrap();
}

fn at(next_offset: i64) -> PartitionProgress {
    PartitionProgress::starting_at(next_offset)
}

/// Lets a shard read some partitions up to an offset.
async fn run(store: &Store, id: ChainId, partitions: &[i32], offset: i64) {
    let (mut chain, _) = won_of(store, id, "old", &Beginning::default()).await;
    let state = StateFile { path: format!("state of {}", chain.id()), bytes: 1, epoch: 1, written_at_ms: 1 };
    let epoch = Manifest {
        partitions: partitions.iter().map(|partition| (*partition, at(offset))).collect(),
        state: StateFiles { base: None, deltas: vec![state] },
        ..manifest(&chain, BTreeMap::new())
    };
    assert_eq!(chain.append(&epoch).await.unwrap(), Appended::Created);
}

async fn inherited(store: &Store, generation: u64, shards: u32, shard: u32) -> Inheritance {
    let (chain, writer) = (chain(generation, shard), writer("heir"));
    let heir = Heir { chain: &chain, shards, writer: &writer, configuration: "r" };
    inherit(store, &heir).await.unwrap()
}

/// Partition, next offset and state, for each partition inherited.
fn bequests(inheritance: &Inheritance) -> Vec<(i32, i64, &str)> {
    let mut all: Vec<_> = inheritance
        .bequests
        .iter()
        .flat_map(|bequest| {
            let state = bequest.state.deltas[0].path.as_str();
            bequest
                .partitions
                .iter()
                .map(move |(partition, progress)| (*partition, progress.next_offset, state))
        })
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn the_first_generation_inherits_nothing() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 2).await;
    let inheritance = inherited(&store, 0, 2, 1).await;
    assert!(inheritance.seals.is_empty() && inheritance.bequests.is_empty() && !inheritance.has_positions);
}

#[tokio::test]
async fn each_shard_of_a_finer_cut_inherits_its_partitions() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 1).await;
    run(&store, chain(0, 0), &[0, 1, 2, 3], 40).await;
    begun(&store, 1, 3).await;
    let state = "state of ingest/0/0";
    for (shard, expected) in
        [(0, vec![(0, 40, state), (3, 40, state)]), (1, vec![(1, 40, state)]), (2, vec![(2, 40, state)])]
    {
        let inheritance = inherited(&store, 1, 3, shard).await;
        assert_eq!(bequests(&inheritance), expected, "shard {shard}");
        assert_eq!(inheritance.seals.len(), 1);
        assert_eq!(inheritance.seals[0].kind, ManifestKind::Sealed);
    }
}

#[tokio::test]
async fn a_coarser_cut_inherits_from_every_chain_and_seals_those_that_leave_it_nothing() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 3).await;
    run(&store, chain(0, 0), &[0, 3], 10).await;
    run(&store, chain(0, 1), &[1], 11).await;
    run(&store, chain(0, 2), &[2], 12).await;
    begun(&store, 1, 2).await;
    let first = inherited(&store, 1, 2, 0).await;
    assert_eq!(bequests(&first), [(0, 10, "state of ingest/0/0"), (2, 12, "state of ingest/0/2")]);
    assert_eq!(first.seals.len(), 3, "all of them, or a zombie could go on");
    let second = inherited(&store, 1, 2, 1).await;
    assert_eq!(bequests(&second), [(1, 11, "state of ingest/0/1"), (3, 10, "state of ingest/0/0")]);
    assert_eq!(first.seals, second.seals);
}

#[tokio::test]
async fn what_a_shard_that_never_ran_would_have_inherited_comes_from_the_generation_before() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 1).await;
    run(&store, chain(0, 0), &[0, 1, 2, 3, 4, 5], 40).await;
    begun(&store, 1, 3).await;
    // Only shard 1 of three comes to run; it reads on.
    assert_eq!(bequests(&inherited(&store, 1, 3, 1).await).len(), 2);
    run(&store, chain(1, 1), &[1, 4], 99).await;
    begun(&store, 2, 2).await;
    let (first, last) = ("state of ingest/0/0", "state of ingest/1/1");
    let even = inherited(&store, 2, 2, 0).await;
    assert_eq!(bequests(&even), [(0, 40, first), (2, 40, first), (4, 99, last)]);
    let odd = inherited(&store, 2, 2, 1).await;
    assert_eq!(bequests(&odd), [(1, 99, last), (3, 40, first), (5, 40, first)]);
    assert!(odd.has_positions);
}

#[tokio::test]
async fn a_shard_that_never_ran_cannot_begin_when_its_generation_has_ended() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 2).await;
    run(&store, chain(0, 0), &[0], 7).await;
    begun(&store, 1, 1).await;
    inherited(&store, 1, 1, 0).await;
    let late = chain::claim(&store, chain(0, 1), writer("late"), "r", &Beginning::default()).await.unwrap();
    assert!(matches!(late, chain::Claim::Sealed { .. }), "{late:?}");
}

#[tokio::test]
async fn a_generation_in_which_nothing_was_read_leaves_no_positions() {
    let (_directory, store) = local_store().await;
    begun(&store, 0, 2).await;
    won_of(&store, chain(0, 0), "a", &Beginning::default()).await;
    begun(&store, 1, 1).await;
    let inheritance = inherited(&store, 1, 1, 0).await;
    assert!(!inheritance.has_positions && inheritance.bequests.is_empty());
}
