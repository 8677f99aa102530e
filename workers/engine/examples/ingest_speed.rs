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

mod traffic;

use traffic::{START_MS, World, batch, fixture};

const BATCHES_AN_EPOCH: usize = 4;
const WORLD: World = World { users: 1_000_000, merchants: 10_000 };

fn argument(position: usize, default: u64) -> u64 {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a number of messages"))
}

fn main() {
    let (messages, in_batch) = (argument(1, 1_000_000), argument(2, 8_192));
    let mut ingest = Ingest::new(&fixture::configuration(), &fixture::schema(), [1; 16]).expect("valid");
    let mut spent = BTreeMap::<Stage, Vec<Duration>>::new();
    let mut closing = Vec::new();
    let batches: Vec<MessageBatch> =
        (0..messages.div_ceil(in_batch)).map(|number| batch(WORLD, number * in_batch, in_batch)).collect();
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
