use std::collections::BTreeSet;

use bytes::Bytes;
use sluice_contract::manifest::{Counts, PartitionProgress, StateFile, StateFiles};

use super::*;
use crate::fixtures::{chain_id, forgetful_store, local_store, manifest, won, won_of, writer};

fn file(path: &str) -> AddedFile {
    AddedFile {
        path: path.to_owned(),
        size: 1,
        rows: 1,
        partition_values: BTreeMap::new(),
        modification_time_ms: 1,
        stats: "{}".to_owned(),
    }
}

async fn claim_as(store: &Store, writer: Writer) -> Result<Claim, LakeError> {
    claim(store, chain_id(0), writer, "r", &Beginning::default()).await
}

fn idle(chain: &Chain) -> Manifest {
    manifest(chain, BTreeMap::new())
}

fn with_rows(chain: &Chain, table: &str) -> Manifest {
    manifest(chain, BTreeMap::from([(table.to_owned(), vec![file("f")])]))
}

#[tokio::test]
async fn the_first_claim_of_a_chain_is_epoch_0_and_empty() {
    let (_directory, store) = local_store().await;
    let (chain, claim) = won(&store, 0, "a").await;
    assert_eq!((claim.epoch, claim.kind, chain.next_epoch()), (0, ManifestKind::Claim, 1));
    assert!(claim.partitions.is_empty() && claim.tables.is_empty() && claim.state == StateFiles::default());
    assert_eq!(claim.configuration, "revision");
}

#[tokio::test]
async fn a_claim_carries_everything_over_but_the_data() {
    let (_directory, store) = local_store().await;
    let (mut chain, _) = won(&store, 0, "a").await;
    let progress = PartitionProgress {
        next_offset: 42,
        max_event_time_us: Some(7),
        idle: true,
        caught_up: true,
        counts: Counts::default(),
    };
    let state = StateFile { path: "s".to_owned(), bytes: 1, epoch: 1, written_at_ms: 1 };
    let epoch = Manifest {
        partitions: BTreeMap::from([(3, progress)]),
        state: StateFiles { base: Some(state), deltas: vec![] },
        rule_set: Some("rules".to_owned()),
        folded: BTreeMap::from([("ingest/0/0".to_owned(), 4)]),
        recompute: None,
        partial_aggregates: Some("file".to_owned()),
        ..with_rows(&chain, "bronze")
    };
    assert_eq!(chain.append(&epoch).await.unwrap(), Appended::Created);
    let (successor, claim) = won(&store, 0, "b").await;
    assert_eq!((claim.epoch, successor.next_epoch()), (2, 3));
    assert_eq!(claim.tables["bronze"], TableProgress { last_epoch: 1, ..Default::default() });
    assert_eq!(claim.writer, writer("b"));
    assert_eq!(claim.partial_aggregates, None);
    let carried = |manifest: &Manifest| {
        let Manifest { partitions, state, rule_set, folded, .. } = manifest.clone();
        (partitions, state, rule_set, folded)
    };
    assert_eq!(carried(&claim), carried(&epoch));
}

