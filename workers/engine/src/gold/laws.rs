//! The laws of gold as property tests, against a recomputation by hand from the rows in (partition, offset) order.
//!
//! However the stream is cut into batches, epochs and shards, however the epochs of the chains are folded among each
//! other, and whenever what is published: in the end the files have the rows of the recomputation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use proptest::prelude::*;
use sluice_contract::config::{GoldTable, WorkerConfig};
use sluice_contract::manifest::{PartitionProgress, Recompute};

use super::{
    Bucket, Folded, Merge, Published, PublishedBefore, Recomputation, SENT_AT, SpilledAt, SpilledBlock,
    TIME_OF_ROW, Times, testing,
};
use crate::Ingest;
use crate::fixture::{self, Sent, Transaction, column, texts};

const KEY: [u8; 16] = *b"a key of 16 byte";
const SECOND_US: i64 = 1_000_000;
const OUT_OF_ORDERNESS_US: i64 = 5 * SECOND_US;
const STALLED_AFTER_US: i64 = 15 * SECOND_US;
const START_US: i64 = 1_767_643_200_000_000; // 2026-01-05T20:00:00Z
const PARTITIONS: i32 = 3;
const SHARDS: i32 = 2;

/// What is computed by hand, in this order, in every table.
const MEASURES: [(&str, &str); 8] = [
    ("rows", "count(*)"),
    ("frauds", "count(*) FILTER (WHERE is_fraud)"),
    ("total", "sum(amount)"),
    ("largest", "max(amount)"),
    ("mean", "avg(amount)"),
    ("users", "count(DISTINCT user_id)"),
    ("fraud_devices", "count(DISTINCT device_id) FILTER (WHERE is_fraud)"),
    ("fraud_rate", "100.0 * frauds / rows"),
];

fn table(name: &str, window_s: (u64, u64), lateness_s: u64, group_by: &[&str]) -> GoldTable {
    GoldTable {
        name: name.to_owned(),
        size_ms: window_s.0 * 1_000,
        slide_ms: window_s.1 * 1_000,
        group_by: group_by.iter().map(|&key| key.to_owned()).collect(),
        measures: MEASURES.iter().map(|(name, expr)| column(name, Some(expr))).collect(),
        emit_every_ms: 1_000,
        allowed_lateness_ms: lateness_s * 1_000,
        correct_for_ms: 1_000,
    }
}

fn configuration() -> WorkerConfig {
    let mut configuration = fixture::configuration();
    configuration.source.event_time.max_out_of_orderness_ms = OUT_OF_ORDERNESS_US as u64 / 1_000;
    configuration.source.event_time.stalled_after_ms = STALLED_AFTER_US as u64 / 1_000;
    // Rows without event time are silver here, and in no window.
    configuration.silver.require.clear();
    configuration.gold = vec![
        table("tumbling", (20, 20), 5, &["merchant", "country"]),
        table("hop", (30, 10), 5, &["payment_method"]),
        table("many", (60, 5), 0, &["user_id"]),
        table("all", (40, 40), 10, &[]),
    ];
    configuration
}

/// A row, in whole numbers.
#[derive(Clone, Debug)]
struct Row {
    partition: i32,
    user: u8,
    /// Event time after the start; `None`: the row has none.
    seconds: Option<i64>,
    quarters: i64,
    merchant: u8,
    method: u8,
    country: u8,
    device: u8,
    fraud: bool,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let numbers = (0..6_u8, 0..3_u8, 0..2_u8, 0..3_u8, 0..8_u8);
    let row = (0..PARTITIONS, prop::option::weighted(0.95, 0..60_i64), 1..4_000_i64, any::<bool>(), numbers);
    let row =
        row.prop_map(|(partition, seconds, quarters, fraud, (user, merchant, method, country, device))| {
            Row { partition, user, seconds, quarters, merchant, method, country, device, fraud }
        });
    prop::collection::vec(row, 1..150).prop_map(|mut rows| {
        // Time drifts forward, so that windows close, some before all their rows have come.
        for (index, row) in rows.iter_mut().enumerate() {
            row.seconds = row.seconds.map(|seconds| seconds + index as i64);
        }
        rows
    })
}

impl Row {
    fn time_us(&self) -> Option<i64> {
        self.seconds.map(|seconds| START_US + seconds * SECOND_US)
    }

