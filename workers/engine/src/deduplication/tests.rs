//! The memory against a plain map, and the boundaries of deduplication.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Entry, Key, Memory};
use crate::fixture::{self, Sent, Transaction, texts};
use crate::{Ingest, Processed};

/// Microseconds after 2026-01-05T20:00:00Z as text.
fn time(microseconds: i64) -> String {
    let evening = "2026-01-05T20:00:00Z".parse::<jiff::Timestamp>().expect("a timestamp");
    (evening + jiff::SignedDuration::from_micros(microseconds)).to_string()
}

fn copy(id: &str, microseconds: i64) -> Transaction {
    Transaction { id: id.to_owned(), timestamp: time(microseconds), ..Transaction::default() }
}

const SECOND: i64 = 1_000_000;
const WITHIN: i64 = 600 * SECOND;
const OUT_OF_ORDERNESS: i64 = 30 * SECOND;

/// Offsets of the silver rows of partition 0.
fn accepted(rows: &[Transaction]) -> Vec<String> {
    let sent: Vec<Sent> =
        rows.iter().enumerate().map(|(offset, row)| Sent::json(0, offset as i64, row)).collect();
    texts(&process(&sent).silver.expect("the first row is accepted"), "offset")
}

fn process(sent: &[Sent]) -> Processed {
    let mut ingest =
        Ingest::new(&fixture::configuration(), &fixture::schema(), [3; 16]).expect("a valid configuration");
    let processed = ingest.process(&fixture::batch(sent), 0).expect("JSON needs no schema");
    for progress in ingest.progress().values() {
        let counts = &progress.counts;
        assert_eq!(counts.messages, counts.bronze + counts.refused_at("decode"));
        assert_eq!(counts.bronze, counts.silver + counts.duplicates + counts.refused_at("silver"));
    }
    processed
}

#[test]
fn a_redelivered_row_is_a_duplicate() {
    assert_eq!(accepted(&[copy("a", 0), copy("a", 0), copy("b", 0)]), ["0", "2"]);
}

#[test]
fn a_copy_is_a_duplicate_until_the_watermark_passes_the_horizon() {
    // The watermark before the last row is exactly the horizon: t(f) + within.
    let at_horizon = WITHIN + OUT_OF_ORDERNESS;
    assert_eq!(accepted(&[copy("a", 0), copy("x", at_horizon), copy("a", 0)]), ["0", "1"]);
    assert_eq!(accepted(&[copy("a", 0), copy("x", at_horizon + 1), copy("a", 0)]), ["0", "1", "2"]);
}

#[test]
fn the_event_time_of_the_copy_does_not_matter() {
    assert_eq!(accepted(&[copy("a", 0), copy("a", 100 * WITHIN)]), ["0"]);
}

#[test]
fn a_row_behind_the_watermark_is_remembered_from_the_watermark() {
    // W before the first "a" is 1000 s - 30 s, well after its event time: its horizon is W + within.
    let watermark = 1_000 * SECOND - OUT_OF_ORDERNESS;
    let horizon = watermark + WITHIN;
    let rows = |passed| {
        [
            copy("x", 1_000 * SECOND),
            copy("a", 0),
            copy("y", horizon + OUT_OF_ORDERNESS + passed),
            copy("a", 0),
        ]
    };
    assert_eq!(accepted(&rows(0)), ["0", "1", "2"]);
    assert_eq!(accepted(&rows(1)), ["0", "1", "2", "3"]);
}

#[test]
fn copies_do_not_refresh_the_memory() {
    let rows = [
        copy("a", 0),
        copy("x", WITHIN),
        copy("a", WITHIN),
        copy("y", WITHIN + OUT_OF_ORDERNESS + 1),
        copy("a", WITHIN),
    ];
    assert_eq!(accepted(&rows), ["0", "1", "3", "4"]);
}

#[test]
fn a_duplicate_does_not_move_the_watermark() {
    // The copy of "a" lies far ahead; if it moved the watermark, "b" would be forgotten.
    let rows = [copy("a", 0), copy("b", 0), copy("a", 10 * WITHIN), copy("b", 0)];
    assert_eq!(accepted(&rows), ["0", "1"]);
}

#[test]
fn a_refused_row_neither_reserves_its_id_nor_moves_the_watermark() {
    let refused = Transaction { amount: -1.0, ..copy("a", 10 * WITHIN) };
    let rows = [copy("b", 0), refused, copy("a", 0), copy("b", 0), copy("a", 0)];
    assert_eq!(accepted(&rows), ["0", "2"]);
}

#[test]
fn a_copy_on_another_partition_is_a_row_of_its_own() {
    let sent =
        [Sent::json(0, 0, &copy("a", 0)), Sent::json(1, 0, &copy("a", 0)), Sent::json(0, 1, &copy("a", 0))];
    let silver = process(&sent).silver.expect("two rows are accepted");
    assert_eq!(texts(&silver, "partition"), ["0", "1"]);
}

#[test]
fn the_kafka_timestamp_caps_the_watermark() {
    // "x" claims to be one hour ahead, which is accepted, but its broker saw it at 20:00.
    let evening_ms = 1_767_643_200_000;
    let sent = [
        Sent::json(0, 0, &copy("a", 0)).at(evening_ms),
        Sent::json(0, 1, &copy("x", 3_600 * SECOND)).at(evening_ms),
        Sent::json(0, 2, &copy("a", 0)).at(evening_ms),
    ];
    assert_eq!(texts(&process(&sent).silver.expect("two"), "offset"), ["0", "1"]);
}

