//! The merge on a real lake, fed by chains of ingest that are written here epoch by epoch, step by step.

use std::collections::BTreeMap;

use arrow::util::display::array_value_to_string;
use serde_json::json;
use sluice_contract::manifest::{
    AddedFile, ChainId, INGEST, MERGE, Manifest, ManifestKind, PartitionProgress, Recompute, StateFile,
};
use sluice_decode::{Message, MessageBatch, RowSchema};
use sluice_engine::{Ingest, Processed};
use sluice_lake::{Appended, Beginning, Chain, Claim, Table, TableWriter, TopicIdentity};
use tempfile::TempDir;

use super::*;
use crate::ingest::specs as specs_of_ingest;
use crate::report::Subject;
use crate::test_support::{SCHEMA, configuration};

/// One shard's ingest: it reads the partition of its number.
struct Shard {
    ingest: Ingest,
    chain: Chain,
    tables: Vec<Table>,
    next_offset: i64,
}

struct Pipeline {
    directory: TempDir,
    merging: Merging,
    /// Of the hashes of keys and values.
    key: [u8; 16],
    shards: Vec<Shard>,
}

impl Pipeline {
    async fn new(shards: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let uri = format!("file://{}", directory.path().display());
        let config = configuration(|document| {
            document["shards"] = json!(shards);
            document["source"]["eventTime"]["stalledAfterMs"] = json!(600_000);
            document["storage"]["uri"] = json!(uri);
            document["gold"] = json!([{
                "name": "minute",
                "sizeMs": 60_000,
                "slideMs": 60_000,
                "groupBy": ["device"],
                "measures": [
                    {"name": "readings", "expr": "count(*)"},
                    {"name": "warmest", "expr": "max(celsius)"}
                ],
                "emitEveryMs": 1_000,
                "allowedLatenessMs": 5_000,
                "correctForMs": 60_000
            }]);
        });
        let status = Status::new(Subject {
            job: INGEST.to_owned(),
            shard: 0,
            shards,
            writer: "test".to_owned(),
            configuration: config.revision.clone(),
            max_out_of_orderness_us: 30_000_000,
        });
        let merging = Merging {
            lake: Lake::open(&config.storage).await.unwrap(),
            generation: 0,
            config: Arc::new(config),
            writer: Writer { id: "test".to_owned(), deployment_revision: 1 },
            status: Arc::new(status),
            until_caught_up: false,
        };
        let topic = TopicIdentity { name: "readings".to_owned(), id: None };
        let identity = merging.lake.identify(&merging.config.owner, &topic, None).await.unwrap();
        let key = *identity.lake_id.as_bytes();
        let mut pipeline = Self { directory, merging, key, shards: Vec::new() };
        pipeline.begin_shards(&vec![progress(0); shards as usize]).await;
        pipeline
    }

    /// Begins the chains of the present generation.
    async fn begin_shards(&mut self, standing: &[PartitionProgress]) {
        self.shards.clear();
        for (shard, progress) in (0..).zip(standing) {
            let schema = RowSchema::parse(SCHEMA).unwrap();
            let mut ingest = Ingest::new(&self.merging.config, &schema, self.key).unwrap();
            ingest.restore(shard as i32, progress);
            let Merging { lake, generation, writer, .. } = &self.merging;
            let id = ChainId { job: INGEST.to_owned(), generation: *generation, shard };
            let partitions = BTreeMap::from([(shard as i32, progress.clone())]);
            let beginning = Beginning { partitions, ..Beginning::default() };
            let claim = lake.claim(id, writer.clone(), "r1", &beginning).await.unwrap();
            let Claim::Won { chain, .. } = claim else { panic!("the chain was not won") };
            let tables = open_tables(lake, &ingest).await;
            self.shards.push(Shard { ingest, chain, tables, next_offset: progress.next_offset });
        }
    }

