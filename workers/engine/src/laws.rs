//! The laws of the crate documentation as property tests, against a plain reading of the specification.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, filter_record_batch};
use proptest::prelude::*;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{Counts, PartitionProgress};

use crate::fixture::{self, Sent, Transaction, texts};
use crate::state::{self, Retention};
use crate::{Core, Ingest, Processed};

pub(crate) const KEY: [u8; 16] = *b"a key of 16 byte";
const WITHIN_US: i64 = 20_000_000;
pub(crate) const OUT_OF_ORDERNESS_US: i64 = 5_000_000;
pub(crate) const START_US: i64 = 1_767_643_200_000_000; // 2026-01-05T20:00:00Z

pub(crate) fn configuration() -> WorkerConfig {
    let mut configuration = fixture::configuration();
    configuration.source.event_time.max_out_of_orderness_ms = OUT_OF_ORDERNESS_US as u64 / 1000;
    configuration.source.event_time.refuse_future_beyond_ms = Some(60_000);
    configuration.silver.deduplicate.as_mut().expect("the example deduplicates").within_ms =
        WITHIN_US as u64 / 1000;
    configuration.silver.columns.push(fixture::column("share", Some("100 / (user_id - 7)")));
    configuration
}

fn ingest() -> Ingest {
    Ingest::new(&configuration(), &fixture::schema(), KEY).expect("the configuration is valid")
}

/// What is random about a message.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) partition: i32,
    /// Offsets that Kafka itself used up before it.
    gap: i64,
    id: u8,
    pub(crate) user_id: i32,
    amount: f64,
    /// Event time after the start.
    seconds: i64,
    /// Kafka timestamp after the start; `None`: the message has none.
    kafka_seconds: Option<i64>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Whole,
    Tombstone,
    NoJson,
    NoTime,
}

pub(crate) fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let shape = prop_oneof![
        12 => Just(Shape::Whole),
        1 => Just(Shape::Tombstone),
        1 => Just(Shape::NoJson),
        1 => Just(Shape::NoTime),
    ];
    let draw = (
        0..3_i32,
        prop_oneof![8 => Just(0_i64), 1 => 1..4_i64],
        0..12_u8,
        prop_oneof![4 => Just(42_i32), 2 => Just(43_i32), 1 => Just(7_i32)],
        prop_oneof![8 => Just(25.0), 1 => Just(-1.0)],
        0..200_i64,
        prop::option::weighted(0.8, 0..200_i64),
        shape,
    )
        .prop_map(|(partition, gap, id, user_id, amount, seconds, kafka_seconds, shape)| Draw {
            partition,
            gap,
            id,
            user_id,
            amount,
            seconds,
            kafka_seconds,
            shape,
        });
    prop::collection::vec(draw, 1..120)
}

/// The messages, with event times that drift forward so that the memory forgets.
pub(crate) fn messages(draws: &[Draw]) -> Vec<Sent> {
    let mut next_offsets = BTreeMap::<i32, i64>::new();
    draws
        .iter()
        .enumerate()
        .map(|(index, draw)| {
            let next = next_offsets.entry(draw.partition).or_insert(0);
            let offset = *next + draw.gap;
            *next = offset + 1;
            let timestamp = match draw.shape {
                Shape::NoTime => "soon".to_owned(),
                _ => jiff::Timestamp::from_microsecond(event_time_us(index, draw))
                    .expect("in range")
                    .to_string(),
            };
            let transaction = Transaction {
                id: format!("t-{}", draw.id),
                user_id: draw.user_id,
                amount: draw.amount,
                timestamp,
                ..Transaction::default()
            };
            let sent = Sent::json(draw.partition, offset, &transaction);
            Sent {
                timestamp_ms: kafka_timestamp_us(index, draw).map(|microseconds| microseconds / 1000),
                value: match draw.shape {
                    Shape::Tombstone => None,
                    Shape::NoJson => Some(b"{]".to_vec()),
                    Shape::Whole | Shape::NoTime => sent.value.clone(),
                },
                ..sent
            }
        })
        .collect()
}

pub(crate) fn event_time_us(index: usize, draw: &Draw) -> i64 {
    START_US + (index as i64 + draw.seconds) * 1_000_000
}

