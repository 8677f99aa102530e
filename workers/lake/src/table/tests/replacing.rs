//! Epochs that put files in the place of others, as the publisher of a table does.

use serde_json::json;
use sluice_contract::manifest::ManifestKind;

use super::*;

impl Process {
    /// Decides an epoch whose `count` rows come in the place of those of `replaced`.
    async fn decide_instead(&mut self, replaced: &Manifest, first_offset: i64, count: i64) -> Manifest {
        self.decide_in_place_of(paths(replaced), first_offset, count).await
    }

    /// The same for files of other epochs, or of another tool.
    async fn decide_in_place_of(&mut self, removes: Vec<String>, first_offset: i64, count: i64) -> Manifest {
        let adds = stored(&self.lake, first_offset, count).await.remove("bronze").unwrap();
        let next = Manifest {
            kind: ManifestKind::Data,
            tables: self.chain.changes([("bronze".to_owned(), (adds, removes))]),
            ..manifest(&self.chain, BTreeMap::new())
        };
        assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
        next
    }

    /// Another tool puts the rows of an epoch into a file of its own, at a version.
    async fn optimize(&self, replaced: &Manifest, version: u64) {
        let file = &replaced.tables["bronze"].adds[0];
        let content = self.lake.read(&format!("bronze/{}", file.path)).await.unwrap();
        self.lake.store().put("bronze/optimized.parquet", content).await.unwrap();
        let actions = [added(file, "optimized.parquet"), removed(&file.path)];
        self.write_entry(version, &log_entry::lines(&actions)).await;
    }

    /// Another tool undoes that.
    async fn restore(&self, replaced: &Manifest, version: u64) {
        let file = &replaced.tables["bronze"].adds[0];
        let actions = [added(file, &file.path), removed("optimized.parquet")];
        self.write_entry(version, &log_entry::lines(&actions)).await;
    }
}

/// A process with the chain of replays.
async fn replaying(directory: &TempDir, id: &str) -> Process {
    let lake = open(directory.path()).await;
    let table = lake.open_table(&events()).await.unwrap();
    let (chain, claim) = won_of(lake.store(), ChainId::of_replays(), id, &Beginning::default()).await;
    Process { lake, chain, claim, table }
}

fn paths(manifest: &Manifest) -> Vec<String> {
    manifest.tables["bronze"].adds.iter().map(|file| file.path.clone()).collect()
}

fn added(file: &AddedFile, path: &str) -> serde_json::Value {
    json!({"add": {
        "path": path,
        "partitionValues": file.partition_values,
        "size": file.size,
        "modificationTime": 1,
        "dataChange": false,
        "stats": file.stats,
    }})
}

fn removed(path: &str) -> serde_json::Value {
    json!({"remove": {"path": path, "deletionTimestamp": 1, "dataChange": false}})
}

#[tokio::test]
async fn files_come_in_the_place_of_others_in_one_version() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let first = process.commit(0, 10).await;
    let second = process.decide_instead(&first, 100, 3).await;
    let outcome = process.table.roll_forward(&second).await.unwrap();
    assert_eq!(outcome, RolledForward::Committed { version: 2 });
    assert_eq!(offsets(&directory).await, [100, 101, 102]);
    let followed = process.table.statistics();
    assert_eq!((followed.version, followed.rows, followed.files), (2, 3, 1));
    let mut fresh = process.lake.open_table(&events()).await.unwrap();
    assert_eq!(fresh.statistics(), followed);
    assert_eq!(process.table.live_files().await.unwrap(), paths(&second));
    assert_eq!(fresh.live_files().await.unwrap(), paths(&second));
    let again = RolledForward::AlreadyThere { version: Some(2) };
    assert_eq!(process.table.roll_forward(&second).await.unwrap(), again);
    assert_eq!(fresh.roll_forward(&second).await.unwrap(), again, "though the file is not live any more");
}

#[tokio::test]
async fn replacements_that_a_crash_left_undone_are_redone_in_order_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut dead = Process::start(&directory, 0, "a").await;
    let first = dead.commit(0, 10).await;
    let second = dead.decide_instead(&first, 100, 3).await;
    for _ in 0..2 {
        let mut successor = Process::start(&directory, 0, "b").await;
        let redone = successor.recover().await.redone;
        assert!(redone.is_empty() || redone == [second.epoch], "{redone:?}");
        assert_eq!(offsets(&directory).await, [100, 101, 102]);
    }
    let mut last = Process::start(&directory, 0, "c").await;
    assert_eq!(last.recover().await, Recovered::default());
    let third = last.decide_instead(&second, 200, 1).await;
    last.table.roll_forward(&third).await.unwrap();
    assert_eq!(offsets(&directory).await, [200]);
}