    /// Ends the chains of ingest, and begins those of the next generation where they ended.
    async fn next_generation(&mut self) {
        let mut standing = Vec::new();
        for shard in &self.shards {
            let Merging { lake, writer, .. } = &self.merging;
            let seal = lake.seal(shard.chain.id(), writer, "r1").await.unwrap();
            standing.push(seal.partitions.into_values().next().unwrap());
        }
        self.merging.generation += 1;
        self.begin_shards(&standing).await;
    }

    /// Lets the partition of a shard fall asleep, or wakes it, from its next epoch on.
    fn set_idle(&mut self, shard: usize, idle: bool) {
        self.shards[shard].ingest.set_idle(shard as i32, idle);
    }

    /// Makes a base of what a publisher knows, and lets a manifest name it.
    async fn rebased(&mut self, mut publisher: Box<Publisher>) -> Box<Publisher> {
        let before = self.base().await;
        publisher = publisher.freeze().await.unwrap();
        while self.base().await == before {
            self.epoch(0, &[]).await;
            publisher = published(publisher).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        publisher
    }

    /// The base that the newest manifest of the merge names.
    async fn base(&self) -> Option<StateFile> {
        let id = ChainId { job: MERGE.to_owned(), generation: self.merging.generation, shard: 0 };
        let newest = self.merging.lake.newest_manifest(&id).await.unwrap();
        newest.and_then(|newest| newest.state.base)
    }

    /// An epoch of a shard: readings of devices, each so many seconds after eight.
    async fn epoch(&mut self, shard: usize, readings: &[(&str, u32, f64)]) {
        let Shard { ingest, chain, tables, next_offset } = &mut self.shards[shard];
        let lake = &self.merging.lake;
        let mut batch = MessageBatch::default();
        let mut added = BTreeMap::new();
        for (device, second, celsius) in readings {
            let value = reading(device, *second, *celsius);
            let (partition, offset, value) = (shard as i32, *next_offset, Some(value.as_bytes()));
            batch.push(Message { partition, offset, timestamp_ms: None, key: None, value });
            *next_offset += 1;
        }
        if !batch.is_empty() {
            let processed = ingest.process(&batch, 0).unwrap();
            added = store(lake, ingest, processed).await;
        }
        let closed = ingest.close_epoch();
        let partial_aggregates = match closed.partial_aggregates {
            Some(bytes) => {
                Some(lake.put_partial_aggregates(chain.id(), chain.next_epoch(), bytes).await.unwrap())
            }
            None => None,
        };
        let kind = if batch.is_empty() { ManifestKind::Idle } else { ManifestKind::Data };
        let manifest = Manifest {
            created_at_ms: 0,
            partitions: closed.partitions,
            tables: chain.progress(added),
            partial_aggregates,
            ..chain.manifest(kind, &self.merging.writer, "r1")
        };
        assert_eq!(chain.append(&manifest).await.unwrap(), Appended::Created);
        for table in tables {
            table.roll_forward(&manifest).await.unwrap();
        }
    }

    async fn start(&self) -> Box<Publisher> {
        match begin(&self.merging).await.unwrap() {
            Begun::Ready(publisher) => publisher,
            Begun::Superseded => panic!("nobody else is there"),
        }
    }

    /// Everything in the table but when it was written, as text.
    async fn rows(&self) -> Vec<String> {
        let sql = "SELECT window_start, device, readings, warmest, revision, is_final \
                   FROM \"gold/minute\" ORDER BY window_start, device";
        let batches = self.merging.lake.query(&["gold/minute"], &[], sql).await.unwrap();
        let text = |batch: &arrow::array::RecordBatch, row| {
            let values = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
            values.collect::<Vec<_>>().join(" ")
        };
        let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| text(batch, row)));
        rows.collect()
    }

    fn files(&self, below: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.directory.path().join(below)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A reading so many seconds after eight.
fn reading(device: &str, second: u32, celsius: f64) -> String {
    let at = format!("2026-01-05T20:{:02}:{:02}Z", second / 60, second % 60);
    json!({"device": device, "at": at, "celsius": celsius}).to_string()
}

async fn open_tables(lake: &Lake, ingest: &Ingest) -> Vec<Table> {
    let mut tables = Vec::new();
    for spec in &specs_of_ingest(ingest) {
        tables.push(lake.open_table(spec).await.unwrap());
    }
    tables
}

/// Makes rows durable, for a manifest.
async fn store(lake: &Lake, ingest: &Ingest, rows: Processed) -> BTreeMap<String, Vec<AddedFile>> {
    let mut added = BTreeMap::new();
    for (spec, rows) in specs_of_ingest(ingest).iter().zip([rows.bronze, rows.silver, rows.quarantine]) {
        let Some(rows) = rows else { continue };
        let mut writer = TableWriter::new(spec);
        writer.write(&rows).unwrap();
        let files = lake.persist(&spec.name, writer.finish().unwrap()).await.unwrap();
        added.insert(spec.name.clone(), files);
    }
    added
}

fn progress(next_offset: i64) -> PartitionProgress {
    PartitionProgress::starting_at(next_offset)
}

/// Readings of devices, each so many seconds after eight.
type Readings = &'static [(&'static str, u32, f64)];

