//! Which manifests and state files go, and that a restart does without them.

use sluice_contract::manifest::StateFiles;

use super::*;
use crate::chain::{names, newest_epoch};
use crate::maintenance::Pruned;

const HOUR: Duration = Duration::from_hours(1);

async fn epochs(process: &Process) -> Vec<u64> {
    let files = process.store().list_after(&names::chain_directory(process.chain.id()), None).await.unwrap();
    let epochs = files.iter().filter_map(|file| names::epoch_of(file.location.filename()?));
    let mut epochs: Vec<u64> = epochs.collect();
    epochs.sort_unstable();
    epochs
}

#[tokio::test]
async fn the_newest_thousand_manifests_stay_and_what_they_refer_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(3).await;
    process.idle(1_100).await;
    assert_eq!(process.lake.prune(&after(Duration::ZERO)).await.unwrap().manifests, 0, "all are young");
    let pruned = process.lake.prune(&after(HOUR)).await.unwrap();
    // Epochs 0 to 1103; 3 was the last with rows.
    assert_eq!(pruned, Pruned { manifests: 103, ..Pruned::default() });
    let expected: Vec<u64> = std::iter::once(3).chain(104..=1103).collect();
    assert_eq!(epochs(&process).await, expected);
    assert_eq!(process.lake.prune(&after(HOUR)).await.unwrap(), Pruned::default());

    // The writer goes on, and a successor finds all it needs.
    process.commit(1).await;
    let (chain, claim) = won(process.store(), 0, "b").await;
    assert_eq!(claim.epoch, 1105);
    let mut table = process.lake.open_table(&events()).await.unwrap();
    let recovered = table.recover(chain.id(), &claim).await.unwrap();
    assert!(recovered.redone.is_empty(), "{recovered:?}");
    assert_eq!(newest_epoch(process.store(), chain.id()).await.unwrap().unwrap().epoch, 1105);
}

#[tokio::test]
async fn manifests_that_a_table_lacks_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.commit(3).await;
    let pending = process.decide().await;
    process.idle(1_100).await;
    process.lake.prune(&after(HOUR)).await.unwrap();
    assert_eq!(epochs(&process).await[0], 3, "all from the table's newest epoch on");
    let (chain, claim) = won(process.store(), 0, "b").await;
    let mut table = process.lake.open_table(&events()).await.unwrap();
    assert_eq!(table.recover(chain.id(), &claim).await.unwrap().redone, [pending.epoch]);
    assert_eq!(offsets(&process.lake).await, all(40));
}

#[tokio::test]
async fn state_files_that_no_manifest_names_go_after_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    let id = process.chain.id().clone();
    let orphan = process.lake.put_state(&id, 1, vec![1]).await.unwrap();
    let base = process.lake.put_state(&id, 1, vec![2]).await.unwrap();
    let earlier = process.lake.put_state(&id, 1, vec![3]).await.unwrap();
    for state in [&earlier, &base] {
        let state = StateFiles { base: Some(state.clone()), deltas: vec![] };
        let next = Manifest { state, ..manifest(&process.chain, std::collections::BTreeMap::new()) };
        assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let unfinished = process.lake.put_state(&id, 3, vec![4]).await.unwrap();
    assert_eq!(process.lake.prune(&after(HOUR)).await.unwrap().state_files, 0);
    let policy = after(2 * DAY);
    // The storage's clock: the orphan must be older than the end of the chain.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(process.lake.prune(&policy).await.unwrap().state_files, 1);
    let exists = async |path: &str| process.store().read_if_exists(path).await.unwrap().is_some();
    assert!(!exists(&orphan.path).await);
    for (kept, why) in
        [(&base, "in use"), (&earlier, "named by a manifest"), (&unfinished, "of the next epoch")]
    {
        assert!(exists(&kept.path).await, "{why}");
    }
}

/// A chain of the merge, whose base covers `folded`.
async fn merge_with_base(store: &Store, generation: u64, folded: &[(&str, u64)]) -> Chain {
    let id = sluice_contract::manifest::ChainId { job: "merge".to_owned(), generation, shard: 0 };
    let (mut chain, claim) = won_of(store, id, "m", &crate::chain::Beginning::default()).await;
    let folded: std::collections::BTreeMap<String, u64> =
        folded.iter().map(|(chain, epoch)| ((*chain).to_owned(), *epoch)).collect();
    let covered = Manifest { folded, ..manifest(&chain, std::collections::BTreeMap::new()) };
    assert_eq!(chain.append(&covered).await.unwrap(), Appended::Created);
    let base = sluice_contract::manifest::StateFile {
        path: "_sluice/merge/state/base".to_owned(),
        bytes: 1,
        epoch: claim.epoch + 1,
        written_at_ms: 0,
    };
    let state = StateFiles { base: Some(base), deltas: Vec::new() };
    let next = Manifest { state, ..manifest(&chain, std::collections::BTreeMap::new()) };
    assert_eq!(chain.append(&next).await.unwrap(), Appended::Created);
    chain
}

