//! Gold from messages to rows: the example's tables, and the edges of windows, lateness, finality and files.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::PartitionProgress;

use super::{Folded, Merge, Published, SpilledAt, testing};
use crate::fixture::{self, Sent, Transaction, column, texts};
use crate::{ClosedEpoch, Ingest, Processed, StateError};

const KEY: [u8; 16] = *b"a key of 16 byte";
const NOW_US: i64 = 1_767_650_000_000_000;

/// A pipeline in one process.
struct Pipeline {
    ingest: Ingest,
    merge: Merge,
    next_offsets: BTreeMap<i32, i64>,
    /// The rows of each live file, by table.
    files: BTreeMap<(usize, super::Bucket), RecordBatch>,
}

impl Pipeline {
    fn new(configuration: &WorkerConfig) -> Self {
        let schema = fixture::schema();
        Self {
            ingest: Ingest::new(configuration, &schema, KEY).expect("the configuration is valid"),
            merge: Merge::new(configuration, &schema).expect("the configuration is valid"),
            next_offsets: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    fn example() -> Self {
        Self::new(&fixture::configuration_with_gold())
    }

    fn send(&mut self, partition: i32, transactions: &[Transaction]) -> Processed {
        let next = self.next_offsets.entry(partition).or_default();
        let sent = transactions.iter().map(|transaction| {
            *next += 1;
            Sent::json(partition, *next - 1, transaction)
        });
        let sent: Vec<Sent> = sent.collect();
        self.ingest.process(&fixture::batch(&sent), NOW_US).expect("JSON needs no schema")
    }

    /// Closes the epoch, folds it and publishes everything.
    fn publish(&mut self) -> Vec<Published> {
        let closed = self.ingest.close_epoch();
        self.fold(&closed);
        let changed = self.merge.changed();
        let published = testing::published(&mut self.merge, &changed, NOW_US);
        for published in &published {
            for replaced in &published.replaces {
                assert!(self.files.remove(&(published.table, *replaced)).is_some(), "{replaced:?} is live");
            }
        }
        for Published { table, bucket, rows, .. } in &published {
            assert!(self.files.insert((*table, *bucket), rows.clone()).is_none(), "{bucket:?} was replaced");
        }
        published
    }

    fn fold(&mut self, closed: &ClosedEpoch) {
        let file = closed.partial_aggregates.as_deref();
        let folded = self.merge.fold(file, &closed.partitions).expect("the file is whole");
        assert_eq!(folded, Folded::Done);
    }

    /// Columns of a table, a line of text for each row, sorted.
    fn rows(&self, table: usize, columns: &[&str]) -> Vec<String> {
        let files = self.files.iter().filter(|((of, _), _)| *of == table);
        let mut lines: Vec<String> = files.flat_map(|(_, rows)| lines(rows, columns)).collect();
        lines.sort();
        lines
    }
}

fn lines(rows: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let columns: Vec<Vec<String>> = columns.iter().map(|name| texts(rows, name)).collect();
    let line = |row: usize| columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join("|");
    (0..rows.num_rows()).map(line).collect()
}

/// A transaction at a time of 2026-01-05.
fn at(id: &str, time: &str) -> Transaction {
    Transaction { id: id.to_owned(), timestamp: format!("2026-01-05T{time}Z"), ..Transaction::default() }
}

#[test]
fn the_example_has_the_measures_of_the_specification() {
    let mut pipeline = Pipeline::example();
    let of = |id: &str, user_id, amount, device: &str| Transaction {
        user_id,
        amount,
        device_id: device.to_owned(),
        ..at(id, "20:01:00")
    };
    pipeline.send(0, &[of("a", 1, 10.0, "d1"), of("b", 1, 2_000.0, "d2")]);
    let fraud = Transaction { is_fraud: true, ..of("c", 2, 20_000.0, "d1") };
    let crypto = Transaction { payment_method: "crypto".to_owned(), ..of("d", 2, 5.0, "d3") };
    pipeline.send(1, &[fraud, crypto]);
    pipeline.publish();

    let columns =
        ["payment_method", "transaction_count", "total_amount", "avg_amount", "max_amount", "min_amount"];
    assert_eq!(
        pipeline.rows(0, &columns),
        ["credit_card|3|22010.0|7336.666666666667|20000.0|10.0", "crypto|1|5.0|5.0|5.0|5.0"]
    );
    let columns =
        ["window_start", "window_end", "fraud_count", "high_value_count", "unique_users", "unique_devices"];
    assert_eq!(
        pipeline.rows(0, &columns),
        [
            "2026-01-05T20:00:00Z|2026-01-05T20:10:00Z|0|0|1|1",
            "2026-01-05T20:00:00Z|2026-01-05T20:10:00Z|1|2|2|2"
        ]
    );
    let merchant =
        pipeline.rows(1, &["window_start", "payment_method", "amount_stddev", "avg_devices_per_user"]);
    assert_eq!(merchant.len(), 6, "three windows of two payment methods: {merchant:?}");
    assert!(merchant[0].starts_with("2026-01-05T19:50:00Z|credit_card|11011."), "{merchant:?}");
    assert!(merchant[0].ends_with("|1.0"), "{merchant:?}");
    assert_eq!(merchant[1], "2026-01-05T19:50:00Z|crypto|NULL|1.0", "one row has no deviation");
    let user = pipeline.rows(
        2,
        &["user_id", "unique_devices_used", "is_suspicious", "weekend_ratio", "largest_transaction"],
    );
    assert_eq!(user, ["1|2|false|0.0|2000.0", "2|2|true|0.0|20000.0"]);
    let country = pipeline
        .rows(3, &["country", "city", "transaction_volume", "enterprise_percentage", "avg_value_per_user"]);
    assert_eq!(country, ["France|Paris|4|25.0|11007.5"]);
    let summary = [
        "total_transactions",
        "countries_active",
        "credit_card_tx",
        "crypto_tx",
        "other_tx",
        "platform_fraud_rate",
    ];
    assert_eq!(pipeline.rows(4, &summary), ["4|1|3|1|0|25.0"]);
    let added = ["window_date", "revision", "is_final", "updated_at"];
    assert_eq!(pipeline.rows(4, &added), ["2026-01-05|1|false|2026-01-05T21:53:20Z"]);
}

#[test]
fn a_row_at_the_end_of_a_window_is_in_the_next() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "20:09:59.999999"), at("c", "20:10:00")]);
    pipeline.publish();
    assert_eq!(
        pipeline.rows(0, &["window_start", "transaction_count"]),
        ["2026-01-05T20:00:00Z|2", "2026-01-05T20:10:00Z|1"]
    );
}

