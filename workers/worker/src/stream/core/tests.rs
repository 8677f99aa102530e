use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use serde_json::json;
use sluice_contract::config::{Storage, WorkerConfig};
use sluice_contract::manifest::PartitionProgress;
use sluice_decode::{Decoder, Message, UnresolvedSchema};
use sluice_engine::{EpochSize, Ingest, MemorySize, StateError};
use sluice_lake::{Lake, TableSpec};
use tokio::sync::mpsc as tokio_mpsc;

use super::*;
use crate::ingest::compile;
use crate::kafka::Watermarks;
use crate::report::{Status, Subject};
use crate::stream::backfill::{Backfiller, Page};
use crate::stream::encoders::Encoder;
use crate::stream::event::Assignment;
use crate::stream::links::Closed;
use crate::stream::source::assignment::{Expired, StartingPoint};
use crate::stream::source::reader::Command;
use crate::stream::work::Processor;
use crate::test_support::{SCHEMA, configuration};

/// A core, and the other ends of its channels.
struct Bench {
    core: Core,
    commands: Receiver<Command>,
    recycled: Receiver<MessageBatch>,
    closed: tokio_mpsc::Receiver<Closed>,
    start: Instant,
}

impl Bench {
    fn new(config: &WorkerConfig, until_caught_up: bool) -> Self {
        let ingest = compile(config, SCHEMA, [0; 16]).expect("the configuration is sound");
        Self::with(Box::new(ingest), config, until_caught_up)
    }

    fn with(processor: Box<dyn Processor>, config: &WorkerConfig, until_caught_up: bool) -> Self {
        let encoder = |spec: &TableSpec| Encoder::start(spec).expect("a thread can be started");
        let specs = processor.specs();
        let encoders = specs.iter().map(|spec| (spec.name.clone(), encoder(spec))).collect();
        let (command_sender, commands) = mpsc::channel();
        let (recycled_sender, recycled) = mpsc::channel();
        let (closed_sender, closed) = tokio_mpsc::channel(1);
        let subject = Subject {
            job: "ingest".to_owned(),
            shard: 0,
            shards: 1,
            writer: "bench".to_owned(),
            configuration: config.revision.clone(),
            max_out_of_orderness_us: 0,
        };
        let links = Links {
            encoders,
            commands: command_sender,
            recycled: recycled_sender,
            closed: closed_sender,
            resolver: None,
            backfiller: None,
            status: Arc::new(Status::new(subject)),
        };
        let options = CoreOptions {
            policy: EpochPolicy::new(&config.commit),
            idle_after_ms: config.source.event_time.idle_after_ms,
            until_caught_up,
        };
        let core = Core::new(processor, links, options, config.source.kafka.topic.clone());
        Self { start: core.started, core, commands, recycled, closed }
    }

    fn hear(&mut self, event: Event) {
        assert_eq!(self.core.hear(event), Step::Continue(()));
    }

    /// Assigns partitions that are read from their first message and end at `end`.
    fn assign(&mut self, partitions: &[i32], end: i64) {
        let assignment =
            |partition: &i32| Assignment { partition: *partition, from: StartingPoint::At(0), end };
        self.hear(Event::Assigned(partitions.iter().map(assignment).collect()));
    }

