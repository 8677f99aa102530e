//! How long a message takes, and where the time goes: `cargo run -p sluice-engine --example ingest_speed
//! [messages] [messages in a batch]`.
//!
//! Feeds generated e-commerce JSON of eight partitions through an `Ingest`, with 2 % copies and 1 %
//! refused rows, and prints nanoseconds a message for each stage: the median over the batches, which other
//! processes on the machine disturb little. Generating is not measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_contract::manifest::Counts;
use sluice_decode::MessageBatch;
use sluice_engine::{Ingest, Stage};

#[allow(dead_code)]
#[path = "../src/fixture.rs"]
mod fixture;

use fixture::{Sent, Transaction};

const PARTITIONS: u64 = 8;
const START_MS: i64 = 1_767_643_200_000;
const MESSAGES_A_SECOND: u64 = 10_000;
const BATCHES_AN_EPOCH: usize = 4;
const LOCATIONS: [&str; 8] = [
    "Paris, France",
    "Berlin, Germany",
    "Lagos, Nigeria",
    "Washington, DC, USA",
    "Tokyo, Japan",
    "Moscow, Russia",
    "Singapore",
    "São Paulo, Brazil",
];
const METHODS: [&str; 6] = ["credit_card", "debit_card", "paypal", "bank_transfer", "crypto", "voucher"];

/// SplitMix64: a hash of the counter, so that any message can be made on its own.
fn random(number: u64) -> u64 {
    let mixed =
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

fn transaction(number: u64) -> Transaction {
    let draw = random(number);
    // Every fiftieth is a copy of one a little earlier, on the same partition.
    let original =
        if draw % 50 == 7 && number > 4_000 { number - PARTITIONS * (1 + draw % 400) } else { number };
    let draw = random(original);
    let milliseconds = START_MS + (original * 1_000 / MESSAGES_A_SECOND) as i64;
    let time = jiff::Timestamp::from_millisecond(milliseconds).expect("a time of our age");
    Transaction {
        id: format!("{draw:016x}-{:016x}", random(draw)),
        user_id: (draw % 1_000_000) as i32,
        amount: if draw % 100 == 3 { -1.0 } else { (draw % 1_500_000) as f64 / 100.0 + 0.01 },
        merchant: format!("merchant-{:05}", draw / 7 % 10_000),
        timestamp: time.to_string(),
        is_fraud: draw.is_multiple_of(61),
        payment_method: METHODS[(draw / 11 % 6) as usize].to_owned(),
        location: LOCATIONS[(draw / 13 % 8) as usize].to_owned(),
        device_id: format!("device-{:08x}", draw as u32 >> 11),
    }
}

/// The messages from `first` on: runs of one partition, as a broker delivers them.
fn batch(first: u64, count: u64) -> MessageBatch {
    let mut sent: Vec<Sent> = (first..first + count)
        .map(|number| {
            let partition = (number % PARTITIONS) as i32;
            let now_ms = START_MS + (number * 1_000 / MESSAGES_A_SECOND) as i64;
            Sent::json(partition, (number / PARTITIONS) as i64, &transaction(number)).at(now_ms + 5)
        })
        .collect();
    sent.sort_by_key(|sent| sent.partition);
    fixture::batch(&sent)
}

fn argument(position: usize, default: u64) -> u64 {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a number of messages"))
}

fn main() {
    let (messages, in_batch) = (argument(1, 1_000_000), argument(2, 8_192));
    let mut ingest = Ingest::new(&fixture::configuration(), &fixture::schema(), [1; 16]).expect("valid");
    let mut spent = BTreeMap::<Stage, Vec<Duration>>::new();
    let mut closing = Vec::new();
    let batches: Vec<MessageBatch> =
        (0..messages.div_ceil(in_batch)).map(|number| batch(number * in_batch, in_batch)).collect();
    for (number, batch) in batches.iter().enumerate() {
        let mut last = Instant::now();
        let processed = ingest.process_observed(batch, START_MS * 1_000, |stage| {
            let now = Instant::now();
            spent.entry(stage).or_default().push(now - last);
            last = now;
        });
        drop(processed.expect("JSON needs no schema"));
        if number % BATCHES_AN_EPOCH == 0 {
            let start = Instant::now();
            drop(ingest.close_epoch());
            closing.push(start.elapsed() / BATCHES_AN_EPOCH as u32);
        }
    }
    report(&ingest, in_batch, spent, closing);
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

fn report(ingest: &Ingest, in_batch: u64, spent: BTreeMap<Stage, Vec<Duration>>, closing: Vec<Duration>) {
    let spent: BTreeMap<Stage, Duration> =
        spent.into_iter().map(|(stage, all)| (stage, median(all))).collect();
    let closing = median(closing);
    let total: Duration = spent.values().sum::<Duration>() + closing;
    let line = |name: &str, time: Duration| {
        let nanoseconds = time.as_nanos() as f64 / in_batch as f64;
        let share = 100.0 * time.as_secs_f64() / total.as_secs_f64();
        println!("{name:>14}  {nanoseconds:7.1} ns/message  {share:5.1} %");
    };
    for (stage, time) in &spent {
        line(&format!("{stage:?}"), *time);
    }
    line("closing epochs", closing);
    line("total", total);
    line("all but decode", total.saturating_sub(spent[&Stage::Decode]));
    let mut counts = Counts::default();
    for progress in ingest.progress().values() {
        counts.add(&progress.counts);
    }
    println!("{} messages, {} silver rows, {} duplicates", counts.messages, counts.silver, counts.duplicates);
}