#[test]
fn windows_before_1970_are_aligned_like_all_others() {
    let mut pipeline = Pipeline::example();
    let old = Transaction { timestamp: "1969-12-31T23:59:59Z".to_owned(), ..Transaction::default() };
    pipeline.send(0, &[old]);
    pipeline.publish();
    assert_eq!(
        pipeline.rows(0, &["window_start", "window_end", "window_date"]),
        ["1969-12-31T23:50:00Z|1970-01-01T00:00:00Z|1969-12-31"]
    );
}

#[test]
fn a_row_may_be_late_for_the_tumbling_window_and_not_for_the_hop_window() {
    let mut pipeline = Pipeline::example();
    // The watermark is 20:15:00: that closes [20:00, 20:10) of transactions, and of merchant [19:55, 20:10).
    pipeline.send(0, &[at("a", "20:15:30")]);
    let late = pipeline.send(0, &[at("b", "20:09:00")]);
    let quarantine = late.quarantine.expect("the row is late");
    assert_eq!(
        lines(&quarantine, &["stage", "reason", "detail", "partition", "offset"]),
        [
            r#"late|LateRow|[{"table":"gold/transactions","window_start":"2026-01-05T20:00:00Z"},{"table":"gold/merchant","window_start":"2026-01-05T19:55:00Z"}]|0|1"#
        ]
    );
    assert!(late.silver.is_some(), "it is in silver");
    pipeline.publish();
    assert_eq!(pipeline.rows(0, &["window_start", "transaction_count"]), ["2026-01-05T20:10:00Z|1"]);
    assert_eq!(
        pipeline.rows(1, &["window_start", "total_transactions"]),
        [
            "2026-01-05T20:00:00Z|1",
            "2026-01-05T20:05:00Z|2",
            "2026-01-05T20:10:00Z|1",
            "2026-01-05T20:15:00Z|1"
        ]
    );
    let counts = &pipeline.ingest.progress()[&0].counts;
    assert_eq!((counts.silver, counts.refused_at("late")), (2, 1));
}

#[test]
fn a_row_is_not_late_a_microsecond_before_the_window_closes() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:15:29.999999")]);
    assert_eq!(pipeline.send(0, &[at("b", "20:09:00")]).quarantine, None);
    pipeline.publish();
    assert_eq!(pipeline.rows(0, &["window_start", "transaction_count"])[0], "2026-01-05T20:00:00Z|1");
}

