use std::collections::BTreeMap;

use sluice_contract::manifest::{Counts, Manifest, PartitionProgress};

use super::*;
use crate::chain::{Appended, Beginning, names};
use crate::fixtures::{chain_id, events, generation, local_lake, manifest, stored, won_of, writer};
use crate::generation::{Numbered, begin};

const TABLES: [&str; 1] = ["bronze"];

/// A lake whose chain has written and committed this many epochs of ten rows.
async fn filled(lake: &Lake, epochs: u64) {
    let store = lake.store();
    begin(store, "ingest", &Numbered { number: 0, generation: generation(1, "r") }).await.unwrap();
    store.put(names::IDENTITY, identity().into()).await.unwrap();
    let (mut chain, claim) = won_of(store, chain_id(0), "w", &Beginning::default()).await;
    let mut table = lake.open_table(&events()).await.unwrap();
    table.recover(chain.id(), &claim).await.unwrap();
    for epoch in 0..epochs {
        let files = stored(lake, (epoch * 10) as i64, 10).await;
        let at = PartitionProgress {
            next_offset: (epoch * 10 + 10) as i64,
            max_event_time_us: None,
            idle: false,
            counts: Counts::default(),
        };
        let next = Manifest { partitions: BTreeMap::from([(0, at)]), ..manifest(&chain, files) };
        assert_eq!(chain.append(&next).await.unwrap(), Appended::Created);
        table.roll_forward(&next).await.unwrap();
    }
}

fn identity() -> &'static str {
    r#"{"formatVersion":1,"lakeId":"00000000-0000-0000-0000-000000000001",
        "owner":{"cluster":"local","namespace":"default","name":"x"},"topic":{"name":"t"},"createdAtMs":0}"#
}

async fn verdict(lake: &Lake) -> Verdict {
    lake.survey("ingest", &TABLES).await.unwrap().chains[0].verdict.clone()
}

#[tokio::test]
async fn a_whole_lake_is_sound() {
    let (_directory, lake) = local_lake().await;
    filled(&lake, 3).await;
    let survey = lake.survey("ingest", &TABLES).await.unwrap();
    assert!(survey.is_sound(), "{survey:?}");
    assert_eq!(survey.least_positions(), BTreeMap::from([(0, 30)]));
}

#[tokio::test]
async fn manifests_that_are_gone_are_found_missing_by_the_log_of_the_table() {
    let (_directory, lake) = local_lake().await;
    filled(&lake, 3).await;
    lake.store().delete(&names::manifest(&chain_id(0), 3)).await.unwrap();
    assert_eq!(verdict(&lake).await, Verdict::Lost { epoch: 3 });
    lake.store().put(&names::manifest(&chain_id(0), 3), "{\"form".into()).await.unwrap();
    let survey = lake.survey("ingest", &TABLES).await.unwrap();
    assert!(survey.damaged[0].path.ends_with("3.json") && survey.damaged[0].exists, "{survey:?}");
    assert_eq!(survey.least_positions(), BTreeMap::from([(0, 20)]));
}

#[tokio::test]
async fn a_generation_that_is_gone_is_not_begun_again() {
    let (_directory, lake) = local_lake().await;
    filled(&lake, 2).await;
    let refused = lake.refuse_lost_generations("ingest", 0, &TABLES).await.unwrap_err();
    assert!(refused.to_string().contains("sluice recover"), "{refused}");
    lake.refuse_lost_generations("ingest", 1, &TABLES).await.unwrap();
}

#[tokio::test]
async fn a_mended_lake_is_sound_and_its_old_chain_is_closed() {
    let (_directory, lake) = local_lake().await;
    filled(&lake, 3).await;
    lake.store().put(&names::manifest(&chain_id(0), 3), "".into()).await.unwrap();
    let survey = lake.survey("ingest", &TABLES).await.unwrap();
    lake.set_aside(&survey).await.unwrap();
    lake.mend(&survey, &[events()], &writer("recover"), "r").await.unwrap();
    let successor = Successor {
        generation: Numbered { number: survey.next_generation, generation: generation(1, "r") },
        shards: vec![Beginning::default()],
    };
    lake.begin_recovered("ingest", &successor, &writer("recover")).await.unwrap();
    let after = lake.survey("ingest", &TABLES).await.unwrap();
    assert!(after.is_sound(), "{after:?}");
    assert_eq!(after.newest_generation.unwrap().number, 1);
    lake.refuse_without_successor(&chain_id(0)).await.unwrap();
}
