//! The laws of scoring as property tests, against a plain reading of the specification.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluice_contract::manifest::PartitionProgress;
use sluice_contract::scorer::{ScorerConfig, VelocityCount};

use super::{Alert, Scored, Scoring};
use crate::Ingest;
use crate::fixture::{self, Sent, texts};
use crate::laws::{
    self, Draw, Fate, KEY, OUT_OF_ORDERNESS_US, START_US, draws, event_time_us, fates, interleave,
    kafka_timestamp_us, messages, pieces, process_in_pieces, together,
};

const SECOND: i64 = 1_000_000;
const WINDOW_US: i64 = 30 * SECOND;
const KEEP_US: i64 = 40 * SECOND;
/// A second count by the same key, which shares its memory and forgets sooner.
const SHORT_US: i64 = 10 * SECOND;

fn configuration() -> ScorerConfig {
    let count = |name: &str, window_us: i64, keep_us: i64| VelocityCount {
        name: name.to_owned(),
        key: "user_id".to_owned(),
        window_ms: window_us as u64 / 1_000,
        keep_ms: keep_us as u64 / 1_000,
    };
    ScorerConfig {
        velocity: vec![count("velocity", WINDOW_US, KEEP_US), count("burst", SHORT_US, SHORT_US)],
        pipeline: laws::configuration(),
        ..fixture::scorer()
    }
}

fn scoring() -> Scoring {
    Scoring::new(&configuration(), &fixture::rule_set(), &fixture::schema(), KEY)
        .expect("the configuration is valid")
}

/// What was scored: a line of text for each row, without the processing time, and the alerts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    rows: Vec<String>,
    alerts: Vec<String>,
}

impl Outcome {
    fn add(&mut self, scored: &Scored) {
        self.alerts.extend(scored.alerts.iter().map(alert_text));
        let Some(rows) = &scored.rows else { return };
        let schema = rows.schema();
        let names = schema.fields().iter().map(|field| field.name());
        let columns: Vec<Vec<String>> =
            names.filter(|name| *name != "processing_time").map(|name| texts(rows, name)).collect();
        for row in 0..rows.num_rows() {
            self.rows.push(columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join("|"));
        }
    }

    fn sorted(mut self) -> Self {
        self.rows.sort();
        self.alerts.sort();
        self
    }
}

/// An alert without its processing time.
fn alert_text(alert: &Alert) -> String {
    let mut body: serde_json::Value = serde_json::from_slice(&alert.body).expect("an alert is JSON");
    body.as_object_mut().expect("an alert is an object").remove("processing_time");
    format!("{}/{} {:?} {body}", alert.partition, alert.offset, alert.key)
}

type Whole = (Outcome, BTreeMap<i32, PartitionProgress>);

fn all_at_once(sent: &[Sent]) -> Whole {
    let mut scoring = scoring();
    let mut outcome = Outcome::default();
    outcome.add(&scoring.process(&fixture::batch(sent), START_US).expect("JSON needs no schema"));
    (outcome.sorted(), scoring.progress())
}

fn in_pieces(sent: &[Sent], cuts: &[(usize, u8)]) -> Whole {
    let retention = Scoring::retention(&configuration());
    let mut outcome = Outcome::default();
    let scoring =
        process_in_pieces(sent, cuts, (scoring, retention), |scoring, piece, processing_time_us| {
            outcome.add(&scoring.process(&fixture::batch(piece), processing_time_us).expect("JSON"));
        });
    (outcome.sorted(), scoring.progress())
}