#[test]
fn lateness_is_that_of_the_rows_own_partition() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "23:00:00")]);
    assert_eq!(pipeline.send(1, &[at("b", "20:00:00")]).quarantine, None);
    pipeline.publish();
    assert_eq!(pipeline.rows(4, &["window_start", "total_transactions"]).len(), 2);
}

#[test]
fn null_and_empty_keys_are_groups_of_their_own() {
    let mut pipeline = Pipeline::example();
    let located =
        |id: &str, location: &str| Transaction { location: location.to_owned(), ..at(id, "20:00:00") };
    pipeline.send(0, &[located("a", "Paris"), located("b", "Paris, "), located("c", "Paris")]);
    pipeline.publish();
    assert_eq!(pipeline.rows(3, &["country", "transaction_volume"]), ["NULL|2", "|1"]);
    assert_eq!(pipeline.rows(4, &["countries_active"]), ["1"], "null is not counted, and the empty text is");
}

#[test]
fn a_division_by_zero_is_null_in_its_row_alone() {
    let mut configuration = fixture::configuration_with_gold();
    let measures = &mut configuration.gold[2].measures;
    measures.push(column("rows_a_fraud", Some("transaction_count / fraud_transactions")));
    measures.push(column("next", Some("rows_a_fraud + 1")));
    measures.push(column("double", Some("total_spent / fraud_transactions")));
    let mut pipeline = Pipeline::new(&configuration);
    let fraud = Transaction { is_fraud: true, user_id: 7, ..at("b", "20:00:00") };
    pipeline.send(0, &[at("a", "20:00:00"), fraud]);
    pipeline.publish();
    assert_eq!(
        pipeline.rows(2, &["user_id", "rows_a_fraud", "next", "double"]),
        ["42|NULL|NULL|inf", "7|1|2|25.5"]
    );
}

#[test]
fn an_argument_that_fails_does_not_count() {
    let mut configuration = fixture::configuration_with_gold();
    let measures = &mut configuration.gold[4].measures;
    measures.push(column("numbers", Some("sum(CAST(merchant AS BIGINT))")));
    measures.push(column("large", Some("count(*) FILTER (WHERE CAST(merchant AS BIGINT) > 5)")));
    let mut pipeline = Pipeline::new(&configuration);
    let of = |id: &str, merchant: &str| Transaction { merchant: merchant.to_owned(), ..at(id, "20:00:00") };
    pipeline.send(0, &[of("a", "7"), of("b", "seven"), of("c", "3")]);
    pipeline.publish();
    assert_eq!(pipeline.rows(4, &["total_transactions", "numbers", "large"]), ["3|10|1"]);
}

#[test]
fn a_window_is_final_when_all_partitions_have_passed_it_and_stays_so() {
    let mut pipeline = Pipeline::example();
    let summary = ["window_start", "total_transactions", "revision", "is_final"];
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "21:05:30")]);
    pipeline.send(1, &[at("c", "20:00:00"), at("d", "21:05:29")]);
    pipeline.publish();
    assert_eq!(pipeline.rows(4, &summary)[0], "2026-01-05T20:00:00Z|2|1|false");
    pipeline.send(1, &[at("e", "21:05:30")]);
    pipeline.publish();
    assert_eq!(pipeline.rows(4, &summary)[0], "2026-01-05T20:00:00Z|2|2|true");
    assert!(pipeline.merge.changed().is_empty());

    // A third partition, which had nothing, brings rows that are not late for itself.
    pipeline.send(2, &[at("f", "20:30:00")]);
    assert_eq!(pipeline.publish().iter().filter(|published| published.table == 4).count(), 1);
    assert_eq!(pipeline.rows(4, &summary)[0], "2026-01-05T20:00:00Z|3|3|true");
    assert_eq!(pipeline.rows(4, &summary)[1], "2026-01-05T21:00:00Z|3|2|false");
}

#[test]
fn a_new_row_of_a_final_window_is_final_at_once() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "22:00:00")]);
    pipeline.publish();
    pipeline.send(1, &[Transaction { user_id: 7, ..at("c", "20:00:00") }]);
    pipeline.publish();
    let rows = pipeline.rows(2, &["window_start", "user_id", "revision", "is_final"]);
    assert_eq!(rows[..2], ["2026-01-05T20:00:00Z|42|1|true", "2026-01-05T20:00:00Z|7|1|true"]);
}

