use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use sluice_contract::config::Owner;
use sluice_contract::manifest::{AddedFile, Manifest, ManifestKind, PartitionProgress};

use super::*;
use crate::chain::{Appended, Beginning, Chain, Claim};
use crate::data_file::TableWriter;
use crate::failpoint;
use crate::fixtures::{chain_id, generation, local_lake, manifest, open, won_of, writer};
use crate::generation::{Numbered, begin};
use crate::identity::TopicIdentity;
use crate::succession::{Heir, inherit};
use crate::table::TableSpec;

const TABLES: [&str; 2] = ["bronze", "quarantine"];
const JOB: &str = "ingest";

/// Where the child of a test finds its lake.
const LAKE: &str = "SLUICE_TEST_RECOVERED_LAKE";

fn spec(name: &str) -> TableSpec {
    let fields =
        [Field::new("partition", DataType::Int32, false), Field::new("offset", DataType::Int64, false)];
    TableSpec {
        name: name.to_owned(),
        schema: Arc::new(Schema::new(fields.to_vec())),
        partition_by: vec![],
        description: None,
        properties: BTreeMap::new(),
    }
}

fn owner() -> Owner {
    Owner { cluster: "local".to_owned(), namespace: "default".to_owned(), name: "a".to_owned() }
}

fn topic() -> TopicIdentity {
    TopicIdentity { name: "t".to_owned(), id: None }
}

/// Files with the rows of these offsets in partition 0.
async fn files(lake: &Lake, table: &str, offsets: std::ops::Range<i64>) -> Vec<AddedFile> {
    let spec = spec(table);
    let partitions = Int32Array::from_iter_values(offsets.clone().map(|_| 0));
    let columns: Vec<ArrayRef> = vec![Arc::new(partitions), Arc::new(Int64Array::from_iter_values(offsets))];
    let mut writer = TableWriter::new(&spec);
    writer.write(&RecordBatch::try_new(Arc::clone(&spec.schema), columns).unwrap()).unwrap();
    lake.persist(table, writer.finish().unwrap()).await.unwrap()
}

fn at(next_offset: i64) -> BTreeMap<i32, PartitionProgress> {
    BTreeMap::from([(0, PartitionProgress::starting_at(next_offset))])
}

/// A job of one shard and one partition. Each epoch has ten rows for bronze, and refuses none.
struct Job<'a> {
    lake: &'a Lake,
    chain: Chain,
    read: i64,
}

impl<'a> Job<'a> {
    async fn start(lake: &'a Lake) -> Self {
        lake.identify(&owner(), &topic(), None).await.unwrap();
        begin(lake.store(), JOB, &Numbered { number: 0, generation: generation(1, "r") }).await.unwrap();
        let (chain, _) = won_of(lake.store(), chain_id(0), "w", &Beginning::default()).await;
        Self { lake, chain, read: 0 }
    }

    /// Decides an epoch that reads ten messages.
    async fn decide(&mut self, tables: &[&str]) -> Manifest {
        let offsets = self.read..self.read + 10;
        self.read = offsets.end;
        let mut added = BTreeMap::new();
        for table in tables {
            added.insert((*table).to_owned(), files(self.lake, table, offsets.clone()).await);
        }
        let next = Manifest { partitions: at(self.read), ..manifest(&self.chain, added) };
        assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
        next
    }

    /// Gives a table what was decided.
    async fn commit(&self, table: &str, manifest: &Manifest) {
        let mut table = self.lake.open_table(&spec(table)).await.unwrap();
        table.roll_forward(manifest).await.unwrap();
    }

    async fn epochs(&mut self, count: u64) {
        for _ in 0..count {
            let next = self.decide(&["bronze"]).await;
            self.commit("bronze", &next).await;
        }
    }

    /// An epoch for both tables that bronze has, and quarantine has not.
    async fn half_an_epoch(&mut self) -> Manifest {
        let next = self.decide(&TABLES).await;
        self.commit("bronze", &next).await;
        // A table that is there, without rows.
        self.lake.open_table(&spec("quarantine")).await.unwrap();
        next
    }
}

