//! [`coverage`]: up to which offsets a table has all rows that a job has for it. Reads only.
//!
//! The newest manifest of a chain may be decided and not yet committed to the table. The one before is committed to
//! all tables: else its successor would not be there.

use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, Manifest};

use crate::chain;
use crate::error::LakeError;
use crate::recovery::transactions;
use crate::store::Store;

/// For each partition of the topic, the offset below which every message is read that the job has rows of, and
/// all of these rows are in the table. Partitions that the job has never read are left out.
pub(crate) async fn coverage(store: &Store, job: &str, table: &str) -> Result<BTreeMap<i32, i64>, LakeError> {
    let mut newest = Vec::new();
    for chain in chain::listed(store, job).await? {
        newest.extend(chain::newest_manifest(store, &chain).await?);
    }
    // After the manifests: what is not in the table by now may come, but is not waited for.
    let committed = transactions::all(store, table).await?;
    let mut covered = BTreeMap::new();
    for manifest in newest {
        let is_committed = is_committed(&manifest, table, &committed);
        let manifest =
            if is_committed { manifest } else { before(store, &manifest.chain, manifest.epoch).await? };
        for (partition, progress) in manifest.partitions {
            let next_offset = covered.entry(partition).or_insert(progress.next_offset);
            *next_offset = progress.next_offset.max(*next_offset);
        }
    }
    Ok(covered)
}

fn is_committed(manifest: &Manifest, table: &str, committed: &BTreeMap<String, i64>) -> bool {
    let epoch = committed.get(&manifest.chain.to_string()).copied().unwrap_or_default();
    manifest.commit_to(table).is_none_or(|progress| progress.last_epoch <= epoch.unsigned_abs())
}

/// The manifest before one that has rows, and so is not the first.
async fn before(store: &Store, chain: &ChainId, epoch: u64) -> Result<Manifest, LakeError> {
    chain::read_manifest(store, chain, epoch - 1).await
}

#[cfg(test)]
mod tests {
    use sluice_contract::manifest::PartitionProgress;

    use super::*;
    use crate::chain::{Appended, Beginning, Chain};
    use crate::data_file::TableWriter;
    use crate::fixtures::{chain_id, events, local_lake, manifest, rows, won_of};
    use crate::lake::Lake;

    fn at(next_offset: i64) -> BTreeMap<i32, PartitionProgress> {
        BTreeMap::from([(3, PartitionProgress::starting_at(next_offset))])
    }

    /// Decides an epoch of ten rows up to an offset.
    async fn decide(lake: &Lake, chain: &mut Chain, next_offset: i64) -> Manifest {
        let mut writer = TableWriter::new(&events());
        writer.write(&rows(next_offset - 10, 10)).unwrap();
        let files = lake.persist("bronze", writer.finish().unwrap()).await.unwrap();
        let added = BTreeMap::from([("bronze".to_owned(), files)]);
        let next = Manifest { partitions: at(next_offset), ..manifest(chain, added) };
        assert_eq!(chain.append(&next).await.unwrap(), Appended::Created);
        next
    }

    async fn covered(lake: &Lake) -> BTreeMap<i32, i64> {
        coverage(lake.store(), "ingest", "bronze").await.unwrap()
    }

    #[tokio::test]
    async fn a_table_covers_what_is_committed_to_it_and_not_what_is_decided_alone() {
        let (_directory, lake) = local_lake().await;
        assert_eq!(covered(&lake).await, BTreeMap::new());
        let beginning = Beginning { partitions: at(5), ..Beginning::default() };
        let (mut chain, _) = won_of(lake.store(), chain_id(0), "w", &beginning).await;
        assert_eq!(covered(&lake).await, BTreeMap::from([(3, 5)]), "nothing below it is to come");
        let mut table = lake.open_table(&events()).await.unwrap();
        for next_offset in [15, 25] {
            let decided = decide(&lake, &mut chain, next_offset).await;
            assert_eq!(covered(&lake).await, BTreeMap::from([(3, next_offset - 10)]));
            table.roll_forward(&decided).await.unwrap();
            assert_eq!(covered(&lake).await, BTreeMap::from([(3, next_offset)]));
        }
        let idle = Manifest { partitions: at(40), ..manifest(&chain, BTreeMap::new()) };
        assert_eq!(chain.append(&idle).await.unwrap(), Appended::Created);
        assert_eq!(covered(&lake).await, BTreeMap::from([(3, 40)]), "it has no rows that could be missing");
    }

    #[tokio::test]
    async fn a_generation_that_has_just_begun_covers_what_the_one_before_did() {
        let (_directory, lake) = local_lake().await;
        let beginning = Beginning { partitions: at(30), ..Beginning::default() };
        won_of(lake.store(), chain_id(0), "w", &beginning).await;
        let next = ChainId { generation: 1, ..chain_id(0) };
        won_of(lake.store(), next, "w", &Beginning::default()).await;
        assert_eq!(covered(&lake).await, BTreeMap::from([(3, 30)]));
    }
}
