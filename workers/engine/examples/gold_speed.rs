//! What a row costs with the example's five windowed tables: `cargo run -p sluice-engine --example gold_speed
//! [epochs] [users] [merchants]`.
//!
//! Feeds generated traffic through two `Ingest`s, one with the tables and one without, in epochs of 131,072 messages,
//! and folds the partial aggregates into a `Merge` that publishes after each epoch. It prints nanoseconds of processor
//! time a silver row: the median over the epochs. Generating is not measured. Without arguments the tables have about
//! 50,000 open rows; a million users and ten thousand merchants are as many rows as messages, and more.

use std::time::Duration;

use sluice_contract::config::WorkerConfig;
use sluice_decode::MessageBatch;
use sluice_engine::gold::{Folded, Merge, SpilledAt};
use sluice_engine::{ClosedEpoch, Ingest, Stage};

mod traffic;

use traffic::{START_MS, World, batch, fixture};

const MESSAGES_A_BATCH: u64 = 8_192;
const BATCHES_AN_EPOCH: u64 = 16;

/// What an epoch took.
#[derive(Default)]
struct Spent {
    rows: u64,
    adding: Duration,
    closing: Duration,
    closing_without: Duration,
    folding: Duration,
    publishing: Duration,
    file_bytes: usize,
    published_rows: usize,
}

fn ingest(configuration: &WorkerConfig) -> Ingest {
    Ingest::new(configuration, &fixture::schema(), [1; 16]).expect("the example is valid")
}

/// Processor time of this thread so far: Linux counts it in nanoseconds.
fn processor_time() -> Duration {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has a /proc");
    let nanoseconds = counts.split_whitespace().next().and_then(|count| count.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first count is a number"))
}

/// Processes an epoch; gives the silver rows, the time of the windows, the epoch and the time of its close.
fn run(ingest: &mut Ingest, batches: &[MessageBatch]) -> (u64, Duration, ClosedEpoch, Duration) {
    let (mut rows, mut windows) = (0, Duration::ZERO);
    for batch in batches {
        let mut last = processor_time();
        let processed = ingest.process_observed(batch, START_MS * 1_000, |stage| {
            let now = processor_time();
            if stage == Stage::Windows {
                windows += now.saturating_sub(last);
            }
            last = now;
        });
        let silver = processed.expect("JSON needs no schema").silver;
        rows += silver.map_or(0, |silver| silver.num_rows() as u64);
    }
    let start = processor_time();
    let closed = ingest.close_epoch();
    (rows, windows, closed, processor_time().saturating_sub(start))
}

fn argument(position: usize, default: u64) -> u64 {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a whole number"))
}

fn main() {
    let epochs = argument(1, 20);
    let world = World { users: argument(2, 20_000), merchants: argument(3, 100) };
    let configuration = fixture::configuration_with_gold();
    let (mut with, mut without) = (ingest(&configuration), ingest(&fixture::configuration()));
    let mut merge = Merge::new(&configuration, &fixture::schema()).expect("the example is valid");
    let mut spent = Vec::new();
    for epoch in 0..epochs {
        let first = epoch * BATCHES_AN_EPOCH;
        let batches: Vec<MessageBatch> = (first..first + BATCHES_AN_EPOCH)
            .map(|number| batch(world, number * MESSAGES_A_BATCH, MESSAGES_A_BATCH))
            .collect();
        let (_, _, _, closing_without) = run(&mut without, &batches);
        let (rows, adding, closed, closing) = run(&mut with, &batches);

        let file = closed.partial_aggregates.as_deref();
        let start = processor_time();
        let folded = merge.fold(file, &closed.partitions).expect("the file is whole");
        assert_eq!(folded, Folded::Done, "the traffic corrects no window that is final");
        let folding = processor_time().saturating_sub(start);
        let start = processor_time();
        let mut published_rows = 0;
        let changed = merge.changed();
        merge.publish(&changed, START_MS * 1_000, |published| published_rows += published.rows.num_rows());
        let publishing = processor_time().saturating_sub(start);
        spent.push(Spent {
            rows,
            adding,
            closing,
            closing_without,
            folding,
            publishing,
            file_bytes: file.map_or(0, <[u8]>::len),
            published_rows,
        });
        drop(merge.spill(SpilledAt { generation: 0, epoch }));
    }
    report(&spent, &merge);
}

/// The median over the epochs of what a row costs.
fn a_row(spent: &[Spent], of: impl Fn(&Spent) -> f64) -> f64 {
    let mut values: Vec<f64> = spent.iter().map(|spent| of(spent) / spent.rows as f64).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(spent: &[Spent], merge: &Merge) {
    let nanoseconds = |of: fn(&Spent) -> Duration| a_row(spent, |spent| of(spent).as_nanos() as f64);
    let lines = [
        ("partials: adding", nanoseconds(|spent| spent.adding)),
        ("partials: closing", nanoseconds(|spent| spent.closing.saturating_sub(spent.closing_without))),
        ("merge: folding", nanoseconds(|spent| spent.folding)),
    ];
    for (name, time) in lines {
        println!("{name:>20}  {time:7.1} ns/row");
    }
    println!("{:>20}  {:7.1} ns/row", "together", lines.iter().map(|(_, time)| time).sum::<f64>());
    println!("{:>20}  {:7.1} ns/row of silver", "publishing", nanoseconds(|spent| spent.publishing));
    let published = a_row(spent, |spent| spent.published_rows as f64);
    println!("{:>20}  {published:7.2} rows of gold a row of silver", "published");
    println!("{:>20}  {:7.1} bytes/row", "file", a_row(spent, |spent| spent.file_bytes as f64));
    let size = merge.size();
    let mebibytes = size.bytes >> 20;
    println!("{} windows, {} rows, {mebibytes} MiB in memory", size.open_windows, size.groups);
}
