use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::process::Command;

use futures::TryStreamExt;
use object_store::{ObjectStoreExt, WriteMultipart};
use tempfile::TempDir;

use super::*;
use crate::error::LakeError;

async fn local() -> (TempDir, DurableLocal) {
    let directory = tempfile::tempdir().unwrap();
    let local = DurableLocal::create(directory.path().join("lake")).await.unwrap();
    (directory, local)
}

fn location(directory: &TempDir, name: &str) -> Path {
    Path::from_absolute_path(directory.path().join("lake").join(name)).unwrap()
}

fn names_in(directory: &FilePath) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn create(local: &DurableLocal, location: &Path, content: &'static str) -> Result<PutResult> {
    local.put_opts(location, content.into(), PutMode::Create.into()).await
}

#[tokio::test]
async fn a_created_name_is_refused_the_second_time_and_leaves_nothing_temporary() {
    let (directory, local) = local().await;
    let file = location(&directory, "a/b/file");
    create(&local, &file, "first").await.unwrap();
    let error = create(&local, &file, "second").await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(local.get(&file).await.unwrap().bytes().await.unwrap(), "first");
    assert_eq!(names_in(&directory.path().join("lake/a/b")), BTreeSet::from(["file".to_owned()]));
}

#[tokio::test]
async fn a_data_file_is_whole_although_its_cached_copy_is_given_up() {
    let (directory, local) = local().await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|place| (place % 251) as u8).collect();
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let file = location(&directory, "data.parquet");
        local.put_opts(&file, content.clone().into(), mode.into()).await.unwrap();
        assert_eq!(local.get(&file).await.unwrap().bytes().await.unwrap(), content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_create_the_same_name_one_wins_and_its_content_stays() {
    let (directory, local) = local().await;
    for round in 0..20 {
        let file = location(&directory, &format!("race/{round}"));
        let racers = (0..8).map(|racer| {
            let (local, file) = (local.clone(), file.clone());
            tokio::spawn(async move {
                let content = PutPayload::from(format!("racer {racer}"));
                let outcome = local.put_opts(&file, content, PutMode::Create.into()).await;
                outcome.is_ok().then_some(racer)
            })
        });
        let outcomes = futures::future::join_all(racers).await;
        let winners: Vec<i32> = outcomes.into_iter().filter_map(|outcome| outcome.unwrap()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let content = local.get(&file).await.unwrap().bytes().await.unwrap();
        assert_eq!(content, format!("racer {}", winners[0]));
    }
}

#[tokio::test]
async fn an_overwritten_name_has_the_new_content() {
    let (directory, local) = local().await;
    let file = location(&directory, "file");
    local.put(&file, "old".into()).await.unwrap();
    local.put(&file, "new".into()).await.unwrap();
    assert_eq!(local.get(&file).await.unwrap().bytes().await.unwrap(), "new");
    assert_eq!(names_in(&directory.path().join("lake")), BTreeSet::from(["file".to_owned()]));
}

#[tokio::test]
async fn a_directory_that_somebody_removed_is_made_again() {
    let (directory, local) = local().await;
    local.put(&location(&directory, "a/b/1"), "1".into()).await.unwrap();
    std::fs::remove_dir_all(directory.path().join("lake/a")).unwrap();
    local.put(&location(&directory, "a/b/2"), "2".into()).await.unwrap();
    assert_eq!(names_in(&directory.path().join("lake/a/b")), BTreeSet::from(["2".to_owned()]));
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_not_taken_for_the_name_itself() {
    let (directory, local) = local().await;
    local.put(&location(&directory, "a"), "a".into()).await.unwrap();
    let error = create(&local, &location(&directory, "a/b/c"), "c").await.unwrap_err();
    assert!(!matches!(error, Error::AlreadyExists { .. }), "{error}");
}

#[tokio::test]
async fn an_upload_in_parts_shows_its_name_only_when_it_is_complete() {
    let (directory, local) = local().await;
    let file = location(&directory, "big");
    let upload = local.put_multipart(&file).await.unwrap();
    let mut parts = WriteMultipart::new_with_chunk_size(upload, 5);
    parts.write(b"hello, ");
    parts.write(b"world of parts");
    assert!(matches!(local.head(&file).await, Err(Error::NotFound { .. })));
    parts.finish().await.unwrap();
    assert_eq!(local.get(&file).await.unwrap().bytes().await.unwrap(), "hello, world of parts");

    let mut aborted = local.put_multipart(&location(&directory, "never")).await.unwrap();
    aborted.put_part("x".into()).await.unwrap();
    aborted.abort().await.unwrap();
    assert!(aborted.put_part("y".into()).await.is_err());
    drop(aborted);
    assert_eq!(names_in(&directory.path().join("lake")), BTreeSet::from(["big".to_owned()]));
}

#[tokio::test]
async fn a_file_that_a_killed_process_left_behind_is_in_no_listing() {
    let (directory, local) = local().await;
    local.put(&location(&directory, "whole"), "1".into()).await.unwrap();
    std::fs::write(directory.path().join("lake/whole#4711"), "half").unwrap();
    let listed: Vec<ObjectMeta> = local.list(Some(&location(&directory, ""))).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].location, location(&directory, "whole"));
}

#[tokio::test]
async fn copies_and_renames_go_through() {
    let (directory, local) = local().await;
    let (one, two, three) =
        (location(&directory, "1"), location(&directory, "x/2"), location(&directory, "3"));
    local.put(&one, "1".into()).await.unwrap();
    local.copy(&one, &two).await.unwrap();
    local.rename(&two, &three).await.unwrap();
    assert!(matches!(local.rename_if_not_exists(&three, &one).await, Err(Error::AlreadyExists { .. })));
    assert!(matches!(local.head(&two).await, Err(Error::NotFound { .. })));
    assert_eq!(local.get(&three).await.unwrap().bytes().await.unwrap(), "1");
}

/// Runs one of the ignored tests below in a mount namespace of its own, on a file system of 256 KiB.
fn on_a_small_disk(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=256k tmpfs "$DISK" && exec "$TEST" --exact "$NAME" --ignored"#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .env("DISK", directory.path())
        .env("TEST", std::env::current_exe().unwrap())
        .env("NAME", format!("store::durable_local::tests::{test}"))
        .output()
        .expect("unshare (util-linux) is installed");
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && report.contains("1 passed"), "{report}\n{errors}");
}