    fn transaction(&self, id: usize) -> Transaction {
        let timestamp = self.time_us().map_or_else(|| "soon".to_owned(), text_of_time);
        Transaction {
            id: format!("t-{id}"),
            user_id: i32::from(self.user),
            amount: self.quarters as f64 / 4.0,
            merchant: format!("m-{}", self.merchant),
            timestamp,
            is_fraud: self.fraud,
            payment_method: format!("p-{}", self.method),
            location: if self.country == 0 {
                "Nowhere".to_owned()
            } else {
                format!("City, c-{}", self.country)
            },
            device_id: format!("d-{}", self.device),
        }
    }

    fn country(&self) -> String {
        if self.country == 0 { "NULL".to_owned() } else { format!("c-{}", self.country) }
    }
}

fn text_of_time(time_us: i64) -> String {
    jiff::Timestamp::from_microsecond(time_us).expect("a time of our age").to_string()
}

/// A row of gold: table, start of the window, keys.
type Name = (usize, String, Vec<String>);
/// The measures of rows, as text.
type Measures = BTreeMap<Name, Vec<String>>;
/// The quarantine's details of late rows, by partition and offset.
type Late = BTreeMap<(i32, i64), String>;

/// What the specification makes of the rows: measures as text, and the quarantine's details.
fn by_hand(rows: &[Row]) -> (Measures, Late) {
    let configuration = configuration();
    let mut watermarks = BTreeMap::<i32, i64>::new();
    let mut offsets = BTreeMap::<i32, i64>::new();
    let mut groups = BTreeMap::<Name, Vec<&Row>>::new();
    let mut late = BTreeMap::new();
    for row in rows {
        let offset = offsets.entry(row.partition).or_default();
        *offset += 1;
        let Some(time_us) = row.time_us() else { continue };
        let watermark_us = watermarks.entry(row.partition).or_insert(i64::MIN);
        let mut missed = Vec::new();
        for (place, table) in configuration.gold.iter().enumerate() {
            let (size_us, slide_us) = (table.size_ms as i64 * 1_000, table.slide_ms as i64 * 1_000);
            let lateness_us = table.allowed_lateness_ms as i64 * 1_000;
            let mut start_us = time_us.div_euclid(slide_us) * slide_us - size_us + slide_us;
            while start_us <= time_us {
                let start = text_of_time(start_us);
                if start_us + size_us + lateness_us <= *watermark_us {
                    missed.push(format!(r#"{{"table":"gold/{}","window_start":"{start}"}}"#, table.name));
                } else {
                    let keys = match place {
                        0 => vec![format!("m-{}", row.merchant), row.country()],
                        1 => vec![format!("p-{}", row.method)],
                        2 => vec![row.user.to_string()],
                        _ => Vec::new(),
                    };
                    groups.entry((place, start, keys)).or_default().push(row);
                }
                start_us += slide_us;
            }
        }
        if !missed.is_empty() {
            late.insert((row.partition, *offset - 1), format!("[{}]", missed.join(",")));
        }
        *watermark_us = (*watermark_us).max(time_us - OUT_OF_ORDERNESS_US);
    }
    (groups.into_iter().map(|(name, rows)| (name, measures(&rows))).collect(), late)
}

fn measures(rows: &[&Row]) -> Vec<String> {
    let frauds = rows.iter().filter(|row| row.fraud);
    let quarters: i64 = rows.iter().map(|row| row.quarters).sum();
    let largest = rows.iter().map(|row| row.quarters).max().unwrap_or_default();
    let users: BTreeSet<u8> = rows.iter().map(|row| row.user).collect();
    let devices: BTreeSet<u8> = frauds.clone().map(|row| row.device).collect();
    let double = |value: f64| format!("{value:?}");
    vec![
        rows.len().to_string(),
        frauds.clone().count().to_string(),
        double(quarters as f64 / 4.0),
        double(largest as f64 / 4.0),
        double(quarters as f64 / 4.0 / rows.len() as f64),
        users.len().to_string(),
        devices.len().to_string(),
        double(100.0 * frauds.count() as f64 / rows.len() as f64),
    ]
}

/// An epoch of a chain: its partial aggregates, and where its partitions stand.
type Epoch = (Option<Vec<u8>>, BTreeMap<i32, PartitionProgress>);

/// The epochs of each shard, and what the quarantine has of late rows. `cuts` are lengths of batches, whether an
/// epoch ends there, and which partitions fall asleep or are read to their ends.
fn ingested(rows: &[Row], cuts: &[(usize, bool, u8)]) -> (Vec<VecDeque<Epoch>>, Late) {
    let mut late = BTreeMap::new();
    let shards = (0..SHARDS).map(|shard| {
        let mut ingest = Ingest::new(&configuration(), &fixture::schema(), KEY).expect("valid");
        let mut epochs = VecDeque::new();
        let mut offsets = BTreeMap::<i32, i64>::new();
        let of_shard = rows.iter().enumerate().filter(|(_, row)| row.partition % SHARDS == shard);
        let sent: Vec<Sent> = of_shard
            .map(|(id, row)| {
                let offset = offsets.entry(row.partition).or_default();
                *offset += 1;
                Sent::json(row.partition, *offset - 1, &row.transaction(id))
            })
            .collect();
        let mut cuts = cuts.iter().cycle();
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let &(length, ends, sleeper) = cuts.next().expect("there are cuts");
            let (piece, others) = rest.split_at(length.min(rest.len()));
            rest = others;
            let processed = ingest.process(&fixture::batch(piece), START_US).expect("JSON");
            if let Some(quarantine) = &processed.quarantine {
                late.extend(late_rows(quarantine));
            }
            if ends || rest.is_empty() {
                for partition in (0..PARTITIONS).filter(|partition| partition % SHARDS == shard) {
                    ingest.set_idle(partition, sleeper % 4 == partition as u8);
                    ingest.set_caught_up(partition, sleeper >> (2 + partition) & 1 == 1);
                }
                let closed = ingest.close_epoch();
                epochs.push_back((closed.partial_aggregates, closed.partitions));
            }
        }
        epochs
    });
    (shards.collect::<Vec<_>>(), late)
}

fn late_rows(quarantine: &RecordBatch) -> Vec<((i32, i64), String)> {
    let [stages, reasons, details, partitions, offsets] =
        ["stage", "reason", "detail", "partition", "offset"].map(|name| texts(quarantine, name));
    (0..quarantine.num_rows())
        .map(|row| {
            assert_eq!((stages[row].as_str(), reasons[row].as_str()), ("late", "LateRow"));
            let place = (partitions[row].parse().expect("a number"), offsets[row].parse().expect("a number"));
            (place, details[row].clone())
        })
        .collect()
}

/// What a reader of the tables sees.
#[derive(Default)]
struct Files {
    files: BTreeMap<(usize, Bucket), RecordBatch>,
    /// For each row: what it says, how many publications have changed it, when it last changed.
    seen: BTreeMap<Name, (Vec<String>, i32, i64)>,
}

impl Files {
    fn publish(&mut self, published: &[Published], updated_at_us: i64) {
        for published in published {
            for replaced in &published.replaces {
                assert!(self.files.remove(&(published.table, *replaced)).is_some(), "{replaced:?} is live");
            }
        }
        for Published { table, bucket, rows, .. } in published {
            assert!(self.files.insert((*table, *bucket), rows.clone()).is_none(), "{bucket:?} was replaced");
            for (name, content, revision, at) in lines(*table, rows) {
                let before = self.seen.entry(name).or_default();
                if before.0 != content {
                    *before = (content, before.1 + 1, updated_at_us);
                }
                assert_eq!((revision, at), (before.1, text_of_time(before.2)));
            }
        }
        let rows: usize = self.files.values().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, self.rows().len(), "every row is in exactly one file");
    }

    fn of_table(&self, table: usize) -> PublishedBefore {
        let files = || self.files.iter().filter(|((of, _), _)| *of == table);
        PublishedBefore {
            rows: files().map(|(_, rows)| rows.clone()).collect(),
            buckets: files()
                .filter(|(_, rows)| rows.num_rows() > 0)
                .map(|((_, bucket), _)| *bucket)
                .collect(),
        }
    }

    fn rows(&self) -> Measures {
        let files = self.files.iter().flat_map(|((table, _), rows)| lines(*table, rows));
        files.map(|(name, content, ..)| (name, content)).collect()
    }
}