fn merging(policy: MaintenancePolicy) -> MaintenancePolicy {
    MaintenancePolicy { merged: true, ..policy }
}

#[tokio::test]
async fn manifests_that_the_base_of_the_merge_does_not_cover_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    process.idle(1_100).await;
    let policy = merging(after(HOUR));
    assert_eq!(process.lake.prune(&policy).await.unwrap(), Pruned::default(), "the merge has yet to begin");
    merge_with_base(process.store(), 0, &[("ingest/0/0", 40)]).await;
    assert_eq!(process.lake.prune(&policy).await.unwrap().manifests, 41);
    assert_eq!(epochs(&process).await[0], 41);
    // The merge of a later generation has begun with a base that covers those before.
    merge_with_base(process.store(), 1, &[]).await;
    assert_eq!(process.lake.prune(&policy).await.unwrap().manifests, 60);
    assert_eq!(epochs(&process).await[0], 101, "the newest thousand");
}

#[tokio::test]
async fn manifests_of_the_merge_above_its_base_stay() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(&directory, 0).await;
    let mut chain = merge_with_base(process.store(), 0, &[]).await;
    let newest = crate::chain::newest_manifest(process.store(), chain.id()).await.unwrap().unwrap();
    for _ in 0..1_100 {
        let next =
            Manifest { state: newest.state.clone(), ..manifest(&chain, std::collections::BTreeMap::new()) };
        assert_eq!(chain.append(&next).await.unwrap(), Appended::Created);
    }
    assert_eq!(process.lake.prune(&merging(after(HOUR))).await.unwrap().manifests, 1, "the claim");
    let files = process.store().list_after(&names::chain_directory(chain.id()), None).await.unwrap();
    let oldest = files.iter().filter_map(|file| names::epoch_of(file.location.filename()?)).min();
    assert_eq!(oldest, Some(1), "the base");
}

#[tokio::test]
async fn partial_aggregates_go_when_the_base_covers_them_or_nobody_names_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0).await;
    let id = process.chain.id().clone();
    let put = async |epoch| process.lake.put_partial_aggregates(&id, epoch, vec![epoch as u8]).await.unwrap();
    let (orphan, covered, named) = (put(2).await, put(1).await, put(2).await);
    // The clock of files is coarse, and a file that is as old as the newest manifest may belong to the next epoch.
    let tick = Duration::from_millis(20);
    tokio::time::sleep(tick).await;
    for path in [&covered, &named] {
        let partial_aggregates = Some(path.clone());
        let next =
            Manifest { partial_aggregates, ..manifest(&process.chain, std::collections::BTreeMap::new()) };
        assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
    }
    tokio::time::sleep(tick).await;
    let unfinished = process.lake.put_partial_aggregates(&id, 3, vec![3]).await.unwrap();
    merge_with_base(process.store(), 0, &[("ingest/0/0", 1)]).await;
    let pruned = process.lake.prune(&merging(after(HOUR))).await.unwrap();
    assert_eq!(pruned.partial_aggregates, 0, "all are young");
    let pruned = process.lake.prune(&merging(after(2 * DAY))).await.unwrap();
    assert_eq!(pruned.partial_aggregates, 2);
    let exists = async |path: &str| process.store().read_if_exists(path).await.unwrap().is_some();
    assert!(!exists(&orphan).await && !exists(&covered).await);
    assert_eq!(process.lake.read(&named).await.unwrap(), vec![2_u8]);
    assert!(exists(&unfinished).await, "of the next epoch");
    let pruned = process.lake.prune(&after(2 * DAY)).await.unwrap();
    assert_eq!(pruned.partial_aggregates, 1, "without a merge nobody needs the file");
    process.lake.forget(&[unfinished.clone(), unfinished.clone()]).await.unwrap();
    assert!(!exists(&unfinished).await, "and one that is gone counts as deleted");
}