#[tokio::test]
async fn a_torn_entry_of_a_replacement_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut dead = Process::start(&directory, 0, "a").await;
    let first = dead.commit(0, 10).await;
    let second = dead.decide_instead(&first, 100, 3).await;
    dead.table.roll_forward(&second).await.unwrap();
    let text = dead.lake.read(&entry_path("bronze", 2)).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap().trim_end();
    let without_remove = text.rsplit_once('\n').unwrap().0;
    dead.write_entry(2, without_remove).await;
    let mut successor = Process::start(&directory, 0, "b").await;
    assert_eq!(successor.recover().await.rebuilt, Some(2));
    assert_eq!(offsets(&directory).await, [100, 101, 102]);
}

#[tokio::test]
async fn a_file_that_another_tool_has_rewritten_is_not_replaced_but_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(&directory, 0, "a").await;
    let first = process.commit(0, 10).await;
    // The process has read what is live; the OPTIMIZE comes between its look and its commit.
    process.table.live_files().await.unwrap();
    process.optimize(&first, 2).await;
    let second = process.decide_instead(&first, 100, 3).await;
    let error = process.table.roll_forward(&second).await.unwrap_err();
    assert_eq!((error.reason(), error.is_transient()), ("ForeignWriter", false));
    for part in ["table 'bronze'", &paths(&first)[0], "epoch 2 of 'ingest/0/0'", "at version 2", "RESTORE"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(offsets(&directory).await, all(10), "no row is doubled");

    let mut successor = Process::start(&directory, 0, "b").await;
    let error = successor.table.recover(successor.chain.id(), &successor.claim).await.unwrap_err();
    assert_eq!(error.reason(), "ForeignWriter");
    process.restore(&first, 3).await;
    let mut mended = Process::start(&directory, 0, "c").await;
    assert_eq!(mended.recover().await.redone, [second.epoch]);
    assert_eq!(offsets(&directory).await, [100, 101, 102]);
}

#[tokio::test]
async fn a_replay_gives_way_to_whoever_has_rewritten_its_files_and_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = Process::start(&directory, 0, "a").await.commit(0, 10).await;
    let mut replay = replaying(&directory, "r").await;
    let second = replay.decide_instead(&first, 100, 3).await;
    replay.optimize(&first, 2).await;
    for _ in 0..2 {
        let outcome = replay.table.roll_forward(&second).await.unwrap();
        assert_eq!(outcome, RolledForward::Overtaken { version: 3 });
        assert_eq!(offsets(&directory).await, all(10), "no row is lost, and none is doubled");
    }
    let mut fresh = replay.lake.open_table(&events()).await.unwrap();
    let size =
        |table: &Table| (table.statistics().version, table.statistics().rows, table.statistics().files);
    assert_eq!(size(&fresh), size(&replay.table));
    assert_eq!(fresh.roll_forward(&second).await.unwrap(), RolledForward::Overtaken { version: 3 });

    let third = replay.decide_in_place_of(vec!["optimized.parquet".to_owned()], 100, 3).await;
    assert_eq!(replay.table.roll_forward(&third).await.unwrap(), RolledForward::Committed { version: 4 });
    assert_eq!(offsets(&directory).await, [100, 101, 102]);
    assert_eq!(fresh.roll_forward(&third).await.unwrap(), RolledForward::AlreadyThere { version: Some(4) });
}

#[tokio::test]
async fn a_replay_that_died_gives_way_when_its_successor_finishes_it() {
    let directory = tempfile::tempdir().unwrap();
    let first = Process::start(&directory, 0, "a").await.commit(0, 10).await;
    let mut dead = replaying(&directory, "r").await;
    dead.decide_instead(&first, 100, 3).await;
    dead.optimize(&first, 2).await;
    for id in ["s", "t"] {
        let mut successor = replaying(&directory, id).await;
        assert_eq!(successor.recover().await, Recovered::default());
        assert_eq!(offsets(&directory).await, all(10));
        assert_eq!(successor.table.statistics().version, 3, "it is given up once");
    }
}