async fn offsets(lake: &Lake, table: &str) -> Vec<i64> {
    let reader = lake.reader(&[table]).await.unwrap();
    let rows = reader.rows(&format!("SELECT \"offset\" FROM {table} ORDER BY 1")).await.unwrap();
    rows.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

async fn survey(lake: &Lake) -> Survey {
    lake.survey(JOB, &TABLES).await.unwrap()
}

async fn verdict(lake: &Lake) -> Verdict {
    survey(lake).await.chains[0].verdict.clone()
}

async fn delete(lake: &Lake, path: &str) {
    lake.store().delete(path).await.unwrap();
}

async fn tear(lake: &Lake, path: &str) {
    lake.store().put(path, "{\"form".into()).await.unwrap();
}

/// Deletes everything that Sluice remembers.
fn forget(directory: &Path) {
    std::fs::remove_dir_all(directory.join("lake/_sluice")).unwrap();
}

/// What `recover` does, without the memory of the core.
async fn recover(lake: &Lake) -> BTreeMap<i32, i64> {
    let before = survey(lake).await;
    let specs = TABLES.map(spec);
    lake.mend(&before, &specs, &writer("recover"), "r").await.unwrap();
    lake.set_aside(&before).await.unwrap();
    lake.identify_again(&owner(), &topic(), None).await.unwrap();
    let positions = survey(lake).await.positions();
    let partitions = positions.get(&0).map(|next_offset| at(*next_offset)).unwrap_or_default();
    let successor = Successor {
        generation: Numbered { number: before.next_generation, generation: generation(1, "r") },
        shards: vec![Beginning { partitions, ..Beginning::default() }],
    };
    lake.begin_recovered(JOB, &successor, &writer("recover")).await.unwrap();
    positions
}

/// A lake that a recovery has mended is whole, workers go on in its generation, and nowhere else.
async fn assert_mended(lake: &Lake, rows: i64) {
    let after = survey(lake).await;
    assert!(after.is_sound(), "{after:?}");
    let newest = after.newest_generation.as_ref().unwrap().number;
    lake.identify(&owner(), &topic(), None).await.unwrap();
    lake.refuse_lost_generations(JOB, newest + 1, &TABLES).await.unwrap();
    let id = ChainId { generation: newest, ..chain_id(0) };
    let (_, claim) = won_of(lake.store(), id, "w", &Beginning::default()).await;
    assert_eq!(claim.partitions, at(rows));
    assert_eq!(offsets(lake, "bronze").await, (0..rows).collect::<Vec<_>>());
    for spec in TABLES.map(spec) {
        let mut table = lake.open_table(&spec).await.unwrap();
        table.recover(&claim.chain, &claim).await.unwrap();
    }
}

/// Nobody can go on in any generation that is there, by a restart or by a new one.
async fn assert_unusable(lake: &Lake) {
    if lake.identify(&owner(), &topic(), None).await.is_err() {
        return;
    }
    let newest = lake.generation(JOB).await.unwrap();
    let number = newest.as_ref().map_or(0, |newest| newest.number);
    if newest.is_none() {
        lake.refuse_lost_generations(JOB, 0, &TABLES).await.unwrap_err();
        return;
    }
    let chain = ChainId { generation: number, ..chain_id(0) };
    let claim = lake.claim(chain.clone(), writer("w"), "r", &Beginning::default()).await.unwrap();
    assert!(matches!(claim, Claim::Sealed { .. }), "{claim:?}");
    lake.refuse_without_successor(&chain).await.unwrap_err();
    let next = ChainId { generation: number + 1, ..chain_id(0) };
    let heir = Heir { chain: &next, shards: 1, writer: &writer("w"), configuration: "another" };
    let refused = inherit(lake.store(), &heir).await.unwrap_err();
    assert!(refused.to_string().contains("sluice recover --apply"), "{refused}");
}

#[tokio::test]
async fn a_whole_lake_is_sound() {
    let (_directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(3).await;
    let survey = survey(&lake).await;
    assert!(survey.is_sound(), "{survey:?}");
    assert_eq!(survey.positions(), BTreeMap::from([(0, 30)]));
}

#[tokio::test]
async fn an_empty_lake_has_lost_nothing() {
    let (directory, lake) = local_lake().await;
    assert!(survey(&lake).await.is_sound());
    Job::start(&lake).await;
    forget(directory.path());
    assert!(survey(&lake).await.is_sound());
    lake.identify(&owner(), &topic(), None).await.unwrap();
    lake.refuse_lost_generations(JOB, 0, &TABLES).await.unwrap();
}

#[tokio::test]
async fn a_generation_that_another_process_begins_meanwhile_is_not_lost() {
    let (_directory, lake) = local_lake().await;
    assert!(lake.generation(JOB).await.unwrap().is_none());
    Job::start(&lake).await.epochs(3).await;
    lake.refuse_lost_generations(JOB, 0, &TABLES).await.unwrap();
    delete(&lake, &names::generation(JOB, 0)).await;
    lake.refuse_lost_generations(JOB, 0, &TABLES).await.unwrap_err();
}

#[tokio::test]
async fn manifests_that_are_gone_are_found_missing_by_the_log_of_the_table() {
    let (_directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(3).await;
    delete(&lake, &names::manifest(&chain_id(0), 3)).await;
    assert_eq!(verdict(&lake).await, Verdict::Lost { epoch: 3 });
    tear(&lake, &names::manifest(&chain_id(0), 3)).await;
    let survey = survey(&lake).await;
    assert!(survey.damaged[0].path.ends_with("3.json") && survey.damaged[0].exists, "{survey:?}");
    assert_eq!(recover(&lake).await, BTreeMap::from([(0, 20)]), "the rows of bronze tell the rest");
    let aside = names::aside(&names::manifest(&chain_id(0), 3));
    assert!(lake.store().read_if_exists(&aside).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_lake_file_is_refused_and_made_again() {
    let (_directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(3).await;
    let before = lake.identify(&owner(), &topic(), None).await.unwrap();
    delete(&lake, names::IDENTITY).await;
    let refused = lake.identify(&owner(), &topic(), None).await.unwrap_err();
    let message = refused.to_string();
    assert!(message.contains("_sluice/lake.json") && message.contains("`sluice recover`"), "{message}");
    assert!(message.contains("table 'bronze' has epochs of 'ingest/0/0'"), "{message}");
    assert_eq!(refused.reason(), "StateLost");
    let checked = lake.check_owner(&owner(), &topic(), None).await.unwrap_err();
    assert_eq!(checked.to_string(), message);
    recover(&lake).await;
    assert_mended(&lake, 30).await;
    assert_ne!(lake.identify(&owner(), &topic(), None).await.unwrap(), before);
}

#[tokio::test]
async fn a_lost_generation_is_refused_and_not_begun_again() {
    let (_directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(3).await;
    delete(&lake, &names::generation(JOB, 0)).await;
    let refused = lake.refuse_lost_generations(JOB, 0, &TABLES).await.unwrap_err();
    assert!(refused.to_string().contains("ingest/0/generation.json"), "{refused}");
    recover(&lake).await;
    assert_mended(&lake, 30).await;
}

#[tokio::test]
async fn a_lake_that_has_forgotten_everything_goes_on_behind_its_tables() {
    let (directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(3).await;
    forget(directory.path());
    assert_unusable(&lake).await;
    let found = survey(&lake).await;
    let lost: Vec<&str> = found.damaged.iter().map(|damage| damage.path.as_str()).collect();
    assert_eq!(lost, [names::IDENTITY, "_sluice/ingest/0/generation.json"]);
    assert_eq!((verdict(&lake).await, found.next_generation), (Verdict::Lost { epoch: 3 }, 1));
    // No manifest names a position: whoever reads the rows knows it.
    assert_eq!(recover(&lake).await, BTreeMap::new());
    assert!(survey(&lake).await.is_sound());
}

#[tokio::test]
async fn rows_that_only_some_tables_have_are_taken_out() {
    for is_claimed_again in [false, true] {
        let (_directory, lake) = local_lake().await;
        let mut job = Job::start(&lake).await;
        job.epochs(2).await;
        let half = job.half_an_epoch().await;
        if is_claimed_again {
            // Its positions are those behind the epoch that is in doubt.
            let (_, claim) = won_of(lake.store(), chain_id(0), "next", &Beginning::default()).await;
            assert_eq!(claim.partitions, at(30));
        }
        tear(&lake, &names::manifest(&chain_id(0), half.epoch)).await;
        let doubt = Verdict::Doubtful { epoch: 3, tables: vec!["bronze".to_owned()] };
        assert_eq!(verdict(&lake).await, doubt);
        let doubtful = lake.doubtful_offsets(&survey(&lake).await).await.unwrap();
        assert_eq!(doubtful, BTreeMap::from([(0, 20)]));
        assert_eq!(recover(&lake).await, BTreeMap::from([(0, 20)]));
        assert_mended(&lake, 20).await;
    }
}

#[tokio::test]
async fn rows_that_a_replay_put_in_the_place_of_others_stay_though_its_manifests_are_lost() {
    let (directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(2).await;
    lake.open_table(&spec("quarantine")).await.unwrap();
    let (mut chain, _) = won_of(lake.store(), ChainId::of_replays(), "r", &Beginning::default()).await;
    let mut table = lake.open_table(&spec("bronze")).await.unwrap();
    let replaced = table.live_files().await.unwrap();
    let tables = chain.changes([
        ("bronze".to_owned(), (files(&lake, "bronze", 5..20).await, replaced)),
        ("quarantine".to_owned(), (files(&lake, "quarantine", 0..5).await, Vec::new())),
    ]);
    let next = Manifest { kind: ManifestKind::Data, tables, ..manifest(&chain, BTreeMap::new()) };
    assert_eq!(chain.append(&next).await.unwrap(), Appended::Created);
    table.roll_forward(&next).await.unwrap();
    std::fs::remove_dir_all(directory.path().join("lake/_sluice/replay")).unwrap();
    let found = survey(&lake).await;
    assert!(found.doubtful().any(|(chain, ..)| chain.id.job == REPLAY), "{found:?}");
    recover(&lake).await;
    assert_eq!(offsets(&lake, "bronze").await, (5..20).collect::<Vec<_>>());
    assert!(survey(&lake).await.is_sound());
}

#[tokio::test]
async fn an_epoch_that_is_pending_is_committed() {
    let (_directory, lake) = local_lake().await;
    let mut job = Job::start(&lake).await;
    job.epochs(2).await;
    job.half_an_epoch().await;
    delete(&lake, &names::manifest(&chain_id(0), 2)).await;
    delete(&lake, names::IDENTITY).await;
    assert_eq!(verdict(&lake).await, Verdict::Pending { epoch: 3 });
    recover(&lake).await;
    assert_mended(&lake, 30).await;
    assert_eq!(offsets(&lake, "quarantine").await, (20..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_ended_chain_without_a_successor_is_a_loss() {
    let (_directory, lake) = local_lake().await;
    Job::start(&lake).await.epochs(2).await;
    crate::chain::seal(lake.store(), &chain_id(0), &writer("next"), "r").await.unwrap();
    let found = survey(&lake).await;
    assert_eq!(found.damaged[0].path, "_sluice/ingest/1/generation.json", "{found:?}");
    recover(&lake).await;
    assert_mended(&lake, 20).await;
}

/// A lake where each step of a recovery has something to do.
async fn damaged_lake(lake: &Lake) {
    let mut job = Job::start(lake).await;
    job.epochs(2).await;
    let half = job.half_an_epoch().await;
    tear(lake, &names::manifest(&chain_id(0), half.epoch)).await;
    tear(lake, names::IDENTITY).await;
}

#[tokio::test]
async fn a_recovery_that_is_killed_at_any_step_is_run_again_and_no_worker_goes_on_in_between() {
    for name in failpoint::OF_A_RECOVERY {
        let (directory, lake) = local_lake().await;
        damaged_lake(&lake).await;
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "recovery::tests::recover_the_lake_of_the_parent", "--ignored"]);
        child.env(failpoint::VARIABLE, name).env(LAKE, directory.path());
        let ended = child.output().unwrap();
        assert_eq!(ended.status.signal(), Some(9), "{name}: {}", String::from_utf8_lossy(&ended.stdout));
        assert_unusable(&lake).await;
        assert!(!survey(&lake).await.is_sound(), "{name}");
        assert_eq!(recover(&lake).await, BTreeMap::from([(0, 20)]), "{name}");
        assert_mended(&lake, 20).await;
    }
}

#[tokio::test]
#[ignore = "run by a_recovery_that_is_killed_at_any_step_is_run_again_and_no_worker_goes_on_in_between"]
async fn recover_the_lake_of_the_parent() {
    let directory = std::env::var_os(LAKE).unwrap();
    recover(&open(Path::new(&directory)).await).await;
}
