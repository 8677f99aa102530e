use std::collections::{HashMap, HashSet, VecDeque};

use super::super::clock::ReplayClock;
use super::super::transaction::Placement;
use super::*;

const START_US: i64 = 1_767_571_200_000_000;
const MESSAGES: usize = 200_000;

fn settings(format: Format) -> TrafficSettings {
    TrafficSettings {
        seed: 11,
        format,
        event_rate: 50.0,
        duplicates: 0.005,
        late: 0.005,
        malformed: 0.002,
        odd: 0.001,
    }
}

fn planned(settings: TrafficSettings, count: usize) -> Vec<PlannedMessage> {
    let world = World::new(settings.seed);
    let mut traffic = Traffic::new(settings);
    let mut clock = ReplayClock::new(settings.seed, START_US, settings.event_rate);
    (0..count).map(|_| traffic.next_message(&world, clock.advance())).collect()
}

fn share(messages: &[PlannedMessage], matches: impl Fn(&PlannedMessage) -> bool) -> f64 {
    messages.iter().filter(|message| matches(message)).count() as f64 / messages.len() as f64
}

#[test]
fn the_same_settings_plan_the_same_messages() {
    let settings = settings(Format::Json);
    assert_eq!(planned(settings, 20_000), planned(settings, 20_000));
    assert_ne!(planned(settings, 100), planned(TrafficSettings { seed: 12, ..settings }, 100));
}

#[test]
fn every_special_occurs_within_the_first_200_000_messages() {
    for format in [Format::Json, Format::Avro] {
        let messages = planned(settings(format), MESSAGES);
        let mut seen: HashMap<*const Special, u32> = HashMap::new();
        for special in messages.iter().filter_map(|message| message.special) {
            *seen.entry(std::ptr::from_ref(special)).or_default() += 1;
        }
        for special in faults(format).into_iter().chain(oddities(format)) {
            assert!(seen.contains_key(&std::ptr::from_ref(special)), "{special:?}");
        }
    }
}

#[test]
fn every_reason_has_its_messages() {
    let reasons = |format| -> HashSet<&str> {
        planned(settings(format), MESSAGES)
            .iter()
            .filter_map(|message| message.special.and_then(|special| special.reason))
            .collect()
    };
    let common = [
        "EmptyValue",
        "MissingField",
        "WrongType",
        "MissingId",
        "NonPositiveAmount",
        "BadTimestamp",
        "FutureTimestamp",
    ];
    let json: HashSet<&str> = common.into_iter().chain(["MalformedJson"]).collect();
    assert_eq!(reasons(Format::Json), json);
    let avro: HashSet<&str> = common
        .into_iter()
        .chain(["MalformedAvro", "UnknownSchemaId", "TrailingBytes", "NonFiniteAmount"])
        .collect();
    assert_eq!(reasons(Format::Avro), avro);
}

#[test]
fn shares_are_as_asked() {
    let messages = planned(settings(Format::Json), MESSAGES);
    let fresh: Vec<PlannedMessage> =
        messages.iter().filter(|message| message.origin == Origin::Fresh).copied().collect();
    let malformed = share(&fresh, |message| message.special.is_some_and(|special| special.reason.is_some()));
    assert!((0.001_7..0.002_3).contains(&malformed), "{malformed}");
    let odd = share(&fresh, |message| message.special.is_some_and(|special| special.reason.is_none()));
    assert!((0.000_8..0.001_2).contains(&odd), "{odd}");
    let copies = share(&messages, |message| message.origin == Origin::Redelivered);
    assert!((0.004..0.006).contains(&copies), "{copies}");
    let late = share(&fresh, |message| message.arrival_us - message.transaction.event_time_us > 30_000_000);
    assert!((0.004..0.006).contains(&late), "{late}");
}

#[test]
fn shares_of_zero_leave_only_sound_messages() {
    let plain =
        TrafficSettings { duplicates: 0.0, late: 0.0, malformed: 0.0, odd: 0.0, ..settings(Format::Json) };
    for message in planned(plain, 20_000) {
        assert_eq!(message.special, None);
        assert_eq!(message.origin, Origin::Fresh);
        assert!(message.arrival_us - message.transaction.event_time_us <= 20_000_000);
    }
}

#[test]
fn copies_come_within_and_after_ten_minutes_and_on_other_partitions() {
    let messages = planned(settings(Format::Json), MESSAGES);
    let mut first_arrivals: HashMap<u128, i64> = HashMap::new();
    let (mut soon, mut late, mut beside) = (0, 0, 0);
    for message in &messages {
        let first = *first_arrivals.entry(message.transaction.id).or_insert(message.arrival_us);
        match message.origin {
            Origin::Redelivered if message.placement == Placement::Beside => beside += 1,
            Origin::Redelivered if message.arrival_us - first <= 600_000_000 => soon += 1,
            Origin::Redelivered => late += 1,
            Origin::Fresh | Origin::Corrected => {}
        }
    }
    assert!(soon > 400 && late > 50 && beside > 50, "{soon} {late} {beside}");
}

#[test]
fn refused_ids_come_back_corrected() {
    let messages = planned(settings(Format::Json), MESSAGES);
    let corrected = messages.iter().filter(|message| message.origin == Origin::Corrected);
    assert!(corrected.count() > 20);
}

#[test]
fn about_one_percent_is_fraud_and_the_label_can_be_learned_but_not_read_off() {
    let messages = planned(settings(Format::Json), MESSAGES);
    let fraud = |message: &PlannedMessage| message.transaction.is_fraud;
    let overall = share(&messages, fraud);
    assert!((0.006..0.016).contains(&overall), "{overall}");
    let of = |matches: &dyn Fn(&Transaction) -> bool| {
        let chosen: Vec<PlannedMessage> =
            messages.iter().filter(|message| matches(&message.transaction)).copied().collect();
        share(&chosen, fraud)
    };
    let crypto = of(&|transaction| transaction.method == CRYPTO);
    let expensive = of(&|transaction| transaction.cents > 500_000);
    let risky_country = of(&|transaction| CITIES[usize::from(transaction.city)].risk >= 1.0);
    for lifted in [crypto, expensive, risky_country] {
        assert!(lifted > 2.0 * overall && lifted < 0.5, "{lifted} against {overall}");
    }
}

#[test]
fn some_users_buy_more_than_five_times_in_half_an_hour_and_most_do_not() {
    let messages = planned(settings(Format::Json), MESSAGES);
    let mut recent: HashMap<u32, VecDeque<i64>> = HashMap::new();
    let fast = share_of_fast(&messages, &mut recent);
    assert!((0.02..0.35).contains(&fast), "{fast}");
}

fn share_of_fast(messages: &[PlannedMessage], recent: &mut HashMap<u32, VecDeque<i64>>) -> f64 {
    let mut fast = 0;
    for message in messages {
        let times = recent.entry(message.transaction.user_id).or_default();
        times.push_back(message.arrival_us);
        while times.front().is_some_and(|time| *time < message.arrival_us - 1_800_000_000) {
            times.pop_front();
        }
        fast += usize::from(times.len() > 5);
    }
    fast as f64 / messages.len() as f64
}