    fn read(&mut self, partition: i32, offsets: std::ops::Range<i64>) {
        let mut messages = MessageBatch::default();
        for offset in offsets {
            let value = format!(r#"{{"device":"d{offset}","at":"2026-01-05T20:00:00Z","celsius":1.5}}"#);
            let value = Some(value.as_bytes());
            messages.push(Message { partition, offset, timestamp_ms: None, key: None, value });
        }
        self.hear(Event::Read(ReadBatch { messages, oldest_ms: Some(1), at_end: BTreeMap::new() }));
    }

    fn read_framed(&mut self, partition: i32, offset: i64, schema_id: u32) {
        // Device "d", time "", 0.0 degrees: two texts with their lengths, then eight bytes.
        let datum = [&[2_u8, b'd', 0][..], &[0; 8]].concat();
        let value = [&[0_u8][..], &schema_id.to_be_bytes(), &datum].concat();
        let mut messages = MessageBatch::default();
        messages.push(Message { partition, offset, timestamp_ms: None, key: None, value: Some(&value) });
        self.hear(Event::Read(ReadBatch { messages, oldest_ms: Some(1), at_end: BTreeMap::new() }));
    }

    /// Lets the core do what is due so long after the start.
    fn go_on(&mut self, milliseconds: u64) {
        let step = self.core.proceed(self.start + Duration::from_millis(milliseconds));
        assert_eq!(step, Step::Continue(()));
    }

    /// As [`Self::go_on`], but the core ends.
    fn end(&mut self, milliseconds: u64) -> CoreEnd {
        let step = self.core.proceed(self.start + Duration::from_millis(milliseconds));
        step.break_value().expect("the core ends")
    }

    fn next_offset(&self, partition: i32) -> i64 {
        self.core.processor.progress()[&partition].next_offset
    }

    fn closed(&mut self) -> Option<Closed> {
        self.closed.try_recv().ok()
    }

    /// Takes the first manifest, which only pins positions, out of the way.
    fn pin(&mut self) {
        self.go_on(0);
        assert_eq!(self.closed().expect("positions are pinned").content.size.messages, 0);
        self.hear(Event::Committed);
    }
}

#[test]
fn positions_are_pinned_before_anything_is_read() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0, 1], 50);
    bench.go_on(0);
    let closed = bench.closed().expect("a manifest that pins the positions");
    assert!(closed.files.is_empty() && closed.content.partitions.len() == 2);
    assert!(matches!(bench.commands.try_recv(), Ok(Command::Assign(offsets)) if offsets.len() == 2));
}

#[test]
fn an_epoch_closes_by_age_with_the_files_of_its_tables() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0], 50);
    bench.pin();
    bench.read(0, 0..3);
    bench.go_on(100);
    assert_eq!(bench.next_offset(0), 3);
    assert!(bench.recycled.try_recv().expect("the batch came back").is_empty());
    bench.go_on(2_099);
    assert!(bench.closed().is_none(), "two seconds have not passed since the first message");
    bench.go_on(2_100);
    let closed = bench.closed().expect("the epoch is due");
    assert_eq!(closed.content.size.messages, 3);
    assert_eq!(closed.content.partitions[&0].counts.silver, 3);
    let tables: Vec<String> = closed.files.iter().map(|(table, _)| table.clone()).collect();
    assert_eq!(tables, ["bronze", "silver", "quarantine"]);
    let rows = closed.files.into_iter().map(|(_, files)| {
        let files = files.blocking_recv().expect("the encoder answers").expect("the rows are sound");
        files.iter().map(|file| file.file.rows).sum::<u64>()
    });
    assert_eq!(rows.collect::<Vec<u64>>(), [3, 3, 0]);
}

#[test]
fn while_one_epoch_is_in_commit_the_next_one_takes_its_size_and_no_more() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0], 1_000);
    bench.pin();
    bench.read(0, 0..20);
    bench.go_on(10);
    assert!(bench.closed().is_some(), "the first epoch is full and in commit now");
    bench.read(0, 20..40);
    bench.read(0, 40..60);
    bench.go_on(20);
    assert_eq!(bench.next_offset(0), 40, "the second epoch is full with one batch");
    assert_eq!(bench.recycled.try_iter().count(), 2, "the third batch is kept, which stops the reader");
    bench.hear(Event::Committed);
    bench.go_on(30);
    assert_eq!(bench.closed().expect("the second epoch").content.partitions[&0].next_offset, 40);
    bench.go_on(40);
    assert_eq!(bench.next_offset(0), 60);
}

#[test]
fn silence_gives_a_sign_of_life_every_ten_seconds() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.go_on(9_999);
    assert!(bench.closed().is_none());
    bench.go_on(10_000);
    assert!(bench.closed().expect("a sign of life").files.is_empty());
    bench.hear(Event::Committed);
    bench.go_on(19_999);
    assert!(bench.closed().is_none());
}

