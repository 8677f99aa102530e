//! Prints what decoding costs per message: `cargo run --release --example decode_speed [messages]`.

use std::time::{Duration, Instant};

use sluice_contract::config::Format;
use sluice_decode::{Decoder, EventTimeParser, Message, MessageBatch, RowSchema};

const SCHEMA: &str = r#"{"type": "record", "name": "Transaction", "namespace": "ecommerce", "fields": [
    {"name": "transaction_id", "type": "string"}, {"name": "user_id", "type": "int"},
    {"name": "amount", "type": "double"}, {"name": "merchant", "type": "string"},
    {"name": "timestamp", "type": "string"}, {"name": "is_fraud", "type": "boolean"},
    {"name": "payment_method", "type": "string"}, {"name": "location", "type": "string"},
    {"name": "device_id", "type": "string"}]}"#;

const MESSAGES_PER_BATCH: usize = 8192;

/// One generated transaction.
struct Transaction {
    id: String,
    user: i32,
    amount: f64,
    merchant: String,
    timestamp: String,
    fraud: bool,
    method: &'static str,
    location: &'static str,
    device: String,
}

fn main() {
    let messages = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(2_000_000);
    let transactions: Vec<Transaction> = (0..MESSAGES_PER_BATCH as u64).map(transaction).collect();
    report("JSON, compact", Format::Json, &batch(transactions.iter().map(|row| json(row, "", 0))), messages);
    report(
        "JSON, 0.5 kB",
        Format::Json,
        &batch(transactions.iter().map(|row| json(row, " ", 160))),
        messages,
    );
    report("Avro", Format::Avro, &batch(transactions.iter().map(avro)), messages);
    event_times(&transactions, messages);
}

fn report(name: &str, format: Format, batch: &MessageBatch, messages: usize) {
    let schema = RowSchema::parse(SCHEMA).expect("the schema is valid");
    let mut decoder = Decoder::new(format, &schema).expect("the schema has columns");
    decoder.add_writer_schema(1, SCHEMA);
    let rounds = messages.div_ceil(batch.len()).max(5);
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            let outcome = decoder.decode(batch).expect("the schema was added");
            let time = start.elapsed();
            assert_eq!(
                outcome.rows.num_rows(),
                batch.len(),
                "a message was refused: {:?}",
                outcome.refused.first()
            );
            time
        })
        .collect();
    times.sort_unstable();
    let per_message = |time: Duration| time.as_nanos() as f64 / batch.len() as f64;
    println!(
        "{name}: {} bytes per message, median {:.0} ns, best {:.0} ns",
        batch.bytes() / batch.len(),
        per_message(times[times.len() / 2]),
        per_message(times[0]),
    );
}

fn event_times(transactions: &[Transaction], messages: usize) {
    for zone in ["UTC", "Europe/Paris"] {
        let parser = EventTimeParser::new(zone).expect("the zone exists");
        let start = Instant::now();
        let parsed =
            (0..messages).filter(|n| parser.parse(&transactions[n % transactions.len()].timestamp).is_some());
        let count = parsed.count();
        println!("event time, {zone}: {:.0} ns", start.elapsed().as_nanos() as f64 / count as f64);
    }
}

fn transaction(number: u64) -> Transaction {
    // A multiplicative generator: the same data on each run.
    let random =
        |salt: u64| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(salt as u32 * 7) >> 20;
    let methods = ["credit_card", "debit_card", "paypal", "bank_transfer", "crypto"];
    let locations =
        ["Paris, France", "New York, USA", "Lagos, Nigeria", "São Paulo, Brazil", "Berlin, Germany"];
    let second = random(3) % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    Transaction {
        id: format!(
            "{:08x}-{:04x}-7abc-8def-{:012x}",
            random(1) as u32,
            number as u16,
            random(2) & 0xffff_ffff_ffff
        ),
        user: (random(4) % 100_000) as i32,
        amount: (random(5) % 1_000_000) as f64 / 100.0,
        merchant: format!("merchant_{:05}", random(6) % 5000),
        timestamp: format!("2026-01-05T{clock}.{:06}", random(7) % 1_000_000),
        fraud: random(8).is_multiple_of(50),
        method: methods[(random(1) % 5) as usize],
        location: locations[(random(2) % 5) as usize],
        device: format!("device-{:016x}", random(3)),
    }
}

/// A message with a space after each name, and with a field that the schema does not have.
fn json(row: &Transaction, space: &str, unknown: usize) -> Vec<u8> {
    let Transaction { id, user, amount, merchant, timestamp, fraud, method, location, device } = row;
    let note = if unknown > 0 {
        format!(",{space}\"note\":{space}\"{}\"", "n".repeat(unknown))
    } else {
        String::new()
    };
    format!(
        "{{\"transaction_id\":{space}\"{id}\",{space}\"user_id\":{space}{user},{space}\"amount\":{space}{amount},{space}\
         \"merchant\":{space}\"{merchant}\",{space}\"timestamp\":{space}\"{timestamp}\",{space}\"is_fraud\":{space}{fraud},{space}\
         \"payment_method\":{space}\"{method}\",{space}\"location\":{space}\"{location}\",{space}\"device_id\":{space}\"{device}\"{note}}}"
    )
    .into_bytes()
}

fn avro(row: &Transaction) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 1];
    text(&row.id, &mut message);
    varint(row.user.into(), &mut message);
    message.extend_from_slice(&row.amount.to_le_bytes());
    text(&row.merchant, &mut message);
    text(&row.timestamp, &mut message);
    message.push(row.fraud.into());
    for field in [row.method, row.location, &row.device] {
        text(field, &mut message);
    }
    message
}

fn text(text: &str, message: &mut Vec<u8>) {
    varint(text.len() as i64, message);
    message.extend_from_slice(text.as_bytes());
}

fn varint(number: i64, message: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        message.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    message.push(rest as u8);
}

fn batch(values: impl Iterator<Item = Vec<u8>>) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for (offset, value) in values.enumerate() {
        batch.push(Message {
            partition: 0,
            offset: offset as i64,
            timestamp_ms: Some(0),
            key: None,
            value: Some(&value),
        });
    }
    batch
}