/// The first messages as rows of bronze, in pieces of which each begins with rows that were scored before; then the
/// others, and all of those before once more.
fn from_bronze(sent: &[Sent], until: usize, cuts: &[(usize, u8)]) -> Whole {
    let mut ingest = Ingest::new(&laws::configuration(), &fixture::schema(), KEY).expect("it is valid");
    let mut scoring = scoring();
    let mut outcome = Outcome::default();
    let processed =
        ingest.process(&fixture::batch(&sent[..until]), START_US - 1).expect("JSON needs no schema");
    let mut cuts = cuts.iter().cycle();
    let mut from = 0;
    while let Some(bronze) = processed.bronze.as_ref().filter(|bronze| from < bronze.num_rows()) {
        let &(length, again) = cuts.next().expect("there are cuts");
        let first = from.saturating_sub(usize::from(again % 8));
        let to = bronze.num_rows().min(from + length);
        outcome.add(&scoring.backfill(&bronze.slice(first, to - first), START_US).expect("rows of bronze"));
        from = to;
    }
    // Messages that did not decode are no rows: the position behind them is another's to tell.
    for (partition, progress) in ingest.progress() {
        scoring.advance(partition, progress.next_offset);
    }
    outcome.add(&scoring.process(&fixture::batch(sent), START_US).expect("JSON needs no schema"));
    (outcome.sorted(), scoring.progress())
}