pub(crate) fn kafka_timestamp_us(index: usize, draw: &Draw) -> Option<i64> {
    draw.kafka_seconds.map(|seconds| START_US + (index as i64 + seconds) * 1_000_000)
}

/// The fate of a message, by the words of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Silver,
    Duplicate,
    Refused(&'static str),
}

pub(crate) fn fates(draws: &[Draw], sent: &[Sent]) -> BTreeMap<(i32, i64), Fate> {
    struct SilverRow {
        partition: i32,
        id: u8,
        expiry_us: i128,
        capped_us: i64,
    }
    let mut silver: Vec<SilverRow> = Vec::new();
    let mut fates = BTreeMap::new();
    for (index, (draw, sent)) in draws.iter().zip(sent).enumerate() {
        let of_partition = || silver.iter().filter(|row| row.partition == draw.partition);
        let watermark_us = of_partition()
            .map(|row| row.capped_us)
            .max()
            .map_or(i128::MIN, |largest| i128::from(largest - OUT_OF_ORDERNESS_US));
        let event_time_us = event_time_us(index, draw);
        let kafka_timestamp_us = kafka_timestamp_us(index, draw);
        let fate = if draw.shape == Shape::Tombstone {
            Fate::Refused("EmptyValue")
        } else if draw.shape == Shape::NoJson {
            Fate::Refused("MalformedJson")
        } else if draw.amount <= 0.0 {
            Fate::Refused("NonPositiveAmount")
        } else if draw.shape == Shape::NoTime {
            Fate::Refused("BadTimestamp")
        } else if kafka_timestamp_us.is_some_and(|timestamp| event_time_us > timestamp + 60_000_000) {
            Fate::Refused("FutureTimestamp")
        } else if draw.user_id == 7 {
            Fate::Refused("ExpressionFailed")
        } else if of_partition().any(|row| row.id == draw.id && watermark_us <= row.expiry_us) {
            Fate::Duplicate
        } else {
            silver.push(SilverRow {
                partition: draw.partition,
                id: draw.id,
                expiry_us: i128::from(event_time_us).max(watermark_us) + i128::from(WITHIN_US),
                capped_us: kafka_timestamp_us.map_or(event_time_us, |timestamp| timestamp.min(event_time_us)),
            });
            Fate::Silver
        };
        fates.insert((sent.partition, sent.offset), fate);
    }
    fates
}

/// The tables, a line of text for each row, without the processing time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tables {
    bronze: Vec<String>,
    silver: Vec<String>,
    quarantine: Vec<String>,
}

impl Tables {
    fn add(&mut self, processed: &Processed) {
        let add = |lines: &mut Vec<String>, rows: &Option<RecordBatch>| {
            let Some(rows) = rows else { return };
            let schema = rows.schema();
            let names = schema.fields().iter().map(|field| field.name());
            let columns: Vec<Vec<String>> =
                names.filter(|name| !name.starts_with("processing_")).map(|name| texts(rows, name)).collect();
            for row in 0..rows.num_rows() {
                lines.push(columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join("|"));
            }
        };
        add(&mut self.bronze, &processed.bronze);
        add(&mut self.silver, &processed.silver);
        add(&mut self.quarantine, &processed.quarantine);
    }

    fn sorted(mut self) -> Self {
        self.bronze.sort();
        self.silver.sort();
        self.quarantine.sort();
        self
    }
}

type Outcome = (Tables, BTreeMap<i32, PartitionProgress>);

fn all_at_once(sent: &[Sent]) -> Outcome {
    let mut ingest = ingest();
    let mut tables = Tables::default();
    tables.add(&ingest.process(&fixture::batch(sent), START_US).expect("JSON needs no schema"));
    (tables.sorted(), ingest.progress())
}

/// Takes the next message of a random partition: another interleaving with the same order within each.
pub(crate) fn interleave(sent: &[Sent], choices: &[u8]) -> Vec<Sent> {
    let mut queues: BTreeMap<i32, std::collections::VecDeque<Sent>> = BTreeMap::new();
    for sent in sent {
        queues.entry(sent.partition).or_default().push_back(sent.clone());
    }
    let mut order = Vec::new();
    let mut choices = choices.iter().cycle();
    while !queues.is_empty() {
        let choice = *choices.next().expect("there are choices") as usize % queues.len();
        let partition = *queues.keys().nth(choice).expect("the choice is in range");
        let queue = queues.get_mut(&partition).expect("it was chosen from the queues");
        order.extend(queue.pop_front());
        if queue.is_empty() {
            queues.remove(&partition);
        }
    }
    order
}

