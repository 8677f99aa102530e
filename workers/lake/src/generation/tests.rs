use super::*;
use crate::fixtures::local_store;

fn wanted(shards: u32, configuration: &str) -> Generation {
    Generation { shards, configuration: configuration.to_owned(), reader_schema: None }
}

#[tokio::test]
async fn the_first_generation_is_what_the_first_process_wants() {
    let (_directory, store) = local_store().await;
    let first = Generation { reader_schema: Some("schema".to_owned()), ..wanted(2, "a") };
    assert_eq!(current(&store, "ingest", &first).await.unwrap(), (0, first.clone()));
    // The second process keeps to it, whatever the registry says by now.
    let later = Generation { reader_schema: Some("newer".to_owned()), ..wanted(2, "b") };
    assert_eq!(current(&store, "ingest", &later).await.unwrap(), (0, first));
}

#[tokio::test]
async fn another_number_of_shards_is_refused_with_the_way_back() {
    let (_directory, store) = local_store().await;
    current(&store, "ingest", &wanted(2, "a")).await.unwrap();
    let error = current(&store, "ingest", &wanted(3, "a")).await.unwrap_err();
    assert!(matches!(error, LakeError::ShardsChanged { found: 2, wanted: 3, .. }), "{error}");
    assert!(error.to_string().contains("set shards back to 2"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_generation_that_cannot_be_read_is_named() {
    let (_directory, store) = local_store().await;
    store.put("_sluice/ingest/0/generation.json", "{".into()).await.unwrap();
    let error = current(&store, "ingest", &wanted(1, "a")).await.unwrap_err();
    assert!(error.to_string().contains("_sluice/ingest/0/generation.json"), "{error}");
}

#[tokio::test]
async fn a_check_refuses_another_number_of_shards_and_creates_no_generation() {
    let (_directory, store) = local_store().await;
    check(&store, "ingest", 3).await.unwrap();
    current(&store, "ingest", &wanted(2, "a")).await.unwrap();
    check(&store, "ingest", 2).await.unwrap();
    let error = check(&store, "ingest", 3).await.unwrap_err();
    assert!(matches!(error, LakeError::ShardsChanged { found: 2, wanted: 3, .. }), "{error}");
}