#[test]
fn idle_partitions_do_not_hold_windows_open_and_silence_makes_nothing_final() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "22:00:00")]);
    pipeline.send(1, &[at("c", "20:00:00")]);
    pipeline.publish();
    pipeline.ingest.set_idle(0, true);
    pipeline.ingest.set_idle(1, true);
    assert!(pipeline.publish().is_empty(), "all are idle");
    pipeline.ingest.set_idle(0, false);
    assert!(!pipeline.publish().is_empty());
    assert_eq!(
        pipeline.rows(4, &["window_start", "is_final"]),
        ["2026-01-05T20:00:00Z|true", "2026-01-05T22:00:00Z|false"]
    );
}

#[test]
fn an_epoch_without_rows_of_windows_has_no_file() {
    let mut pipeline = Pipeline::example();
    assert_eq!(pipeline.ingest.close_epoch().partial_aggregates, None);
    pipeline.send(0, &[Transaction { amount: -1.0, ..Transaction::default() }]);
    assert_eq!(pipeline.ingest.close_epoch().partial_aggregates, None, "refused rows are in no window");
    pipeline.send(0, &[at("a", "20:00:00")]);
    assert!(pipeline.ingest.close_epoch().partial_aggregates.is_some());
    assert_eq!(pipeline.ingest.close_epoch().partial_aggregates, None, "nothing outlives an epoch");

    let mut without = Pipeline::new(&fixture::configuration());
    without.send(0, &[at("a", "20:00:00")]);
    assert_eq!(without.ingest.close_epoch().partial_aggregates, None);
    assert!(without.merge.table_schemas().is_empty() && without.merge.changed().is_empty());
}

#[test]
fn every_usable_aggregate_merges_to_what_it_gives_at_once() {
    let aggregates = [
        "count(country)",
        "sum(user_id)",
        "sum(CAST(amount AS DECIMAL(12, 2)))",
        "avg(amount)",
        "avg(CAST(amount AS DECIMAL(12, 2)))",
        "min(city)",
        "max(timestamp_parsed)",
        "bool_and(is_fraud)",
        "bool_or(is_fraud)",
        "bit_xor(user_id)",
        "median(amount)",
        "approx_distinct(user_id)",
        "round(var_pop(amount), 6)",
        "round(stddev_pop(amount), 6)",
        "round(corr(amount, user_id), 6)",
        "count(DISTINCT is_fraud)",
        "count(DISTINCT amount)",
        "count(DISTINCT transaction_date) FILTER (WHERE is_fraud)",
        "CASE WHEN bool_or(is_fraud) THEN max(amount) ELSE min(amount) END",
    ];
    let mut configuration = fixture::configuration_with_gold();
    let names: Vec<String> = (0..aggregates.len()).map(|index| format!("m{index}")).collect();
    configuration.gold.truncate(1);
    configuration.gold[0].measures =
        names.iter().zip(aggregates).map(|(name, expr)| column(name, Some(expr))).collect();
    let transactions: Vec<Transaction> = (0..60)
        .map(|index| Transaction {
            user_id: index * 7 % 13,
            amount: f64::from(index * 31 % 17) / 4.0 + 0.25,
            is_fraud: index % 3 == 0,
            merchant: format!("m-{}", index % 2),
            location: if index % 5 == 0 { "Alone".to_owned() } else { "Paris, France".to_owned() },
            ..at(&format!("t-{index}"), "20:00:00")
        })
        .collect();
    let columns: Vec<&str> =
        ["merchant", "country"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let run = |pieces: usize, publications: usize| {
        let mut pipeline = Pipeline::new(&configuration);
        for (index, piece) in transactions.chunks(pieces).enumerate() {
            pipeline.send((index % 3) as i32, piece);
            let closed = pipeline.ingest.close_epoch();
            pipeline.fold(&closed);
            if index % publications == 0 {
                pipeline.publish();
            }
        }
        pipeline.publish();
        pipeline.rows(0, &columns)
    };
    let at_once = run(60, 1);
    assert_eq!(at_once.len(), 4);
    assert_eq!(run(7, 1), at_once);
    assert_eq!(run(1, 3), at_once);
}

#[test]
fn a_window_of_many_rows_is_cut_into_buckets_that_split() {
    let mut pipeline = Pipeline::example();
    let users = |users: std::ops::Range<i32>| -> Vec<Transaction> {
        users.map(|user_id| Transaction { user_id, ..at(&format!("t-{user_id}"), "20:00:00") }).collect()
    };
    pipeline.send(0, &users(0..8_000));
    let of_users = |published: Vec<Published>| -> Vec<Published> {
        published.into_iter().filter(|published| published.table == 2).collect()
    };
    assert_eq!(of_users(pipeline.publish()).len(), 1);
    pipeline.send(0, &users(8_000..30_000));
    let published = of_users(pipeline.publish());
    assert!(published.len() >= 4 && published.iter().all(|published| published.rows.num_rows() <= 8_000));
    let replaced: Vec<_> = published.iter().flat_map(|published| &published.replaces).collect();
    assert_eq!(replaced.len(), 1, "the one file before is replaced once");
    let found: BTreeSet<String> = pipeline.rows(2, &["user_id"]).into_iter().collect();
    assert_eq!((found.len(), pipeline.rows(2, &["user_id"]).len()), (30_000, 30_000));
    // One user more changes one bucket.
    pipeline.send(0, &[Transaction { user_id: 5, ..at("again", "20:00:00") }]);
    let published = of_users(pipeline.publish());
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].replaces, [published[0].bucket]);
    let revisions: BTreeSet<String> = texts(&published[0].rows, "revision").into_iter().collect();
    assert_eq!(revisions, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
}