/// Cuts into batches; after some of them closes the epoch, and after some of those starts anew from what
/// a manifest and the state files hold, with or without a new base. Gives the core as it is at the end.
pub(crate) fn process_in_pieces<C: Core>(
    sent: &[Sent],
    cuts: &[(usize, u8)],
    (new, retention): (fn() -> C, Retention),
    mut process: impl FnMut(&mut C, &[Sent], i64),
) -> C {
    let mut core = new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut cuts = cuts.iter().cycle();
    let mut rest = sent;
    let mut processing_time_us = START_US;
    while !rest.is_empty() {
        let &(length, what) = cuts.next().expect("there are cuts");
        let (piece, others) = rest.split_at(length.min(rest.len()));
        rest = others;
        processing_time_us += 1_234_567_890;
        process(&mut core, piece, processing_time_us);
        if what % 4 == 0 {
            continue;
        }
        let closed = core.close_epoch();
        files.extend(closed.state_delta);
        if what % 4 == 2 {
            let base = state::merge(&files, &closed.partitions, retention);
            files = base.expect("the files are whole").into_iter().collect();
        }
        if what % 4 >= 2 {
            core = new();
            for (&partition, progress) in &closed.partitions {
                core.restore(partition, progress);
            }
            for file in &files {
                core.load_state(file).expect("the file is whole");
            }
        }
    }
    core
}

fn in_pieces(sent: &[Sent], cuts: &[(usize, u8)]) -> Outcome {
    let retention = Retention { max_out_of_orderness_ms: OUT_OF_ORDERNESS_US as u64 / 1000, keep_ms: 0 };
    let mut tables = Tables::default();
    let ingest = process_in_pieces(sent, cuts, (ingest, retention), |ingest, piece, processing_time_us| {
        tables.add(&ingest.process(&fixture::batch(piece), processing_time_us).expect("JSON"));
    });
    (tables.sorted(), ingest.progress())
}

/// Cuts rows into batches of these lengths, in turns.
pub(crate) fn pieces(rows: &RecordBatch, lengths: &[usize]) -> Vec<RecordBatch> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    for &length in lengths.iter().cycle() {
        let length = length.min(rows.num_rows() - from);
        if length == 0 {
            break;
        }
        pieces.push(rows.slice(from, length));
        from += length;
    }
    pieces
}

/// Puts batches together; `None` without rows.
pub(crate) fn together(batches: &[RecordBatch]) -> Option<RecordBatch> {
    let schema = batches.first()?.schema();
    let rows = concat_batches(&schema, batches).expect("they have the same columns");
    (rows.num_rows() > 0).then_some(rows)
}

