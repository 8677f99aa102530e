//! Every document in the lakes of earlier releases (`tests/older_versions`) is read by today's readers.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_contract::config::Owner;
use sluice_contract::manifest::ChainId;

use crate::chain::{self, names};
use crate::fixtures::local_store;
use crate::generation;
use crate::identity::{self, TopicIdentity};
use crate::store::Store;

/// The folders of the lakes.
fn older_lakes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/older_versions");
    let lakes = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("lake"));
    lakes.filter(|lake| lake.is_dir()).collect()
}

/// Whose they are: `tests/older_lakes.py` says so.
fn owner() -> Owner {
    Owner { cluster: "local".to_owned(), namespace: "default".to_owned(), name: "ecommerce".to_owned() }
}

/// Of which topic they are.
fn topic() -> TopicIdentity {
    TopicIdentity { name: "sluice.older-version".to_owned(), id: None }
}

/// The files below a folder, by their paths in it.
fn files(root: &Path, folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(root, &path)
            } else {
                vec![path.strip_prefix(root).unwrap().display().to_string()]
            }
        })
        .collect()
}

/// A copy: a store that is opened is written to.
async fn copy_of(lake: &Path) -> (tempfile::TempDir, Store, Vec<String>) {
    let (directory, store) = local_store().await;
    let files = files(lake, lake);
    for file in &files {
        store.put(file, fs::read(lake.join(file)).unwrap().into()).await.unwrap();
    }
    (directory, store, files)
}

async fn read(store: &Store, path: &str) {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["_sluice", "lake.json"] => identity::check(store, &owner(), &topic(), None).await.unwrap(),
        ["_sluice", job, number, "generation.json"] => {
            generation::read(store, job, number.parse().unwrap()).await.map(|_| ()).unwrap();
        }
        ["_sluice", job, number, shard, file] if names::epoch_of(file).is_some() => {
            let chain = ChainId {
                job: job.to_owned(),
                generation: number.parse().unwrap(),
                shard: shard.parse().unwrap(),
            };
            let epoch = names::epoch_of(file).unwrap();
            let manifest = chain::read_manifest(store, &chain, epoch).await.unwrap();
            assert_eq!((manifest.chain, manifest.epoch), (chain, epoch));
        }
        // The engine reads state files, and tables are read by everybody.
        ["_sluice", _, "state", ..] | ["bronze" | "silver" | "quarantine", ..] => {}
        _ => panic!("nobody reads {path}"),
    }
}

#[tokio::test]
async fn every_document_of_an_older_lake_is_read() {
    let lakes = older_lakes();
    assert!(!lakes.is_empty());
    for lake in lakes {
        let (_directory, store, files) = copy_of(&lake).await;
        assert!(files.iter().filter(|file| file.starts_with("_sluice/ingest/")).count() > 10, "{files:?}");
        for file in files {
            read(&store, &file).await;
        }
    }
}