#[test]
fn an_epoch_tells_which_partitions_are_read_to_their_ends() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0, 1], 50);
    bench.pin();
    bench.read(0, 0..2);
    bench.read(1, 0..2);
    let at_end = BTreeMap::from([(0, Some(2))]);
    bench.hear(Event::Read(ReadBatch { at_end, ..ReadBatch::default() }));
    bench.go_on(0);
    bench.go_on(2_000);
    let caught_up = |closed: Closed| {
        closed.content.partitions.into_values().map(|progress| progress.caught_up).collect::<Vec<_>>()
    };
    assert_eq!(caught_up(bench.closed().expect("an epoch")), [true, false]);
    bench.hear(Event::Committed);
    bench.read(0, 2..3);
    bench.go_on(2_100);
    bench.go_on(4_200);
    assert_eq!(caught_up(bench.closed().expect("an epoch")), [false, false], "more has come");
}

#[test]
fn a_request_to_stop_commits_what_was_read_and_ends() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0], 50);
    bench.pin();
    bench.read(0, 0..2);
    bench.go_on(1);
    bench.hear(Event::Stop);
    assert_eq!(bench.end(2), CoreEnd::Stopped);
    assert_eq!(bench.closed().expect("the open epoch").content.partitions[&0].next_offset, 2);
}

#[test]
fn a_stop_waits_for_the_epoch_in_commit_before_it_closes_the_last_one() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0], 50);
    bench.go_on(0);
    bench.read(0, 0..2);
    bench.go_on(1);
    bench.hear(Event::Stop);
    bench.go_on(2);
    assert!(bench.closed().expect("the pin").files.is_empty());
    bench.hear(Event::Committed);
    assert_eq!(bench.end(3), CoreEnd::Stopped);
    assert_eq!(bench.closed().expect("the last epoch").content.size.messages, 2);
}

#[test]
fn catching_up_ends_when_every_partition_has_reached_its_end() {
    let mut bench = Bench::new(&configuration(|_| {}), true);
    bench.assign(&[0, 1], 2);
    bench.pin();
    bench.read(0, 0..2);
    bench.go_on(1);
    bench.read(1, 0..2);
    assert_eq!(bench.end(2), CoreEnd::CaughtUp);
    assert_eq!(bench.closed().expect("the last epoch").content.size.messages, 4);
}

#[test]
fn an_expired_partition_makes_the_goal_unreachable_but_the_others_are_committed() {
    let mut bench = Bench::new(&configuration(|_| {}), true);
    bench.assign(&[0, 1], 2);
    bench.pin();
    let expired = Expired { wanted: 0, available: Watermarks { low: 5, high: 9 } };
    bench.hear(Event::Expired { partition: 1, expired });
    bench.read(0, 0..2);
    let CoreEnd::Unreachable(problems) = bench.end(1) else { panic!("partition 1 can never catch up") };
    assert_eq!(problems[0].reason, "OffsetsExpired");
    assert_eq!(bench.closed().expect("the other partition").content.size.messages, 2);
}

#[test]
fn a_position_beyond_the_last_message_is_kept_at_the_end_of_the_log() {
    let mut bench = Bench::new(&configuration(|_| {}), false);
    bench.assign(&[0], 50);
    let at_end = BTreeMap::from([(0, Some(7))]);
    bench.hear(Event::Read(ReadBatch { messages: MessageBatch::default(), oldest_ms: None, at_end }));
    bench.go_on(0);
    assert_eq!(bench.next_offset(0), 7);
}

#[test]
fn a_partition_that_waits_for_its_schema_is_paused_and_goes_on_in_order() {
    let config = configuration(|document| {
        document["source"]["format"] = json!("Avro");
        document["source"]["schemaRegistry"] = json!({"url": "http://127.0.0.1:1"});
    });
    let mut bench = Bench::new(&config, false);
    bench.assign(&[0, 1], 50);
    bench.pin();
    bench.hear(Event::SchemaFound { id: 1, text: SCHEMA.to_owned() });
    bench.commands.try_iter().count();
    for (partition, offset, id) in [(0, 0, 1), (0, 1, 9), (1, 0, 1), (0, 2, 1), (1, 1, 1)] {
        bench.read_framed(partition, offset, id);
    }
    bench.go_on(1);
    assert_eq!((bench.next_offset(0), bench.next_offset(1)), (1, 2));
    assert!(matches!(bench.commands.try_recv(), Ok(Command::Pause(0))));
    bench.hear(Event::SchemaFound { id: 9, text: SCHEMA.to_owned() });
    assert_eq!(bench.next_offset(0), 3);
    assert_eq!(bench.core.processor.progress()[&0].counts.bronze, 3);
    assert!(matches!(bench.commands.try_recv(), Ok(Command::Resume(0))));
}

