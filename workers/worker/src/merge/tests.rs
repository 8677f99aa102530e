//! The merge on a real lake, fed by chains of ingest that are written here epoch by epoch, step by step.

use std::collections::BTreeMap;

use arrow::util::display::array_value_to_string;
use serde_json::json;
use sluice_contract::manifest::{
    ChainId, INGEST, MANIFEST_FORMAT_VERSION, Manifest, ManifestKind, PartitionProgress, StateFiles,
};
use sluice_decode::{Message, MessageBatch, RowSchema};
use sluice_engine::Ingest;
use sluice_lake::{Appended, Beginning, Chain, Claim};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::report::Subject;
use crate::test_support::{SCHEMA, configuration};

/// One shard's ingest: it reads the partition of its number.
struct Shard {
    ingest: Ingest,
    chain: Chain,
    next_offset: i64,
}

struct Pipeline {
    directory: TempDir,
    merging: Merging,
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
        let mut pipeline = Self { directory, merging, shards: Vec::new() };
        pipeline.begin_shards(&vec![progress(0); shards as usize]).await;
        pipeline
    }

    /// Begins the chains of the present generation.
    async fn begin_shards(&mut self, standing: &[PartitionProgress]) {
        self.shards.clear();
        for (shard, progress) in (0..).zip(standing) {
            let schema = RowSchema::parse(SCHEMA).unwrap();
            let mut ingest = Ingest::new(&self.merging.config, &schema, [0; 16]).unwrap();
            ingest.restore(shard as i32, progress);
            let Merging { lake, generation, writer, .. } = &self.merging;
            let id = ChainId { job: INGEST.to_owned(), generation: *generation, shard };
            let partitions = BTreeMap::from([(shard as i32, progress.clone())]);
            let beginning = Beginning { partitions, ..Beginning::default() };
            let claim = lake.claim(id, writer.clone(), "r1", &beginning).await.unwrap();
            let Claim::Won { chain, .. } = claim else { panic!("the chain was not won") };
            self.shards.push(Shard { ingest, chain, next_offset: progress.next_offset });
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

    /// An epoch of a shard: readings of devices, each so many seconds after eight.
    async fn epoch(&mut self, shard: usize, readings: &[(&str, u32, f64)]) {
        let Shard { ingest, chain, next_offset } = &mut self.shards[shard];
        let mut batch = MessageBatch::default();
        for (device, second, celsius) in readings {
            let at = format!("2026-01-05T20:{:02}:{:02}Z", second / 60, second % 60);
            let value = json!({"device": device, "at": at, "celsius": celsius}).to_string();
            let (partition, offset, value) = (shard as i32, *next_offset, Some(value.as_bytes()));
            batch.push(Message { partition, offset, timestamp_ms: None, key: None, value });
            *next_offset += 1;
        }
        if !batch.is_empty() {
            ingest.process(&batch, 0).unwrap();
        }
        let closed = ingest.close_epoch();
        let lake = &self.merging.lake;
        let partial_aggregates = match closed.partial_aggregates {
            Some(bytes) => {
                Some(lake.put_partial_aggregates(chain.id(), chain.next_epoch(), bytes).await.unwrap())
            }
            None => None,
        };
        let manifest = Manifest {
            format_version: MANIFEST_FORMAT_VERSION,
            id: Uuid::new_v4(),
            chain: chain.id().clone(),
            epoch: chain.next_epoch(),
            kind: if batch.is_empty() { ManifestKind::Idle } else { ManifestKind::Data },
            writer: self.merging.writer.clone(),
            created_at_ms: 0,
            configuration: "r1".to_owned(),
            rule_set: None,
            partitions: closed.partitions,
            tables: BTreeMap::new(),
            state: StateFiles::default(),
            partial_aggregates,
            folded: BTreeMap::new(),
            recompute: None,
        };
        assert_eq!(chain.append(&manifest).await.unwrap(), Appended::Created);
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