/// The rows of silver as a recomputation wants them.
fn silver(rows: &[Row], merge: &Merge) -> RecordBatch {
    let mut ingest = Ingest::new(&configuration(), &fixture::schema(), KEY).expect("valid");
    let mut offsets = BTreeMap::<i32, i64>::new();
    let sent = rows.iter().enumerate().map(|(id, row)| {
        let offset = offsets.entry(row.partition).or_default();
        *offset += 1;
        Sent::json(row.partition, *offset - 1, &row.transaction(id))
    });
    let sent: Vec<Sent> = sent.collect();
    let silver =
        ingest.process(&fixture::batch(&sent), START_US).expect("JSON").silver.expect("there are rows");
    let recomputation = Recomputation::new(&configuration(), &fixture::schema(), KEY, merge).expect("valid");
    let Times::Silver { event_time, kafka_timestamp } = recomputation.times() else {
        panic!("silver has both times")
    };
    let (mut fields, mut columns) = (silver.schema().fields().to_vec(), silver.columns().to_vec());
    for (name, source) in [(TIME_OF_ROW, event_time), (SENT_AT, kafka_timestamp)] {
        let column = silver.column_by_name(&source).expect("silver has it");
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(Arc::clone(column));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("two more columns")
}

/// Computes the windows over a span again, as a process does that meanwhile is started anew.
fn recompute(merging: &mut Merging, silver: &RecordBatch, files: &Files, (from_us, until_us): (i64, i64)) {
    let merge = &mut merging.merge;
    merge.lose_over(&Recompute { tables: Vec::new(), from_us, until_us });
    let snapshot = merge.snapshot();
    merge.restore([&snapshot]).expect("the snapshot is whole");
    while merge.has_lost() {
        let mut again = Recomputation::new(&configuration(), &fixture::schema(), KEY, merge).expect("valid");
        again.observe(silver).expect("the columns are there");
        let spans = again.choose(files.files.keys().map(|(table, bucket)| (*table, bucket.window_start_us)));
        assert!(spans.iter().all(|span| span.from_us < span.until_us), "{spans:?}");
        again.add(silver).expect("the columns are there");
        again.close().expect("its own file is whole");
        let published: Vec<PublishedBefore> = (0..4).map(|table| files.of_table(table)).collect();
        merge.settle(again, &published).expect("the columns are there");
    }
}

/// Name, measures and finality, revision and time of change of each row.
fn lines(table: usize, rows: &RecordBatch) -> Vec<(Name, Vec<String>, i32, String)> {
    let schema = rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let columns: Vec<Vec<String>> = names.iter().map(|name| texts(rows, name)).collect();
    let measures = names.len() - MEASURES.len() - 4;
    let texts_of = |row: usize, range: std::ops::Range<usize>| -> Vec<String> {
        columns[range].iter().map(|column| column[row].clone()).collect()
    };
    (0..rows.num_rows())
        .map(|row| {
            let name = (table, columns[0][row].clone(), texts_of(row, 2..measures));
            let mut content = texts_of(row, measures..measures + MEASURES.len());
            content.push(columns[names.len() - 2][row].clone());
            let revision = columns[names.len() - 3][row].parse().expect("a number");
            (name, content, revision, columns[names.len() - 1][row].clone())
        })
        .collect()
}

/// What is done with a merge.
#[derive(Clone, Debug)]
enum Step {
    Fold(Epoch),
    Publish(Vec<usize>, i64),
    Spill,
}

/// A merge, with the files of what it spilled.
#[derive(Clone)]
struct Merging {
    merge: Merge,
    spilled: BTreeMap<SpilledBlock, Vec<u8>>,
    /// Epochs after which it spilled.
    epoch: u64,
}

impl Merging {
    fn new() -> Self {
        let mut merge = Merge::new(&configuration(), &fixture::schema()).expect("valid");
        merge.expect(0..PARTITIONS);
        Self { merge, spilled: BTreeMap::new(), epoch: 0 }
    }

    fn step(&mut self, step: &Step) -> Vec<Published> {
        match step {
            Step::Fold((partial_aggregates, partitions)) => {
                let file = partial_aggregates.as_deref();
                while let Folded::Missing(missing) =
                    self.merge.fold(file, partitions).expect("the file is whole")
                {
                    assert!(!missing.is_empty());
                    for block in missing {
                        let bytes = self.spilled.get(&block).expect("it was spilled");
                        self.merge.load_spilled([bytes]).expect("the file is whole");
                    }
                }
                Vec::new()
            }
            Step::Publish(tables, at_us) => testing::published(&mut self.merge, tables, *at_us),
            Step::Spill => {
                self.epoch += 1;
                let at = SpilledAt { generation: 0, epoch: self.epoch };
                self.spilled.extend(testing::spilled(&mut self.merge, at));
                Vec::new()
            }
        }
    }
}

/// Folds the epochs of the chains, each in order, as `choices` say, with publications and spills between them.
fn steps(mut chains: Vec<VecDeque<Epoch>>, choices: &[(u8, u8, u8)]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut choices = choices.iter().cycle();
    let mut at_us = START_US;
    while chains.iter().any(|chain| !chain.is_empty()) {
        let &(chain, tables, spill) = choices.next().expect("there are choices");
        let chain = chain as usize % chains.len();
        let Some(epoch) = chains[chain].pop_front() else {
            chains.remove(chain);
            continue;
        };
        steps.push(Step::Fold(epoch));
        at_us += SECOND_US;
        let tables: Vec<usize> = (0..4).filter(|table| tables >> table & 1 == 1).collect();
        if !tables.is_empty() {
            steps.push(Step::Publish(tables, at_us));
        }
        if spill % 3 == 0 {
            steps.push(Step::Spill);
        }
    }
    steps.push(Step::Publish((0..4).collect(), at_us + SECOND_US));
    steps
}

/// The smallest watermark of the partitions that windows wait for.
fn waited_for(standing: &BTreeMap<i32, PartitionProgress>) -> Option<i64> {
    let of = |progress: &PartitionProgress| {
        progress.max_event_time_us.map(|largest| largest - OUT_OF_ORDERNESS_US)
    };
    let awake = || standing.values().filter(|progress| !progress.idle);
    let mut known: Vec<i64> = awake().filter_map(of).collect();
    known.sort_unstable();
    let median = match known[..] {
        [] => return None,
        [median] | [_, median, _] => median,
        [lower, upper] => lower.midpoint(upper),
        _ => unreachable!("there are three partitions"),
    };
    let is_stalled = |watermark_us: Option<i64>| {
        watermark_us.is_none_or(|watermark_us| median - watermark_us > STALLED_AFTER_US)
    };
    let waited_for = awake().filter(|progress| !(progress.caught_up && is_stalled(of(progress))));
    waited_for.map(|progress| of(progress).unwrap_or(i64::MIN)).min()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_files_have_the_rows_of_a_recomputation(
        rows in rows(),
        cuts in prop::collection::vec((1..40_usize, any::<bool>(), any::<u8>()), 1..12),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        let (expected, expected_late) = by_hand(&rows);
        let (chains, late) = ingested(&rows, &cuts);
        prop_assert_eq!(late, expected_late);

        let mut merging = Merging::new();
        let mut files = Files::default();
        let mut standing = BTreeMap::new();
        let mut watermark_us = i64::MIN;
        for step in steps(chains, &choices) {
            let published = merging.step(&step);
            match step {
                Step::Fold((_, partitions)) => {
                    standing.extend(partitions);
                    let all_known = (0..PARTITIONS).all(|partition| standing.contains_key(&partition));
                    if let (true, Some(smallest)) = (all_known, waited_for(&standing)) {
                        watermark_us = watermark_us.max(smallest);
                    }
                }
                Step::Publish(tables, at_us) => {
                    files.publish(&published, at_us);
                    prop_assert!(tables.iter().all(|table| !merging.merge.changed().contains(table)));
                    for ((table, start, _), content) in files.rows() {
                        let gold = &configuration().gold[table];
                        let start_us = start.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
                        let closes_us = start_us + (gold.size_ms + gold.allowed_lateness_ms) as i64 * 1_000;
                        if tables.contains(&table) {
                            let is_final = (closes_us <= watermark_us).to_string();
                            prop_assert_eq!(content.last(), Some(&is_final), "{} of table {}", start, table);
                        }
                    }
                }
                Step::Spill => {}
            }
        }
        let mut found = files.rows();
        for content in found.values_mut() {
            content.truncate(MEASURES.len());
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_replay_from_a_snapshot_gives_the_same_rows_revisions_and_files(
        rows in rows(),
        cuts in prop::collection::vec((1..20_usize, any::<bool>(), any::<u8>()), 1..12),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let steps = steps(ingested(&rows, &cuts).0, &choices);
        let at = at.index(steps.len());
        let mut merging = Merging::new();
        for step in &steps[..at] {
            merging.step(step);
        }
        let snapshot = merging.merge.snapshot();
        let mut replay = Merging::new();
        replay.merge.restore([&snapshot]).expect("the snapshot is whole");
        replay.spilled = merging.spilled.clone();
        let mut without_rows = replay.clone();
        prop_assert_eq!(replay.merge.snapshot().len(), snapshot.len());
        prop_assert_eq!(replay.merge.size().groups, merging.merge.size().groups);
        for step in &steps[at..] {
            prop_assert_eq!(replay.merge.changed(), merging.merge.changed());
            // A replay does not spill.
            let replayed = if matches!(step, Step::Spill) { Vec::new() } else { replay.step(step) };
            prop_assert_eq!(replayed, merging.step(step));
            match step {
                Step::Publish(tables, at_us) => without_rows.merge.publish_again(tables, *at_us),
                Step::Fold(_) => drop(without_rows.step(step)),
                Step::Spill => {}
            }
        }
        prop_assert!(without_rows.merge.snapshot() == replay.merge.snapshot());
    }

    #[test]
    fn windows_computed_again_from_silver_are_those_that_were_there(
        rows in rows(),
        cuts in prop::collection::vec((1..40_usize, any::<bool>(), any::<u8>()), 1..12),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..12),
        spans in prop::collection::vec((any::<prop::sample::Index>(), 0..200_i64, 0..120_i64), 1..4),
    ) {
        let (expected, _) = by_hand(&rows);
        let steps = steps(ingested(&rows, &cuts).0, &choices);
        let mut merging = Merging::new();
        let silver = silver(&rows, &merging.merge);
        let mut files = Files::default();
        for (place, step) in steps.iter().enumerate() {
            let published = merging.step(step);
            if let Step::Publish(_, at_us) = step {
                files.publish(&published, *at_us);
            }
            for (at, from, length) in &spans {
                if at.index(steps.len()) == place {
                    let from_us = START_US + from * SECOND_US;
                    recompute(&mut merging, &silver, &files, (from_us, from_us + length * SECOND_US));
                }
            }
        }
        // What was lost behind the last publication was published as it is now.
        prop_assert_eq!(merging.merge.changed(), Vec::<usize>::new());
        let mut found = files.rows();
        for content in found.values_mut() {
            content.truncate(MEASURES.len());
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_silver_with_other_rows_gives_other_windows(
        rows in rows(),
        cuts in prop::collection::vec((1..40_usize, any::<bool>(), any::<u8>()), 1..12),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..12),
        kept in prop::collection::vec(prop::bool::weighted(0.8), 150),
    ) {
        let mut merging = Merging::new();
        let mut files = Files::default();
        for step in steps(ingested(&rows, &cuts).0, &choices) {
            let published = merging.step(&step);
            if let Step::Publish(_, at_us) = step {
                files.publish(&published, at_us);
            }
        }
        let all = silver(&rows, &merging.merge);
        let kept: Vec<usize> = (0..rows.len()).filter(|row| kept[*row]).collect();
        let pieces: Vec<RecordBatch> = kept.iter().map(|row| all.slice(*row, 1)).collect();
        let silver = concat_batches(&all.schema(), &pieces).expect("pieces of one batch");
        let all_time = (START_US - 1_000 * SECOND_US, START_US + 1_000_000_000 * SECOND_US);
        recompute(&mut merging, &silver, &files, all_time);
        let at_us = START_US + 1_000_000 * SECOND_US;
        let changed = merging.merge.changed();
        let published = testing::published(&mut merging.merge, &changed, at_us);
        files.publish(&published, at_us);
        let remaining: Vec<Row> = kept.iter().map(|row| rows[*row].clone()).collect();
        let (expected, _) = by_hand(&remaining);
        let mut found = files.rows();
        for content in found.values_mut() {
            content.truncate(MEASURES.len());
        }
        prop_assert_eq!(found, expected);
    }
}