/// Two devices on two partitions; the first window becomes final with the third round, and is corrected by none.
const ROUNDS: [[Readings; 2]; 4] = [
    [&[("a", 1, 20.0), ("b", 2, 21.0)], &[("a", 30, 19.0)]],
    [&[("a", 70, 22.5)], &[("b", 65, 18.0), ("b", 3, 25.0)]],
    [&[("a", 130, 10.0)], &[("b", 140, 11.0)]],
    [&[("c", 131, 12.0), ("a", 150, 13.0)], &[]],
];

const AFTER_ALL_ROUNDS: [&str; 7] = [
    "2026-01-05T20:00:00Z a 2 20.0 2 true",
    "2026-01-05T20:00:00Z b 2 25.0 3 true",
    "2026-01-05T20:01:00Z a 1 22.5 1 false",
    "2026-01-05T20:01:00Z b 1 18.0 1 false",
    "2026-01-05T20:02:00Z a 2 13.0 2 false",
    "2026-01-05T20:02:00Z b 1 11.0 1 false",
    "2026-01-05T20:02:00Z c 1 12.0 1 false",
];

async fn published(mut publisher: Box<Publisher>) -> Box<Publisher> {
    let stepped;
    (publisher, stepped) = publisher.step(Which::All).await.unwrap();
    assert!(matches!(stepped, Stepped::Folded { is_behind: false, .. }), "{stepped:?}");
    publisher
}

async fn round(pipeline: &mut Pipeline, readings: &[Readings; 2]) {
    for (shard, readings) in readings.iter().enumerate() {
        pipeline.epoch(shard, readings).await;
    }
}

#[tokio::test]
async fn what_two_shards_leave_is_published_with_revisions_and_finality() {
    let mut pipeline = Pipeline::new(2).await;
    let mut publisher = pipeline.start().await;
    for readings in &ROUNDS {
        round(&mut pipeline, readings).await;
        publisher = published(publisher).await;
    }
    assert_eq!(pipeline.rows().await, AFTER_ALL_ROUNDS);
    let report = pipeline.merging.status.report();
    let gold = report.gold.unwrap();
    assert_eq!((gold.tables[0].name.as_str(), gold.tables[0].corrections), ("gold/minute", 0));
    assert_eq!(report.tables.last().map(|table| (table.rows, table.files)), Some((7, 3)), "a file a window");
}

#[tokio::test]
async fn a_merge_that_restarts_before_every_step_publishes_the_same() {
    let mut pipeline = Pipeline::new(2).await;
    for readings in &ROUNDS {
        round(&mut pipeline, readings).await;
        published(pipeline.start().await).await;
        // Nothing is new: a restart publishes nothing.
        published(pipeline.start().await).await;
    }
    assert_eq!(pipeline.rows().await, AFTER_ALL_ROUNDS);
}