fn count(counts: &Counts, fate: Fate) -> u64 {
    match fate {
        Fate::Silver => counts.silver,
        Fate::Duplicate => counts.duplicates,
        Fate::Refused(reason) => counts.refused.values().filter_map(|reasons| reasons.get(reason)).sum(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_message_has_the_fate_that_the_specification_gives_it(draws in draws()) {
        let sent = messages(&draws);
        let fates = fates(&draws, &sent);
        let mut ingest = ingest();
        let processed = ingest.process(&fixture::batch(&sent), START_US).expect("JSON");
        let mut found = BTreeMap::new();
        let place = |rows: &RecordBatch| -> Vec<(i32, i64)> {
            let parse = |(partition, offset): (String, String)| {
                (partition.parse().expect("a number"), offset.parse().expect("a number"))
            };
            std::iter::zip(texts(rows, "partition"), texts(rows, "offset")).map(parse).collect()
        };
        if let Some(bronze) = &processed.bronze {
            for place in place(bronze) {
                found.insert(place, Fate::Duplicate);
            }
        }
        if let Some(silver) = &processed.silver {
            for place in place(silver) {
                prop_assert_eq!(found.insert(place, Fate::Silver), Some(Fate::Duplicate));
            }
        }
        if let Some(quarantine) = &processed.quarantine {
            for (place, reason) in place(quarantine).into_iter().zip(texts(quarantine, "reason")) {
                let expected = fates[&place];
                prop_assert_eq!(expected, Fate::Refused(match expected {
                    Fate::Refused(expected) if expected == reason => expected,
                    _ => "another reason",
                }));
                found.insert(place, expected);
            }
        }
        prop_assert_eq!(&found, &fates);

        for (&partition, progress) in &ingest.progress() {
            let counts = &progress.counts;
            let of_partition = fates.iter().filter(|((number, _), _)| *number == partition);
            let mut expected = BTreeMap::<Fate, u64>::new();
            for (_, &fate) in of_partition {
                *expected.entry(fate).or_default() += 1;
            }
            for (fate, expected) in expected {
                prop_assert_eq!(count(counts, fate), expected, "{:?}", fate);
            }
            prop_assert_eq!(counts.messages, counts.bronze + counts.refused_at("decode"));
            prop_assert_eq!(counts.bronze, counts.silver + counts.duplicates + counts.refused_at("silver"));
        }
    }

    #[test]
    fn batches_interleavings_epochs_and_restarts_do_not_change_the_tables(
        draws in draws(),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        cuts in prop::collection::vec((1..40_usize, any::<u8>()), 1..20),
    ) {
        let sent = messages(&draws);
        let expected = all_at_once(&sent);
        prop_assert_eq!(&all_at_once(&interleave(&sent, &choices)), &expected);
        prop_assert_eq!(&in_pieces(&sent, &cuts), &expected);
        prop_assert_eq!(&in_pieces(&interleave(&sent, &choices), &cuts), &expected);
    }
    #[test]
    fn bronze_tells_all_that_a_pipeline_remembers(draws in draws(), cut in 1..120_usize) {
        let sent = messages(&draws);
        let (before, after) = sent.split_at(cut.min(sent.len()));
        let mut first = ingest();
        let processed = first.process(&fixture::batch(before), START_US).expect("JSON");
        let mut second = ingest();
        for (&partition, progress) in &first.progress() {
            let counts = Counts { silver: 0, duplicates: 0, ..progress.counts.clone() };
            let progress = PartitionProgress { max_event_time_us: None, counts, ..progress.clone() };
            second.restore(partition, &progress);
        }
        if let Some(bronze) = &processed.bronze {
            second.remember(bronze).expect("bronze has its columns");
        }
        prop_assert_eq!(second.progress(), first.progress());
        if !after.is_empty() {
            let outcome = |mut ingest: Ingest| {
                let mut tables = Tables::default();
                tables.add(&ingest.process(&fixture::batch(after), START_US).expect("JSON"));
                (tables, ingest.progress())
            };
            prop_assert_eq!(outcome(second), outcome(first));
        }
    }

    #[test]
    fn bronze_that_is_replayed_gives_the_rows_that_its_messages_gave(
        draws in draws(),
        lengths in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut config = configuration();
        config.bronze.keep_value = true;
        config.gold = fixture::configuration_with_gold().gold;
        for table in &mut config.gold {
            (table.size_ms, table.slide_ms, table.allowed_lateness_ms) = (30_000, 10_000, 1_000);
        }
        let new = || Ingest::new(&config, &fixture::schema(), KEY).expect("the configuration is valid");
        let processed = new().process(&fixture::batch(&messages(&draws)), START_US).expect("JSON");
        let refused = processed.quarantine.and_then(|rows| {
            let stages = texts(&rows, "stage");
            let of_bronze = stages.iter().map(|stage| Some(stage != "decode")).collect();
            together(&[filter_record_batch(&rows, &of_bronze).expect("the mask is as long")])
        });
        let (mut silver, mut quarantine, mut again) = (Vec::new(), Vec::new(), new());
        for piece in processed.bronze.iter().flat_map(|bronze| pieces(bronze, &lengths)) {
            let replayed = again.replay(&piece).expect("bronze has its columns");
            prop_assert_eq!(&again.event_times(&piece).expect("bronze has its columns"), &replayed.event_times);
            silver.extend(replayed.silver);
            quarantine.extend(replayed.quarantine);
        }
        prop_assert_eq!(together(&silver), processed.silver);
        prop_assert_eq!(together(&quarantine), refused);
        let closed = again.close_epoch();
        prop_assert_eq!((closed.state_delta, closed.partial_aggregates), (None, None), "nothing is left for an epoch");
    }
}