#[test]
fn a_full_disk_leaves_no_name_behind_and_a_later_try_works() {
    on_a_small_disk("fill_the_disk");
}

#[tokio::test]
#[ignore = "run by a_full_disk_leaves_no_name_behind_and_a_later_try_works"]
async fn fill_the_disk() {
    let disk = PathBuf::from(std::env::var_os("DISK").unwrap());
    let local = DurableLocal::create(disk.join("lake")).await.unwrap();
    let file = Path::from_absolute_path(disk.join("lake/log/entry")).unwrap();
    std::fs::write(disk.join("ballast"), vec![1; 160 * 1024]).unwrap();
    let entry = vec![7; 128 * 1024];
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let error = local.put_opts(&file, entry.clone().into(), mode.into()).await.unwrap_err();
        let error = LakeError::from_store("create", "lake/log/entry", error);
        assert!(matches!(error, LakeError::StorageFull { .. }), "{error}");
        assert!(error.is_transient() && error.to_string().contains("free space"), "{error}");
        assert_eq!(names_in(&disk.join("lake/log")), BTreeSet::new());
    }
    std::fs::remove_file(disk.join("ballast")).unwrap();
    local.put_opts(&file, entry.clone().into(), PutMode::Create.into()).await.unwrap();
    assert_eq!(std::fs::read(disk.join("lake/log/entry")).unwrap(), entry);
}

#[test]
fn storage_that_refuses_writes_says_so() {
    on_a_small_disk("write_to_a_disk_that_became_read_only");
}

#[tokio::test]
#[ignore = "run by storage_that_refuses_writes_says_so"]
async fn write_to_a_disk_that_became_read_only() {
    let disk = PathBuf::from(std::env::var_os("DISK").unwrap());
    let local = DurableLocal::create(disk.join("lake")).await.unwrap();
    let file = Path::from_absolute_path(disk.join("lake/file")).unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap();
    assert!(remounted.success());
    let error = local.put_opts(&file, "x".into(), PutMode::Create.into()).await.unwrap_err();
    let error = LakeError::from_store("create", "lake/file", error);
    assert!(matches!(error, LakeError::StorageUnwritable { .. }), "{error}");
    assert!(error.is_transient() && error.to_string().contains("Read-only file system"), "{error}");
}