#[test]
fn a_damaged_file_is_refused_and_nothing_of_it_is_folded() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:00:00")]);
    let closed = pipeline.ingest.close_epoch();
    let file = closed.partial_aggregates.clone().expect("there are rows");
    for position in (0..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[position] ^= 0x20;
        assert!(pipeline.merge.fold(Some(&damaged), &closed.partitions).is_err(), "byte {position}");
        assert!(
            pipeline.merge.fold(Some(&file[..position]), &closed.partitions).is_err(),
            "cut at {position}"
        );
    }
    assert!(pipeline.merge.changed().is_empty());
    let of_state = pipeline.merge.fold(Some(b"SLUICEST and more bytes"), &closed.partitions);
    assert_eq!(of_state, Err(StateError::NotAStateFile { magic: "SLUICEPA" }));
    let mut newer = file.clone();
    newer[8] = 9;
    let refused = pipeline.merge.fold(Some(&newer), &closed.partitions);
    assert_eq!(refused, Err(StateError::FormatVersion { found: 9, newest: 1 }));

    pipeline.fold(&closed);
    let snapshot = pipeline.merge.snapshot();
    for position in (0..snapshot.len()).step_by(97) {
        let mut damaged = snapshot.clone();
        damaged[position] ^= 0x20;
        for size in [1, 7, 1_000, damaged.len()] {
            assert!(Merge::check(damaged.chunks(size)).is_err(), "byte {position}, pieces of {size}");
        }
    }
    for size in [1, 7, 1_000, snapshot.len()] {
        Merge::check(snapshot.chunks(size)).expect("the snapshot is whole");
        pipeline.merge.restore(snapshot.chunks(size)).expect("the snapshot is whole");
        assert_eq!(pipeline.merge.snapshot(), snapshot, "pieces of {size}");
    }
    let cut = snapshot.len() - 40;
    assert!(pipeline.merge.restore([&snapshot[..cut]]).is_err());
    assert_eq!(pipeline.merge.changed(), [0, 1, 2, 3, 4], "nothing of it was loaded");
}

#[test]
fn files_are_read_after_tables_were_added_removed_or_moved() {
    let mut before = Pipeline::example();
    before.send(0, &[at("a", "20:00:00")]);
    let closed = before.ingest.close_epoch();
    before.fold(&closed);

    let mut configuration = fixture::configuration_with_gold();
    configuration.gold.remove(0);
    configuration.gold.reverse();
    let mut added = configuration.gold[0].clone();
    "new".clone_into(&mut added.name);
    configuration.gold.insert(1, added);
    let mut folded = Pipeline::new(&configuration);
    folded.fold(&closed);
    assert_eq!(folded.merge.changed(), [0, 2, 3, 4], "the new table has nothing yet");
    folded.merge = Merge::new(&configuration, &fixture::schema()).expect("valid");
    folded.merge.restore([before.merge.snapshot()]).expect("the snapshot is whole");
    assert_eq!(folded.merge.changed(), [0, 2, 3, 4]);
}