#[tokio::test]
async fn each_new_generation_goes_on_with_the_windows_of_the_one_before() {
    let mut pipeline = Pipeline::new(2).await;
    round(&mut pipeline, &[&[], &[]]).await;
    for readings in &ROUNDS {
        published(pipeline.start().await).await;
        round(&mut pipeline, readings).await;
        // What the old chains left, and nobody published, is the new generation's to fold.
        pipeline.next_generation().await;
        round(&mut pipeline, &[&[], &[]]).await;
        published(pipeline.start().await).await;
    }
    assert_eq!(pipeline.rows().await, AFTER_ALL_ROUNDS);
    assert_eq!(
        pipeline.files("_sluice/ingest/partial-aggregates/0/0"),
        Vec::<String>::new(),
        "the base has them"
    );
}

#[tokio::test]
async fn nothing_is_published_before_all_shards_have_begun() {
    let mut pipeline = Pipeline::new(2).await;
    pipeline.epoch(0, ROUNDS[0][0]).await;
    let (publisher, stepped) = pipeline.start().await.step(Which::Due).await.unwrap();
    assert_eq!(stepped, Stepped::Waiting { shards: vec![1] });
    pipeline.epoch(1, &[]).await;
    published(publisher).await;
    assert_eq!(pipeline.rows().await.len(), 2);
}

#[tokio::test]
async fn a_partition_that_trails_far_behind_keeps_no_window_open_and_is_told_until_it_comes_near() {
    let mut pipeline = Pipeline::new(3).await;
    for (number, shard) in (0..).zip(&mut pipeline.shards) {
        shard.ingest.set_caught_up(number, true);
    }
    pipeline.epoch(0, &[("a", 1, 20.0)]).await;
    pipeline.epoch(1, &[("a", 1_200, 20.0)]).await;
    pipeline.epoch(2, &[("a", 1_200, 20.0)]).await;
    published(pipeline.start().await).await;
    let stalled = |pipeline: &Pipeline| pipeline.merging.status.report().gold.unwrap().stalled_partitions;
    assert_eq!(stalled(&pipeline), [0]);
    assert_eq!(pipeline.rows().await[0], "2026-01-05T20:00:00Z a 1 20.0 1 true");
    pipeline.epoch(0, &[("a", 2, 21.0)]).await;
    let publisher = published(pipeline.start().await).await;
    assert_eq!(stalled(&pipeline), [0], "a merge that takes over knows it too");
    assert_eq!(pipeline.rows().await[0], "2026-01-05T20:00:00Z a 2 21.0 2 true", "its row is not late");
    pipeline.epoch(0, &[("a", 1_100, 21.0)]).await;
    published(publisher).await;
    assert_eq!(stalled(&pipeline), Vec::<i32>::new());
}

#[tokio::test]
async fn two_merges_at_once_publish_once() {
    let mut pipeline = Pipeline::new(1).await;
    pipeline.epoch(0, ROUNDS[0][0]).await;
    let old = pipeline.start().await;
    let new = published(pipeline.start().await).await;
    pipeline.epoch(0, ROUNDS[1][0]).await;
    let (_, stepped) = old.step(Which::All).await.unwrap();
    assert_eq!(stepped, Stepped::Lost, "its chain was claimed");
    published(new).await;
    assert_eq!(pipeline.rows().await.len(), 3);
}

#[tokio::test]
async fn epochs_that_are_gone_are_told_and_not_passed_over() {
    let mut pipeline = Pipeline::new(1).await;
    pipeline.epoch(0, ROUNDS[0][0]).await;
    published(pipeline.start().await).await;
    pipeline.epoch(0, ROUNDS[1][0]).await;
    pipeline.epoch(0, ROUNDS[2][0]).await;
    let lost = pipeline.directory.path().join("_sluice/ingest/0/0/00000000000000000002.json");
    std::fs::remove_file(lost).unwrap();
    let Err(error) = begin(&pipeline.merging).await else { panic!("it began") };
    assert_eq!((error.problem().reason.as_str(), error.is_transient()), ("StateLost", false));
    assert!(error.to_string().contains("chain 'ingest/0/0': its epoch 2 is gone"), "{error}");
}

const SPILLED: &str = "_sluice/merge/spilled/0/0/gold/minute";