#[tokio::test]
async fn the_owner_before_a_claim_loses_its_next_epoch_for_good() {
    let (_directory, store) = local_store().await;
    let (mut before, _) = won(&store, 0, "before").await;
    let (mut after, _) = won(&store, 0, "after").await;
    let late = idle(&before);
    for _ in 0..2 {
        assert_eq!(before.append(&late).await.unwrap(), Appended::Lost { by: writer("after") });
    }
    assert_eq!(before.next_epoch(), 1);
    let epoch = idle(&after);
    assert_eq!(after.append(&epoch).await.unwrap(), Appended::Created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_writers_with_the_same_standing_exactly_one_gets_each_epoch() {
    let (_directory, store) = local_store().await;
    let (mut left, claim) = won(&store, 0, "a").await;
    let mut right = Chain::after(store.clone(), &claim);
    for _ in 0..25 {
        let (ours, theirs) = (idle(&left), idle(&right));
        let outcomes = tokio::join!(left.append(&ours), right.append(&theirs));
        let created = [outcomes.0.unwrap(), outcomes.1.unwrap()].map(|outcome| outcome == Appended::Created);
        assert!(created[0] != created[1], "{created:?}");
        let newest = newest_epoch(&store, &chain_id(0)).await.unwrap().unwrap().epoch;
        let winner = read_manifest(&store, &chain_id(0), newest).await.unwrap();
        assert_eq!(winner.id, if created[0] { ours.id } else { theirs.id });
        left = Chain::after(store.clone(), &winner);
        right = Chain::after(store.clone(), &winner);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_at_the_same_time_get_epochs_of_their_own_and_the_last_one_holds() {
    let (_directory, store) = local_store().await;
    let claims = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { won(&store, 0, &format!("w{number}")).await })
    });
    let mut chains: Vec<_> =
        futures::future::join_all(claims).await.into_iter().map(|claim| claim.unwrap()).collect();
    let epochs: BTreeSet<u64> = chains.iter().map(|(_, claim)| claim.epoch).collect();
    assert_eq!(epochs, (0..6).collect());
    for (chain, claim) in &mut chains {
        let next = idle(chain);
        let outcome = chain.append(&next).await.unwrap();
        assert_eq!(outcome == Appended::Created, claim.epoch == 5, "epoch {}", claim.epoch);
    }
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_ours_when_it_is_repeated() {
    let (forgetful, store) = forgetful_store();
    let (mut chain, _) = won(&store, 0, "a").await;
    let epoch = with_rows(&chain, "bronze");
    forgetful.forget_next();
    let error = chain.append(&epoch).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(chain.next_epoch(), 1);
    assert_eq!(chain.append(&epoch).await.unwrap(), Appended::Created);
    assert_eq!(chain.next_epoch(), 2);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_made_again_after_itself() {
    let (forgetful, store) = forgetful_store();
    forgetful.forget_next();
    assert!(claim_as(&store, writer("a")).await.unwrap_err().is_transient());
    let (_, manifest) = won(&store, 0, "a").await;
    assert_eq!(manifest.epoch, 1);
}

#[tokio::test]
async fn a_chain_of_a_newer_deployment_is_not_claimed() {
    let (_directory, store) = local_store().await;
    let newer = Writer { id: "new".to_owned(), deployment_revision: 2 };
    claim_as(&store, newer.clone()).await.unwrap();
    match claim_as(&store, writer("old")).await.unwrap() {
        Claim::HeldByNewer { writer } => assert_eq!(writer, newer),
        other => panic!("an older deployment got {other:?}"),
    }
}

#[tokio::test]
async fn a_sealed_chain_has_ended_for_its_holder_and_for_everybody() {
    let (_directory, store) = local_store().await;
    let (mut chain, _) = won(&store, 0, "a").await;
    let epoch = with_rows(&chain, "bronze");
    chain.append(&epoch).await.unwrap();
    let ended = seal(&store, &chain_id(0), &writer("heir"), "next").await.unwrap();
    assert_eq!((ended.epoch, ended.kind), (2, ManifestKind::Sealed));
    assert_eq!(ended.tables["bronze"], TableProgress { last_epoch: 1, ..Default::default() });
    let late = idle(&chain);
    assert_eq!(chain.append(&late).await.unwrap(), Appended::Lost { by: writer("heir") });
    match claim_as(&store, writer("b")).await.unwrap() {
        Claim::Sealed { by } => assert_eq!(by, writer("heir")),
        other => panic!("an ended chain was {other:?}"),
    }
    assert!(sign_of_life(&store, &chain_id(0)).await.unwrap().unwrap().is_seal);
}

#[tokio::test]
async fn a_chain_is_sealed_once() {
    let (_directory, store) = local_store().await;
    won(&store, 0, "a").await;
    let ended = seal(&store, &chain_id(0), &writer("b"), "r").await.unwrap();
    assert_eq!(seal(&store, &chain_id(0), &writer("c"), "r").await.unwrap(), ended);
}

#[tokio::test]
async fn a_seal_whose_answer_was_lost_is_found() {
    let (forgetful, store) = forgetful_store();
    forgetful.forget_next();
    assert!(seal(&store, &chain_id(0), &writer("a"), "r").await.unwrap_err().is_transient());
    assert_eq!(seal(&store, &chain_id(0), &writer("a"), "r").await.unwrap().epoch, 0);
}

#[tokio::test]
async fn a_fresh_chain_begins_with_what_it_is_given_and_an_old_one_does_not() {
    let (_directory, store) = local_store().await;
    let progress = PartitionProgress::starting_at(42);
    let beginning = |partition| Beginning {
        partitions: BTreeMap::from([(partition, progress.clone())]),
        state: StateFiles::default(),
        rule_set: Some(format!("rules {partition}")),
        folded: BTreeMap::from([("replay/0/0".to_owned(), 7)]),
    };
    let (_, first) = won_of(&store, chain_id(0), "a", &beginning(3)).await;
    let (_, second) = won_of(&store, chain_id(0), "b", &beginning(4)).await;
    assert_eq!((first.epoch, second.epoch), (0, 1));
    assert_eq!(first.partitions, second.partitions);
    assert_eq!((&first.folded, first.folded.len()), (&second.folded, 1));
    assert_eq!((first.rule_set.as_deref(), second.rule_set.as_deref()), (Some("rules 3"), Some("rules 3")));
    assert_eq!(second.partitions.keys().collect::<Vec<_>>(), [&3]);
}

#[tokio::test]
async fn manifests_that_do_not_follow_are_refused() {
    let (_directory, store) = local_store().await;
    let (mut chain, _) = won(&store, 0, "a").await;
    let first = with_rows(&chain, "bronze");
    chain.append(&first).await.unwrap();
    let good = with_rows(&chain, "silver");
    let mut forgotten = good.clone();
    forgotten.tables.remove("bronze");
    let mut wrong = good.clone();
    wrong.tables.get_mut("silver").unwrap().last_epoch = 1;
    let skipped = Manifest { epoch: 3, ..good.clone() };
    let elsewhere = Manifest { chain: chain_id(1), ..good.clone() };
    for (manifest, complaint) in [
        (forgotten, "table 'bronze' fell behind"),
        (wrong, "table 'silver' says its last epoch is 1, it is 2"),
        (skipped, "its epoch is 3, the next one is 2"),
        (elsewhere, "the manifest is of 'ingest/0/1'"),
    ] {
        let error = chain.append(&manifest).await.unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
    assert_eq!(chain.append(&good).await.unwrap(), Appended::Created);
    assert_eq!(good.tables["bronze"].last_epoch, 1);
}

#[tokio::test]
async fn the_newest_manifest_is_found_with_any_hint_or_none() {
    let (_directory, store) = local_store().await;
    let (mut chain, _) = won(&store, 0, "a").await;
    for _ in 0..130 {
        let next = idle(&chain);
        chain.append(&next).await.unwrap();
    }
    let id = chain_id(0);
    assert_eq!(store.read(&names::hint(&id)).await.unwrap(), "128");
    for hint in ["128", "130", "1", "0", "999", "", "not a number", "-5"] {
        store.put(&names::hint(&id), Bytes::copy_from_slice(hint.as_bytes())).await.unwrap();
        assert_eq!(newest_epoch(&store, &id).await.unwrap().unwrap().epoch, 130, "hint '{hint}'");
    }
    store.delete(&names::hint(&id)).await.unwrap();
    assert_eq!(newest_epoch(&store, &id).await.unwrap().unwrap().epoch, 130);
    assert_eq!(newest_epoch(&store, &chain_id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_newest_manifest_that_cannot_be_read_is_an_error_that_names_it() {
    let (_directory, store) = local_store().await;
    won(&store, 0, "a").await;
    let path = names::manifest(&chain_id(0), 1);
    for content in ["", "{\"formatVersion\": 1, \"id\": \"cut o"] {
        store.put(&path, Bytes::from_static(content.as_bytes())).await.unwrap();
        let error = claim_as(&store, writer("b")).await.unwrap_err();
        assert!(matches!(error, LakeError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(&store.name(&path)), "{error}");
    }
    store.put(&path, Bytes::from_static(b"{\"formatVersion\": 99}")).await.unwrap();
    let error = claim_as(&store, writer("b")).await.unwrap_err();
    assert!(matches!(error, LakeError::FormatVersion { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_writer_that_was_silent_looks_where_the_chain_ends_before_it_appends() {
    let (_directory, store) = local_store().await;
    let (mut silent, _) = won(&store, 0, "silent").await;
    let (mut other, _) = won(&store, 0, "other").await;
    let epoch = idle(&other);
    other.append(&epoch).await.unwrap();
    // Maintenance may have removed the name that would have stopped it.
    store.delete(&names::manifest(&chain_id(0), 1)).await.unwrap();
    silent.appended = Instant::now().checked_sub(2 * TRUSTED_SILENCE).unwrap();
    let late = idle(&silent);
    assert_eq!(silent.append(&late).await.unwrap(), Appended::Lost { by: writer("test") });
}

#[tokio::test]
async fn a_sign_of_life_tells_who_wrote_when() {
    let (_directory, store) = local_store().await;
    assert_eq!(sign_of_life(&store, &chain_id(0)).await.unwrap(), None);
    let (chain, _) = won(&store, 0, "a").await;
    let sign = chain.last_sign_of_life().await.unwrap();
    assert_eq!((sign.writer, sign.epoch), (writer("a"), 0));
    assert!(sign.age < Duration::from_mins(1));
}