/// The count of each silver row, by its definition alone: (partition, offset) to (velocity, burst).
fn naive_counts(draws: &[Draw], sent: &[Sent]) -> BTreeMap<(i32, i64), (usize, usize)> {
    struct Row {
        partition: i32,
        user_id: i32,
        event_time_us: i64,
        capped_us: i64,
    }
    let fates = fates(draws, sent);
    let mut silver: Vec<Row> = Vec::new();
    let mut counts = BTreeMap::new();
    for (index, (draw, sent)) in draws.iter().zip(sent).enumerate() {
        let place = (sent.partition, sent.offset);
        if fates[&place] != Fate::Silver {
            continue;
        }
        let event_time_us = event_time_us(index, draw);
        let of_partition = || silver.iter().filter(|row| row.partition == draw.partition);
        let largest = of_partition().map(|row| row.capped_us).max();
        let watermark_us = largest.map_or(i128::MIN, |largest| i128::from(largest - OUT_OF_ORDERNESS_US));
        let count = |window_us: i64, keep_us: i64| {
            let earlier = of_partition().filter(|row| {
                row.user_id == draw.user_id
                    && (event_time_us - window_us..=event_time_us).contains(&row.event_time_us)
                    && i128::from(row.event_time_us) >= watermark_us.saturating_sub(i128::from(keep_us))
            });
            1 + earlier.count()
        };
        counts.insert(place, (count(WINDOW_US, KEEP_US), count(SHORT_US, SHORT_US)));
        let kafka_timestamp_us = kafka_timestamp_us(index, draw);
        silver.push(Row {
            partition: draw.partition,
            user_id: draw.user_id,
            event_time_us,
            capped_us: kafka_timestamp_us.map_or(event_time_us, |timestamp| timestamp.min(event_time_us)),
        });
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_silver_row_is_scored_and_its_velocity_is_that_of_the_definition(draws in draws()) {
        let sent = messages(&draws);
        let scored = scoring().process(&fixture::batch(&sent), START_US).expect("JSON");
        let mut found = BTreeMap::new();
        if let Some(rows) = &scored.rows {
            let number = |name: &str| -> Vec<i64> {
                texts(rows, name).iter().map(|text| text.parse().expect("a number")).collect()
            };
            let (partitions, offsets) = (number("partition"), number("offset"));
            let (velocity, burst) = (number("velocity_count"), number("burst_count"));
            let fast = texts(rows, "is_high_velocity");
            for row in 0..rows.num_rows() {
                let counts = (velocity[row] as usize, burst[row] as usize);
                prop_assert_eq!(&fast[row], if counts.0 > 5 { "true" } else { "false" });
                found.insert((partitions[row] as i32, offsets[row]), counts);
            }
        }
        prop_assert_eq!(found, naive_counts(&draws, &sent));
    }

    #[test]
    fn rows_of_bronze_stand_in_for_their_messages_up_to_any_offset(
        draws in draws(),
        cuts in prop::collection::vec((1..40_usize, any::<u8>()), 1..20),
        until in any::<prop::sample::Index>(),
    ) {
        let sent = messages(&draws);
        let (outcome, progress) = all_at_once(&sent);
        let until = until.index(sent.len() + 1);
        let (found, standing) = from_bronze(&sent, until, &cuts);
        prop_assert_eq!(found, outcome);
        for (partition, progress) in progress {
            // Bronze knows no more of messages than the rows that they became.
            let undecoded = sent[..until].iter().filter(|sent| sent.partition == partition).count() as u64;
            let expected = &progress.counts;
            let counts = &standing[&partition].counts;
            prop_assert!(counts.messages <= expected.messages && counts.messages + undecoded >= expected.messages);
            prop_assert_eq!((counts.bronze, counts.silver), (expected.bronze, expected.silver));
            prop_assert_eq!((counts.duplicates, counts.key_mismatches), (expected.duplicates, expected.key_mismatches));
            prop_assert_eq!(counts.refused.get("silver"), expected.refused.get("silver"));
            prop_assert_eq!(&counts.scoring, &expected.scoring);
            prop_assert_eq!(standing[&partition].max_event_time_us, progress.max_event_time_us);
        }
    }

    #[test]
    fn what_is_remembered_of_rows_of_bronze_is_what_was_known_when_they_were_scored(
        draws in draws(),
        until in any::<prop::sample::Index>(),
    ) {
        let sent = messages(&draws);
        let until = until.index(sent.len() + 1);
        let mut scored = scoring();
        scored.process(&fixture::batch(&sent[..until]), START_US).expect("JSON needs no schema");
        let mut ingest = Ingest::new(&laws::configuration(), &fixture::schema(), KEY).expect("it is valid");
        let bronze = ingest.process(&fixture::batch(&sent[..until]), START_US).expect("JSON").bronze;
        let mut remembering = scoring();
        for (partition, progress) in scored.progress() {
            remembering.restore(partition, &PartitionProgress::starting_at(progress.next_offset));
        }
        if let Some(bronze) = bronze {
            remembering.remember(&bronze).expect("rows of bronze");
        }
        let rest = fixture::batch(&sent[until..]);
        let expected = scored.process(&rest, START_US).expect("JSON");
        prop_assert_eq!(remembering.process(&rest, START_US).expect("JSON"), expected);
    }

    #[test]
    fn batches_interleavings_epochs_and_restarts_do_not_change_scores_or_alerts(
        draws in draws(),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        cuts in prop::collection::vec((1..40_usize, any::<u8>()), 1..20),
    ) {
        let sent = messages(&draws);
        let expected = all_at_once(&sent);
        prop_assert_eq!(&all_at_once(&interleave(&sent, &choices)), &expected);
        prop_assert_eq!(&in_pieces(&sent, &cuts), &expected);
        prop_assert_eq!(&in_pieces(&interleave(&sent, &choices), &cuts), &expected);
        for progress in expected.1.values() {
            let counts = &progress.counts;
            prop_assert_eq!(counts.scoring.levels.values().sum::<u64>(), counts.silver);
        }
        let alerts: u64 = expected.1.values().map(|progress| progress.counts.scoring.alerts).sum();
        prop_assert_eq!(alerts, expected.0.alerts.len() as u64);
    }

    #[test]
    fn bronze_that_is_replayed_gives_the_scores_that_its_messages_gave(
        draws in draws(),
        lengths in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let messages = fixture::batch(&messages(&draws));
        let scored = scoring().process(&messages, START_US).expect("JSON").rows;
        let pipeline = configuration().pipeline;
        let mut ingest = Ingest::new(&pipeline, &fixture::schema(), KEY).expect("the configuration is valid");
        let bronze = ingest.process(&messages, START_US).expect("JSON").bronze;
        let (mut rows, mut again) = (Vec::new(), scoring());
        for piece in bronze.iter().flat_map(|bronze| pieces(bronze, &lengths)) {
            rows.extend(again.replay(&piece).expect("bronze has its columns"));
        }
        prop_assert_eq!(together(&rows), scored);
    }
}