/// Partition 1 is asleep, and two windows are final by partition 0 alone.
async fn two_final_windows(pipeline: &mut Pipeline) -> Box<Publisher> {
    let mut publisher = pipeline.start().await;
    round(pipeline, &[&[("a", 1, 20.0), ("a", 70, 22.0)], &[("b", 3, 21.0)]]).await;
    pipeline.set_idle(1, true);
    round(pipeline, &[&[("a", 200, 19.0)], &[]]).await;
    publisher = published(publisher).await;
    assert_eq!(pipeline.rows().await, BEFORE_THE_CORRECTION);
    publisher
}

const BEFORE_THE_CORRECTION: [&str; 4] = [
    "2026-01-05T20:00:00Z a 1 20.0 1 true",
    "2026-01-05T20:00:00Z b 1 21.0 1 true",
    "2026-01-05T20:01:00Z a 1 22.0 1 true",
    "2026-01-05T20:03:00Z a 1 19.0 1 false",
];
const AFTER_THE_CORRECTION: [&str; 5] = [
    "2026-01-05T20:00:00Z a 1 20.0 1 true",
    "2026-01-05T20:00:00Z b 2 40.0 2 true",
    "2026-01-05T20:00:00Z c 1 23.0 1 true",
    "2026-01-05T20:01:00Z a 1 22.0 1 true",
    "2026-01-05T20:03:00Z a 1 19.0 1 false",
];
const CORRECTION: Readings = &[("b", 10, 40.0), ("c", 11, 23.0)];

#[tokio::test]
async fn final_windows_leave_memory_with_a_base_and_come_back_for_a_correction() {
    let mut pipeline = Pipeline::new(2).await;
    let publisher = two_final_windows(&mut pipeline).await;
    assert_eq!(pipeline.files(SPILLED), Vec::<String>::new(), "a base is what takes them out");
    let publisher = pipeline.rebased(publisher).await;
    let spilled = pipeline.files(SPILLED);
    assert_eq!(spilled.len(), 2, "{spilled:?}");
    let report = pipeline.merging.status.report().gold.unwrap();
    assert_eq!((report.open_windows, report.spilled_files), (1, 2));

    pipeline.set_idle(1, false);
    pipeline.epoch(1, CORRECTION).await;
    let publisher = published(publisher).await;
    assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
    let report = pipeline.merging.status.report().gold.unwrap();
    assert_eq!((report.open_windows, report.spilled_files), (2, 1));
    assert_eq!(report.tables[0].corrections, 2);

    // The next base knows a newer file of the window, and the first one has had its day.
    pipeline.rebased(publisher).await;
    let now = pipeline.files(SPILLED);
    assert_eq!(now.len(), 2, "{now:?}");
    assert_eq!(now.iter().filter(|file| spilled.contains(file)).count(), 1, "{spilled:?} and {now:?}");
}

#[tokio::test]
async fn a_restart_finds_the_windows_that_left_memory_and_corrects_them_once() {
    let mut pipeline = Pipeline::new(2).await;
    let publisher = two_final_windows(&mut pipeline).await;
    drop(pipeline.rebased(publisher).await);
    pipeline.set_idle(1, false);
    pipeline.epoch(1, CORRECTION).await;
    for _ in 0..3 {
        // The second and the third fold the correction again, as the manifests say.
        published(pipeline.start().await).await;
        assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
    }
    let publisher = pipeline.start().await;
    pipeline.rebased(publisher).await;
    assert_eq!(pipeline.files(SPILLED).len(), 2);
}

#[tokio::test]
async fn a_crash_after_windows_were_stored_and_before_their_base_loses_nothing() {
    let mut pipeline = Pipeline::new(2).await;
    let publisher = two_final_windows(&mut pipeline).await;
    drop(publisher.freeze().await.unwrap());
    assert_eq!(pipeline.files(SPILLED).len(), 2);
    pipeline.set_idle(1, false);
    pipeline.epoch(1, CORRECTION).await;
    let publisher = published(pipeline.start().await).await;
    assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
    pipeline.rebased(publisher).await;
    published(pipeline.start().await).await;
    assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
}

