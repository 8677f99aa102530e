//! Generated e-commerce JSON of eight partitions at 10,000 messages a second of event time, with 2 % copies and 1 %
//! refused rows. Users and merchants are drawn evenly: nothing is said twice more often than chance has it.

use sluice_decode::MessageBatch;

#[allow(dead_code)]
#[path = "../../src/fixture.rs"]
pub(crate) mod fixture;

use fixture::{Sent, Transaction};

const PARTITIONS: u64 = 8;
/// Who buys where.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) users: u64,
    pub(crate) merchants: u64,
}

/// When the traffic begins.
pub(crate) const START_MS: i64 = 1_767_643_200_000;
const MESSAGES_A_SECOND: u64 = 10_000;
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

fn transaction(world: World, number: u64) -> Transaction {
    let draw = random(number);
    // Every fiftieth is a copy of one a little earlier, on the same partition.
    let original =
        if draw % 50 == 7 && number > 4_000 { number - PARTITIONS * (1 + draw % 400) } else { number };
    let draw = random(original);
    let milliseconds = START_MS + (original * 1_000 / MESSAGES_A_SECOND) as i64;
    let time = jiff::Timestamp::from_millisecond(milliseconds).expect("a time of our age");
    Transaction {
        id: format!("{draw:016x}-{:016x}", random(draw)),
        user_id: (draw % world.users) as i32,
        amount: if draw % 100 == 3 { -1.0 } else { (draw % 1_500_000) as f64 / 100.0 + 0.01 },
        merchant: format!("merchant-{:05}", draw / 7 % world.merchants),
        timestamp: time.to_string(),
        is_fraud: draw.is_multiple_of(61),
        payment_method: METHODS[(draw / 11 % 6) as usize].to_owned(),
        location: LOCATIONS[(draw / 13 % 8) as usize].to_owned(),
        device_id: format!("device-{:08x}", draw as u32 >> 11),
    }
}

/// The messages from `first` on: runs of one partition, as a broker delivers them.
pub(crate) fn batch(world: World, first: u64, count: u64) -> MessageBatch {
    let mut sent: Vec<Sent> = (first..first + count)
        .map(|number| {
            let partition = (number % PARTITIONS) as i32;
            let now_ms = START_MS + (number * 1_000 / MESSAGES_A_SECOND) as i64;
            Sent::json(partition, (number / PARTITIONS) as i64, &transaction(world, number)).at(now_ms + 5)
        })
        .collect();
    sent.sort_by_key(|sent| sent.partition);
    fixture::batch(&sent)
}
