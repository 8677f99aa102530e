use super::*;
use crate::fixtures::{generation, local_store};

fn numbered(number: u64, shards: u32, configuration: &str) -> Numbered {
    Numbered { number, generation: generation(shards, configuration) }
}

#[tokio::test]
async fn a_job_has_no_generation_before_its_first() {
    let (_directory, store) = local_store().await;
    assert_eq!(newest(&store, "ingest").await.unwrap(), None);
}

#[tokio::test]
async fn of_two_processes_that_begin_a_generation_one_does() {
    let (_directory, store) = local_store().await;
    let first = numbered(0, 2, "a");
    assert_eq!(begin(&store, "ingest", &first).await.unwrap(), Created::Created);
    assert_eq!(begin(&store, "ingest", &numbered(0, 3, "b")).await.unwrap(), Created::AlreadyExists);
    assert_eq!(newest(&store, "ingest").await.unwrap(), Some(first));
}

#[tokio::test]
async fn the_newest_generation_is_the_one_with_the_highest_number() {
    let (_directory, store) = local_store().await;
    for number in 0..12 {
        begin(&store, "ingest", &numbered(number, 1, "a")).await.unwrap();
    }
    store.put("_sluice/ingest/state/99/0/x.state", "x".into()).await.unwrap();
    assert_eq!(newest(&store, "ingest").await.unwrap(), Some(numbered(11, 1, "a")));
}

#[tokio::test]
async fn a_directory_without_its_file_is_no_generation() {
    let (_directory, store) = local_store().await;
    begin(&store, "ingest", &numbered(0, 1, "a")).await.unwrap();
    store.put("_sluice/ingest/1/unfinished", "".into()).await.unwrap();
    assert_eq!(newest(&store, "ingest").await.unwrap(), Some(numbered(0, 1, "a")));
}

#[tokio::test]
async fn a_generation_that_cannot_be_read_is_named() {
    let (_directory, store) = local_store().await;
    store.put("_sluice/ingest/0/generation.json", "{".into()).await.unwrap();
    let error = newest(&store, "ingest").await.unwrap_err();
    assert!(error.to_string().contains("_sluice/ingest/0/generation.json"), "{error}");
}

#[tokio::test]
async fn a_generation_of_a_newer_release_is_named_with_its_version_whatever_is_in_it() {
    let (_directory, store) = local_store().await;
    let text = r#"{"formatVersion": 2, "cut": {"by": "key"}}"#;
    store.put("_sluice/ingest/0/generation.json", text.into()).await.unwrap();
    let error = newest(&store, "ingest").await.unwrap_err();
    assert!(matches!(error, LakeError::FormatVersion { found: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_generation_of_an_earlier_release_has_no_deployment_revision() {
    let (_directory, store) = local_store().await;
    let text = r#"{"formatVersion": 1, "shards": 2, "configuration": "a"}"#;
    store.put("_sluice/ingest/0/generation.json", text.into()).await.unwrap();
    assert_eq!(newest(&store, "ingest").await.unwrap(), Some(numbered(0, 2, "a")));
}

#[test]
fn a_generation_is_of_its_shards_and_its_configuration() {
    let generation = generation(2, "a");
    assert!(generation.is_of(2, "a"));
    assert!(!generation.is_of(3, "a") && !generation.is_of(2, "b"));
}
