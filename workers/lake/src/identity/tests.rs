use super::*;
use crate::fixtures::local_store;

fn owner(name: &str) -> Owner {
    Owner { cluster: "local".to_owned(), namespace: "default".to_owned(), name: name.to_owned() }
}

fn topic(name: &str, id: Option<&str>) -> TopicIdentity {
    TopicIdentity { name: name.to_owned(), id: id.map(str::to_owned) }
}

#[tokio::test]
async fn the_same_owner_and_topic_find_their_lake_again() {
    let (_directory, store) = local_store().await;
    let topic = topic("t", Some("1"));
    let first = identify(&store, &owner("a"), &topic, None).await.unwrap();
    assert_eq!(identify(&store, &owner("a"), &topic, None).await.unwrap(), first);
    assert_eq!(identify(&store, &owner("a"), &topic, Some("another lake")).await.unwrap(), first);
}

#[tokio::test]
async fn another_owner_is_refused_until_it_adopts_the_lake() {
    let (_directory, store) = local_store().await;
    let topic = topic("t", Some("1"));
    let lake_id = identify(&store, &owner("a"), &topic, None).await.unwrap().lake_id.to_string();
    let error = identify(&store, &owner("b"), &topic, None).await.unwrap_err();
    assert!(matches!(error, LakeError::LakeOwned { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("default/a") && message.contains(&lake_id), "{message}");

    let adopted = identify(&store, &owner("b"), &topic, Some(&lake_id)).await.unwrap();
    assert_eq!(adopted.lake_id.to_string(), lake_id);
    identify(&store, &owner("b"), &topic, None).await.unwrap();
    let error = identify(&store, &owner("a"), &topic, None).await.unwrap_err();
    assert!(matches!(error, LakeError::LakeOwned { .. }), "{error}");
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_refused_until_the_lake_is_adopted() {
    let (_directory, store) = local_store().await;
    let lake_id = identify(&store, &owner("a"), &topic("t", Some("1")), None).await.unwrap().lake_id;
    for other in [topic("t", Some("2")), topic("u", Some("1")), topic("u", None)] {
        let error = identify(&store, &owner("a"), &other, None).await.unwrap_err();
        assert!(matches!(error, LakeError::TopicRecreated { .. }), "{error}");
        assert!(error.to_string().contains("storage.adopt"), "{error}");
    }
    // A broker that tells no ids is not evidence of another topic.
    identify(&store, &owner("a"), &topic("t", None), None).await.unwrap();
    let again = topic("t", Some("2"));
    identify(&store, &owner("a"), &again, Some(&lake_id.to_string())).await.unwrap();
    identify(&store, &owner("a"), &again, None).await.unwrap();
}

#[tokio::test]
async fn a_check_judges_as_a_start_would_and_claims_nothing() {
    let (_directory, store) = local_store().await;
    check(&store, &owner("a"), &topic("t", Some("1")), None).await.unwrap();
    let lake_id =
        identify(&store, &owner("b"), &topic("t", Some("1")), None).await.unwrap().lake_id.to_string();
    let error = check(&store, &owner("a"), &topic("t", Some("1")), None).await.unwrap_err();
    assert!(matches!(error, LakeError::LakeOwned { .. }), "{error}");
    let error = check(&store, &owner("b"), &topic("t", Some("2")), None).await.unwrap_err();
    assert!(matches!(error, LakeError::TopicRecreated { .. }), "{error}");
    check(&store, &owner("a"), &topic("t", Some("2")), Some(&lake_id)).await.unwrap();
    identify(&store, &owner("b"), &topic("t", Some("1")), None).await.unwrap();
}

#[tokio::test]
async fn a_lake_of_a_newer_release_is_named_with_its_version_whatever_is_in_it() {
    let (_directory, store) = local_store().await;
    let text = r#"{"formatVersion": 2, "id": "another-kind-of-id"}"#;
    store.put(names::IDENTITY, text.into()).await.unwrap();
    let error = identify(&store, &owner("a"), &topic("t", None), None).await.unwrap_err();
    assert!(matches!(error, LakeError::FormatVersion { found: 2, .. }), "{error}");
}
