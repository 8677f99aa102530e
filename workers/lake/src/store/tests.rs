use super::*;
use crate::fixtures::{forgetful_store, local_store};

#[tokio::test]
async fn opening_a_local_lake_creates_its_directory_and_leaves_no_probe_behind() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("deep/er/lake");
    let store = Store::open(&format!("file://{}/", root.display())).await.unwrap();
    assert!(root.is_dir());
    assert_eq!(store.uri(), format!("file://{}", root.display()));
    assert_eq!(store.list_after("_sluice", None).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_lake_may_live_in_a_directory_with_spaces_and_umlauts() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a läke");
    let store = Store::open(&format!("file://{}", root.display())).await.unwrap();
    store.put("bronze/x", Bytes::from_static(b"content")).await.unwrap();
    assert_eq!(std::fs::read(root.join("bronze/x")).unwrap(), b"content");
}

#[tokio::test]
async fn uris_that_cannot_be_used_say_what_can() {
    for (uri, wrong) in [
        ("", "has no scheme"),
        ("lake", "has no scheme"),
        ("/lake", "has no scheme"),
        ("ftp://host/lake", "the scheme 'ftp' is not known"),
        ("file://host/lake", "names the host 'host'"),
        ("file:///lake?x", "no '?'"),
        ("s3://bucket/lake#x", "no '#'"),
        ("s3://", "names no bucket"),
        ("s3:///lake", "names no bucket"),
        ("s3://bucket:9000/lake", "nor a port"),
        ("gs://user@bucket/lake", "neither a user"),
        ("az:///lake", "names no container"),
        ("az://a.b/lake", "no dots, as 'a.b'"),
        ("abfss://container@account/lake", "'account' is no account"),
        ("abfss://container@account.example.com/lake", "'account.example.com' is no account"),
        ("abfss://container@account.dfs.core.windows.net:1/lake", "nor a port"),
    ] {
        let error = Store::open(uri).await.unwrap_err();
        assert!(matches!(error, LakeError::InvalidUri { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(wrong) && message.contains("s3://"), "{message}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_store_whose_variables_are_missing_says_which_there_are() {
    let error = Store::open("az://container/lake").await.unwrap_err();
    assert_eq!(error.reason(), "InvalidStorageVariables");
    let message = error.to_string();
    assert!(
        message.contains("az://container/lake") && message.contains("AZURE_STORAGE_ACCOUNT_NAME"),
        "{message}"
    );
    assert!(!error.is_transient());
}

#[test]
fn credentials_are_taken_from_the_variables_of_the_clouds_own_tools() {
    let variables = [("AWS_REGION", "eu-west-1"), ("HOME", "/root"), ("GOOGLE_SERVICE_ACCOUNT", "x")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expected = [("aws_region", "eu-west-1"), ("google_service_account", "x")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(credentials(variables.into_iter()), expected);
}

#[tokio::test]
async fn a_name_is_created_once() {
    let (_directory, store) = local_store().await;
    assert_eq!(store.create("a/b", Bytes::from_static(b"1")).await.unwrap(), Created::Created);
    assert_eq!(store.create("a/b", Bytes::from_static(b"2")).await.unwrap(), Created::AlreadyExists);
    assert_eq!(store.read("a/b").await.unwrap().as_ref(), b"1");
}

#[tokio::test]
async fn a_write_that_the_client_repeated_by_itself_is_no_reason_for_distrust() {
    let (forgetful, store) = forgetful_store();
    forgetful.repeat_next();
    probe::create_if_absent(&store).await.unwrap();
}

#[tokio::test]
async fn storage_that_loses_answers_is_seen_through_by_the_probe_or_retried() {
    let (forgetful, store) = forgetful_store();
    probe::create_if_absent(&store).await.unwrap();
    forgetful.forget_next();
    let error = probe::create_if_absent(&store).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_in_full() {
    let (directory, store) = local_store().await;
    let error = store.read("_sluice/x").await.unwrap_err();
    assert!(matches!(error, LakeError::FileMissing { .. }));
    assert!(error.to_string().contains(&format!("{}/lake/_sluice/x", directory.path().display())));
    assert_eq!(store.read_if_exists("_sluice/x").await.unwrap(), None);
}

#[tokio::test]
async fn listings_start_after_a_name() {
    let (_directory, store) = local_store().await;
    for name in ["c/1", "c/2", "c/3", "d/4"] {
        store.put(name, Bytes::new()).await.unwrap();
    }
    let files = store.list_after("c", Some("1")).await.unwrap();
    let mut names: Vec<_> = files.iter().map(|file| file.location.to_string()).collect();
    names.sort();
    assert_eq!(names, ["c/2", "c/3"]);
}

#[tokio::test]
async fn a_file_that_comes_in_pieces_is_all_of_them_in_their_order() {
    let (_directory, store) = local_store().await;
    for pieces in [&[][..], &["all"], &["one, ", "two, ", "three"]] {
        let whole = pieces.concat();
        let stream = futures::stream::iter(pieces.iter().map(|piece| piece.as_bytes().to_vec()));
        assert_eq!(store.put_in_pieces("file", stream).await.unwrap(), whole.len() as u64);
        assert_eq!(store.read("file").await.unwrap(), whole);
    }
}