#[test]
fn messages_of_a_schema_that_is_not_found_are_refused() {
    let config = configuration(|document| {
        document["source"]["format"] = json!("Avro");
        document["source"]["schemaRegistry"] = json!({"url": "http://127.0.0.1:1"});
    });
    let mut bench = Bench::new(&config, false);
    bench.assign(&[0], 50);
    bench.pin();
    bench.read_framed(0, 0, 9);
    bench.go_on(1);
    assert_eq!(bench.next_offset(0), 0);
    bench.hear(Event::SchemaNotFound { id: 9 });
    let progress = bench.core.processor.progress();
    assert_eq!(progress[&0].counts.refused["decode"]["UnknownSchemaId"], 1);
}

/// A core that wants boundaries and holds batches up as a test says.
struct Bounded {
    ingest: Ingest,
    switches: Arc<Switches>,
}

#[derive(Default)]
struct Switches {
    wants_boundary: AtomicBool,
    is_congested: AtomicBool,
}

impl Processor for Bounded {
    fn specs(&self) -> Vec<TableSpec> {
        self.ingest.specs()
    }

    fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
        self.ingest.restore(partition, progress);
    }

    fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
        self.ingest.load_state(file)
    }

    fn decoder(&mut self) -> &mut Decoder {
        self.ingest.decoder()
    }

    fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, UnresolvedSchema> {
        Processor::process(&mut self.ingest, batch, processing_time_us)
    }

    fn backfill(
        &mut self,
        bronze: &RecordBatch,
        _processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, ArrowError> {
        self.ingest.remember(bronze).map(|()| Vec::new())
    }

    fn advance(&mut self, partition: i32, next_offset: i64) {
        self.ingest.advance(partition, next_offset);
    }

    fn set_idle(&mut self, partition: i32, idle: bool) {
        self.ingest.set_idle(partition, idle);
    }

    fn set_caught_up(&mut self, partition: i32, caught_up: bool) {
        self.ingest.set_caught_up(partition, caught_up);
    }

    fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        self.ingest.progress()
    }

    fn memory_size(&self) -> MemorySize {
        self.ingest.memory_size()
    }

    fn open_epoch(&self) -> EpochSize {
        self.ingest.open_epoch()
    }

    fn wants_boundary(&mut self) -> bool {
        self.switches.wants_boundary.load(Ordering::Relaxed)
    }

    fn is_congested(&mut self) -> bool {
        self.switches.is_congested.load(Ordering::Relaxed)
    }

    fn close_epoch(&mut self) -> EndedEpoch {
        self.switches.wants_boundary.store(false, Ordering::Relaxed);
        Processor::close_epoch(&mut self.ingest)
    }
}

fn bounded() -> (Bench, Arc<Switches>) {
    let config = configuration(|_| {});
    let ingest = compile(&config, SCHEMA, [0; 16]).expect("the configuration is sound");
    let switches = Arc::new(Switches::default());
    let processor = Bounded { ingest, switches: Arc::clone(&switches) };
    let mut bench = Bench::with(Box::new(processor), &config, false);
    bench.assign(&[0], 100);
    bench.pin();
    (bench, switches)
}

#[test]
fn at_a_boundary_nothing_is_processed_before_the_epoch_is_in_all_tables() {
    let (mut bench, switches) = bounded();
    bench.read(0, 0..3);
    bench.go_on(1);
    switches.wants_boundary.store(true, Ordering::Relaxed);
    bench.read(0, 3..5);
    bench.go_on(2);
    assert_eq!(bench.closed().expect("the epoch ends at once").content.size.messages, 3);
    bench.go_on(3);
    assert_eq!(bench.next_offset(0), 3);
    bench.hear(Event::Committed);
    bench.go_on(4);
    assert_eq!(bench.next_offset(0), 5);
}