#[test]
fn a_changed_table_is_refused_with_the_way_out() {
    let mut before = Pipeline::example();
    before.send(0, &[at("a", "20:00:00")]);
    let closed = before.ingest.close_epoch();
    before.fold(&closed);
    let changes: [fn(&mut WorkerConfig); 3] = [
        |configuration| configuration.gold[0].measures[1] = column("total_amount", Some("stddev(amount)")),
        |configuration| configuration.gold[0].measures[7] = column("unique_users", Some("count(user_id)")),
        |configuration| configuration.gold[0].group_by = vec!["merchant".to_owned()],
    ];
    for change in changes {
        let mut configuration = fixture::configuration_with_gold();
        change(&mut configuration);
        let mut merge = Merge::new(&configuration, &fixture::schema()).expect("valid");
        let refusals = [
            merge.fold(closed.partial_aggregates.as_deref(), &closed.partitions).map(drop),
            merge.restore([before.merge.snapshot()]),
        ];
        for refusal in refusals {
            let message = refusal.expect_err("the table changed").to_string();
            assert!(message.contains("table `gold/transactions`"), "{message}");
            assert!(message.contains("give the changed table a new name"), "{message}");
        }
        assert!(merge.changed().is_empty());
    }
}

#[test]
fn final_windows_leave_memory_and_come_back_for_a_correction() {
    let mut pipeline = Pipeline::example();
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "23:00:00")]);
    let spilled_at = SpilledAt { generation: 0, epoch: 7 };
    assert!(pipeline.merge.spill(spilled_at).is_empty());
    pipeline.publish();
    let before = pipeline.merge.size();
    let spilled = testing::spilled(&mut pipeline.merge, spilled_at);
    assert!(spilled.iter().any(|(block, _)| block.table == 4), "the table without keys is over too");
    let after = pipeline.merge.size();
    assert!(after.open_windows < before.open_windows && after.bytes < before.bytes, "{after:?}");
    assert_eq!(after.spilled, spilled.len() as u64);
    assert!(pipeline.merge.spill(spilled_at).is_empty() && pipeline.merge.changed().is_empty());

    pipeline.send(1, &[at("c", "20:10:00")]);
    let closed = pipeline.ingest.close_epoch();
    let file = closed.partial_aggregates.as_deref().expect("there are rows");
    let folded = pipeline.merge.fold(Some(file), &closed.partitions).expect("the file is whole");
    let Folded::Missing(missing) = folded else { panic!("its windows were spilled") };
    for block in missing {
        let (_, bytes) = spilled.iter().find(|(name, _)| *name == block).expect("it was spilled");
        pipeline.merge.load_spilled([bytes]).expect("the file is whole");
    }
    pipeline.fold(&closed);
    pipeline.publish();
    let summary = pipeline.rows(4, &["total_transactions", "revision", "is_final"]);
    assert_eq!(summary[1], "2|2|true", "{summary:?}");
}

#[test]
fn memory_stays_level_however_many_windows_pass() {
    const HOURS: u64 = 20 * 24;
    let mut pipeline = Pipeline::example();
    let (mut first_days, mut later) = (0, 0);
    for hour in 0..HOURS {
        let at = |id: u64| Transaction {
            id: format!("{hour}-{id}"),
            user_id: (id % 7) as i32,
            timestamp: format!("2026-01-{:02}T{:02}:{:02}:00Z", 1 + hour / 24, hour % 24, id),
            ..Transaction::default()
        };
        pipeline.send(0, &(0..60).map(at).collect::<Vec<_>>());
        pipeline.publish();
        pipeline.merge.spill(SpilledAt { generation: 0, epoch: hour });
        let bytes = pipeline.merge.size().bytes;
        let largest = if hour < HOURS / 5 { &mut first_days } else { &mut later };
        *largest = bytes.max(*largest);
    }
    let size = pipeline.merge.size();
    assert!(later <= first_days + first_days / 10, "{first_days} bytes at first, {later} later");
    assert!(size.spilled > 6 * HOURS && size.open_windows < 40, "{size:?}");
}

#[test]
fn an_unknown_partition_that_is_expected_holds_windows_open() {
    let mut pipeline = Pipeline::example();
    pipeline.merge.expect([0, 1]);
    pipeline.send(0, &[at("a", "20:00:00"), at("b", "23:00:00")]);
    pipeline.publish();
    assert_eq!(pipeline.rows(4, &["is_final"]), ["false", "false"]);
    let idle = PartitionProgress { idle: true, ..PartitionProgress::starting_at(0) };
    let folded = pipeline.merge.fold(None, &BTreeMap::from([(1, idle)])).expect("nothing can fail");
    assert_eq!(folded, Folded::Done);
    assert_eq!(pipeline.merge.changed(), [0, 1, 2, 3, 4]);
}