#[test]
fn rows_without_event_time_are_copies_only_while_there_is_no_watermark() {
    let mut configuration = fixture::configuration();
    configuration.silver.require.clear();
    let mut ingest = Ingest::new(&configuration, &fixture::schema(), [3; 16]).expect("valid");
    let timeless = |id: &str| Transaction { timestamp: "never".to_owned(), ..copy(id, 0) };
    let rows = [timeless("a"), timeless("a"), copy("x", 0), timeless("a"), timeless("a")];
    let sent: Vec<Sent> =
        rows.iter().enumerate().map(|(offset, row)| Sent::json(0, offset as i64, row)).collect();
    let processed = ingest.process(&fixture::batch(&sent), 0).expect("JSON");
    assert_eq!(texts(&processed.silver.expect("three"), "offset"), ["0", "2", "3"]);
}

#[test]
fn nulls_are_equal_and_columns_do_not_run_together() {
    let schema = sluice_decode::RowSchema::parse(
        r#"{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": ["null", "string"], "default": null},
            {"name": "b", "type": ["null", "string"], "default": null},
            {"name": "c", "type": ["null", "double"], "default": null},
            {"name": "at", "type": "string"}]}"#,
    )
    .expect("the schema parses");
    let mut configuration = fixture::configuration();
    configuration.source.kafka.key_column = None;
    configuration.source.event_time.column = "at".to_owned();
    configuration.silver.require.clear();
    configuration.silver.partition_by.clear();
    configuration.silver.deduplicate.as_mut().expect("set").by = ["a", "b", "c"].map(str::to_owned).to_vec();
    configuration.silver.columns =
        ["topic", "partition", "offset"].map(|name| fixture::column(name, None)).to_vec();
    let mut ingest = Ingest::new(&configuration, &schema, [3; 16]).expect("valid");
    let values = [
        r#"{"a": "xy", "b": "z", "at": "2026-01-05"}"#,
        r#"{"a": "x", "b": "yz", "at": "2026-01-05"}"#,
        r#"{"a": null, "b": "xyz", "at": "2026-01-05"}"#,
        r#"{"a": "", "b": "xyz", "at": "2026-01-05"}"#,
        r#"{"a": null, "b": "xyz", "at": "2026-01-05"}"#,
        r#"{"a": "x", "b": "y", "c": 0.0, "at": "2026-01-05"}"#,
        r#"{"a": "x", "b": "y", "c": -0.0, "at": "2026-01-05"}"#,
        r#"{"a": "x", "b": "y", "at": "2026-01-05"}"#,
    ];
    let sent: Vec<Sent> = values
        .iter()
        .enumerate()
        .map(|(offset, value)| Sent {
            value: Some(value.as_bytes().to_vec()),
            ..Sent::json(0, offset as i64, &Transaction::default())
        })
        .collect();
    let processed = ingest.process(&fixture::batch(&sent), 0).expect("JSON");
    assert_eq!(texts(&processed.silver.expect("rows"), "offset"), ["0", "1", "2", "3", "5", "7"]);
}

/// A key with the distribution of a hash.
fn key(number: u64) -> Key {
    let spread = |seed: u64| {
        (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(seed | 1)
    };
    Key::new(u128::from(spread(0xd6e8_feb8_6659_fd93)) << 64 | u128::from(spread(0xa076_1d64_78bd_642f)))
}

#[test]
fn the_memory_takes_at_most_40_bytes_an_entry_at_every_size() {
    let mut memory = Memory::default();
    for number in 0..2_000_000 {
        assert!(memory.admit(Entry::new(key(number), 1), 0));
        if number >= 100_000 && number % 10_000 == 0 {
            let bytes_per_entry = memory.bytes() as f64 / memory.len() as f64;
            assert!(bytes_per_entry <= 40.0, "{bytes_per_entry} bytes at {number} entries");
        }
    }
    assert_eq!(memory.len(), 2_000_000);
}

#[test]
fn the_memory_is_proportional_to_what_has_not_expired() {
    let mut memory = Memory::default();
    let live = 100_000;
    for number in 0..1_000_000_i64 {
        // One entry a microsecond, each for `live` microseconds.
        assert!(memory.admit(Entry::new(key(number as u64), number + live), number));
    }
    assert!(memory.len() as i64 <= live * 13 / 10, "{} entries", memory.len());
    assert!(memory.bytes() as i64 <= live * 24 * 2, "{} bytes", memory.bytes());
}

proptest! {
    #[test]
    fn the_memory_admits_what_a_plain_map_admits(
        steps in prop::collection::vec((0_u64..400, 0_i64..300, 0_i64..3), 1..2_000),
        same_table in any::<bool>(),
    ) {
        let mut memory = Memory::default();
        let mut model: HashMap<u64, i64> = HashMap::new();
        let mut watermark = 0;
        for (number, lifetime, progress) in steps {
            watermark += progress;
            let expiry = watermark + lifetime;
            // Neighbouring hashes make long runs; they end up in one of the tables.
            let key = if same_table { Key::new(u128::from(number) << 64 | 5) } else { key(number) };
            let admitted = memory.admit(Entry::new(key, expiry), watermark);
            let expected = model.get(&number).is_none_or(|&known| known < watermark);
            prop_assert_eq!(admitted, expected);
            if expected {
                model.insert(number, expiry);
            }
        }
    }
}