#[test]
fn a_core_that_is_congested_takes_no_batch() {
    let (mut bench, switches) = bounded();
    switches.is_congested.store(true, Ordering::Relaxed);
    bench.read(0, 0..3);
    bench.go_on(1);
    assert_eq!(bench.next_offset(0), 0);
    switches.is_congested.store(false, Ordering::Relaxed);
    bench.go_on(2);
    assert_eq!(bench.next_offset(0), 3);
}

/// Rows of bronze of partition 0.
fn bronze(config: &WorkerConfig, offsets: std::ops::Range<i64>) -> RecordBatch {
    let mut ingest = compile(config, SCHEMA, [0; 16]).expect("the configuration is sound");
    let mut messages = MessageBatch::default();
    for offset in offsets {
        let value = format!(r#"{{"device":"d{offset}","at":"2026-01-05T20:00:00Z","celsius":1.5}}"#);
        let (partition, value) = (0, Some(value.as_bytes()));
        messages.push(Message { partition, offset, timestamp_ms: Some(9_000), key: None, value });
    }
    ingest.process(&messages, 0).expect("JSON needs no schema").bronze.expect("they decode")
}

/// A bench whose job reads the bronze of a lake that has nothing, of which partition 0 wants offset 0.
async fn behind(directory: &std::path::Path, available: Watermarks) -> Bench {
    let config = configuration(|_| {});
    let ingest = compile(&config, SCHEMA, [0; 16]).expect("the configuration is sound");
    let processor = Bounded { ingest, switches: Arc::default() };
    let mut bench = Bench::with(Box::new(processor), &config, true);
    let storage = Storage { uri: format!("file://{}", directory.display()), adopt: None };
    let lake = Lake::open(&storage).await.expect("a directory");
    let told = (mpsc::channel().0, Arc::clone(&bench.core.links.status));
    bench.core.links.backfiller = Some(Backfiller::new(lake, "readings".to_owned(), told, true));
    let from = StartingPoint::Expired(Expired { wanted: 0, available });
    bench.hear(Event::Assigned(vec![Assignment { partition: 0, from, end: available.high }]));
    assert!(matches!(bench.commands.try_recv(), Ok(Command::Assign(offsets)) if offsets.is_empty()));
    bench
}

#[tokio::test]
async fn rows_stand_in_for_messages_up_to_what_the_broker_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let available = Watermarks { low: 3, high: 5 };
    let mut bench = behind(directory.path(), available).await;
    bench.pin();
    let config = configuration(|_| {});
    // Others asked what is wrong with the reader, which knows nothing of the rows.
    bench.hear(Event::Expired { partition: 0, expired: Expired { wanted: 0, available } });
    bench.hear(Event::Backfilled(Page::of(0, vec![bronze(&config, 0..1)], (2, false))));
    bench.go_on(1);
    assert_eq!(bench.next_offset(0), 2, "offset 1 has no row");
    assert!(bench.commands.try_recv().is_err(), "the broker does not have what comes next");
    assert_eq!(bench.core.epoch.oldest_message_ms, Some(9_000));
    bench.hear(Event::Backfilled(Page::of(0, vec![bronze(&config, 2..3)], (3, true))));
    bench.go_on(2);
    let assigned = bench.commands.try_recv();
    assert!(matches!(&assigned, Ok(Command::Assign(offsets)) if offsets[&0] == 3), "{assigned:?}");
    bench.read(0, 3..5);
    assert_eq!(bench.end(3), CoreEnd::CaughtUp);
}

#[tokio::test]
async fn a_partition_that_the_broker_outran_while_rows_were_read_goes_back_to_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = behind(directory.path(), Watermarks { low: 3, high: 9 }).await;
    bench.pin();
    bench.hear(Event::Backfilled(Page::of(0, Vec::new(), (3, true))));
    bench.go_on(1);
    let available = Watermarks { low: 6, high: 9 };
    bench.hear(Event::Expired { partition: 0, expired: Expired { wanted: 3, available } });
    assert!(bench.core.expired.is_empty() && bench.core.backfilling.contains(&0));
    let problem = Expired { wanted: 3, available }.missing("readings", 0, Some(4));
    bench.hear(Event::RowsMissing { partition: 0, problem: problem.clone() });
    assert_eq!(bench.end(2), CoreEnd::Unreachable(vec![problem]));
}