#[tokio::test]
async fn a_new_generation_takes_over_the_windows_that_left_memory() {
    for is_corrected_before in [true, false] {
        let mut pipeline = Pipeline::new(2).await;
        let publisher = two_final_windows(&mut pipeline).await;
        drop(pipeline.rebased(publisher).await);
        pipeline.set_idle(1, false);
        if is_corrected_before {
            pipeline.epoch(1, CORRECTION).await;
        }
        pipeline.next_generation().await;
        round(&mut pipeline, &[&[], if is_corrected_before { &[] } else { CORRECTION }]).await;
        let publisher = published(pipeline.start().await).await;
        assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION, "{is_corrected_before}");
        pipeline.rebased(publisher).await;
        let (old, new) = (pipeline.files(SPILLED), pipeline.files(&SPILLED.replace("/0/0/", "/1/0/")));
        assert_eq!((old.len(), new.len()), (1, 1), "the other window is where it was: {old:?}, {new:?}");
    }
}

impl Pipeline {
    /// Lets the files of a folder be gone, or damaged.
    fn lose(&self, folder: &str, is_gone: bool) {
        let files = self.files(folder);
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let path = self.directory.path().join(folder).join(file);
            if is_gone {
                std::fs::remove_file(path).unwrap();
            } else {
                let mut content = std::fs::read(&path).unwrap();
                *content.last_mut().unwrap() ^= 1;
                std::fs::write(path, content).unwrap();
            }
        }
    }

    /// A replay adds a reading to silver, at an offset that ingest has read and refused.
    async fn replay(&self, offset: i64, (device, second, celsius): (&str, u32, f64)) {
        let lake = &self.merging.lake;
        let mut rows_alone = WorkerConfig::clone(&self.merging.config);
        rows_alone.gold.clear();
        let schema = RowSchema::parse(SCHEMA).unwrap();
        let mut ingest = Ingest::new(&rows_alone, &schema, self.key).unwrap();
        let value = reading(device, second, celsius);
        let mut batch = MessageBatch::default();
        batch.push(Message {
            partition: 0,
            offset,
            timestamp_ms: None,
            key: None,
            value: Some(value.as_bytes()),
        });
        let processed = ingest.process(&batch, 0).unwrap();
        let at = ingest.event_times(processed.bronze.as_ref().unwrap()).unwrap().value(0);
        let added = store(lake, &ingest, processed).await;
        let writer = self.merging.writer.clone();
        let claim =
            lake.claim(ChainId::of_replays(), writer.clone(), "r1", &Beginning::default()).await.unwrap();
        let Claim::Won { mut chain, .. } = claim else { panic!("the chain was not won") };
        let manifest = Manifest {
            created_at_ms: 0,
            tables: chain.progress(added),
            recompute: Some(Recompute { tables: Vec::new(), from_us: at, until_us: at + 1 }),
            ..chain.manifest(ManifestKind::Data, &writer, "r1")
        };
        assert_eq!(chain.append(&manifest).await.unwrap(), Appended::Created);
        for mut table in open_tables(lake, &ingest).await {
            table.roll_forward(&manifest).await.unwrap();
        }
    }

    /// Whether the newest manifest of the merge has a base of its own.
    async fn has_own_base(&self) -> bool {
        let id = ChainId { job: MERGE.to_owned(), generation: self.merging.generation, shard: 0 };
        let newest = self.merging.lake.newest_manifest(&id).await.unwrap().unwrap();
        newest.state.base.is_some_and(|base| base.epoch == newest.epoch)
    }
}

#[tokio::test]
async fn windows_whose_file_is_gone_or_damaged_are_computed_again_from_silver() {
    for is_gone in [true, false] {
        let mut pipeline = Pipeline::new(2).await;
        let publisher = two_final_windows(&mut pipeline).await;
        let publisher = pipeline.rebased(publisher).await;
        pipeline.lose(SPILLED, is_gone);
        pipeline.set_idle(1, false);
        pipeline.epoch(1, CORRECTION).await;
        published(publisher).await;
        assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION, "{is_gone}");
        assert!(pipeline.has_own_base().await, "a restart has not to do it again");
        for _ in 0..2 {
            published(pipeline.start().await).await;
            assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION, "{is_gone}");
        }
    }
}

#[tokio::test]
async fn a_merge_that_has_lost_what_it_knew_computes_all_windows_again() {
    for folder in ["_sluice/merge/state/0/0", "_sluice/ingest/partial-aggregates/0/1"] {
        for is_gone in [true, false] {
            let mut pipeline = Pipeline::new(2).await;
            let publisher = two_final_windows(&mut pipeline).await;
            drop(pipeline.rebased(publisher).await);
            pipeline.set_idle(1, false);
            pipeline.epoch(1, CORRECTION).await;
            pipeline.lose(folder, is_gone);
            for _ in 0..2 {
                published(pipeline.start().await).await;
                assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION, "{folder} {is_gone}");
            }
            pipeline.epoch(0, &[("a", 201, 10.0)]).await;
            published(pipeline.start().await).await;
            let rows = pipeline.rows().await;
            assert_eq!(rows[..4], AFTER_THE_CORRECTION[..4]);
            assert_eq!(rows[4], "2026-01-05T20:03:00Z a 2 19.0 2 false", "{folder} {is_gone}");
        }
    }
}

#[tokio::test]
async fn a_restart_that_misses_a_file_that_was_there_before_changes_nothing() {
    let mut pipeline = Pipeline::new(2).await;
    let publisher = two_final_windows(&mut pipeline).await;
    let publisher = pipeline.rebased(publisher).await;
    pipeline.set_idle(1, false);
    pipeline.epoch(1, CORRECTION).await;
    drop(published(publisher).await);
    pipeline.lose(SPILLED, true);
    drop(published(pipeline.start().await).await);
    assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
    let publisher = published(pipeline.start().await).await;
    assert_eq!(pipeline.rows().await, AFTER_THE_CORRECTION);
    // What was computed again goes on like any other window.
    pipeline.epoch(1, &[("c", 12, 50.0)]).await;
    published(publisher).await;
    let rows = pipeline.rows().await;
    assert_eq!(rows[..2], AFTER_THE_CORRECTION[..2]);
    assert_eq!(rows[2], "2026-01-05T20:00:00Z c 2 50.0 2 true");
}

#[tokio::test]
async fn a_replay_changes_the_windows_that_it_names_and_no_others() {
    let mut pipeline = Pipeline::new(2).await;
    // Two messages that silver refuses, of offsets 0 and 4: nothing of them comes from ingest.
    pipeline.shards[0].next_offset += 1;
    let mut publisher = two_final_windows(&mut pipeline).await;
    pipeline.shards[0].next_offset += 1;
    pipeline.epoch(0, &[("d", 210, 1.0)]).await;
    publisher = published(publisher).await;
    publisher = pipeline.rebased(publisher).await;
    pipeline.replay(0, ("a", 5, 30.0)).await;
    publisher = published(publisher).await;
    let rows = pipeline.rows().await;
    let expected = [
        "2026-01-05T20:00:00Z a 2 30.0 2 true",
        "2026-01-05T20:00:00Z b 1 21.0 1 true",
        "2026-01-05T20:01:00Z a 1 22.0 1 true",
        "2026-01-05T20:03:00Z a 1 19.0 1 false",
        "2026-01-05T20:03:00Z d 1 1.0 1 false",
    ];
    assert_eq!(rows, expected);
    // An open window, while nobody publishes; the next generation hears of it.
    drop(publisher);
    pipeline.replay(4, ("d", 211, 9.0)).await;
    pipeline.next_generation().await;
    round(&mut pipeline, &[&[("d", 212, 2.0)], &[]]).await;
    for _ in 0..2 {
        published(pipeline.start().await).await;
        let rows = pipeline.rows().await;
        assert_eq!(rows[..4], expected[..4]);
        assert_eq!(rows[4], "2026-01-05T20:03:00Z d 3 9.0 2 false");
    }
}
