use super::super::arguments::Format;
use super::super::clock::ReplayClock;
use super::super::faults::{Special, faults, oddities};
use super::super::traffic::{Traffic, TrafficSettings};
use super::super::transaction::{Origin, Placement};
use super::*;

const START_US: i64 = 1_767_571_200_000_000;
const IDS: SchemaIds = SchemaIds { topic: 7, others: [8, 9, 10, 11, 12] };

fn planned(count: usize, malformed: f64) -> (World, Vec<PlannedMessage>) {
    let world = World::new(5);
    let mut traffic = Traffic::new(TrafficSettings {
        seed: 5,
        format: Format::Json,
        event_rate: 1_000.0,
        duplicates: 0.02,
        late: 0.0,
        malformed,
        odd: malformed,
    });
    let mut clock = ReplayClock::new(5, START_US, 1_000.0);
    let messages = (0..count).map(|_| traffic.next_message(&world, clock.advance())).collect();
    (world, messages)
}

fn with(message: PlannedMessage, special: &'static Special) -> PlannedMessage {
    PlannedMessage { special: Some(special), origin: Origin::Fresh, placement: Placement::ByKey, ..message }
}

fn value_of(encoder: &mut Encoder, world: &World, message: &PlannedMessage) -> Option<Vec<u8>> {
    encoder.encode(world, message).value.map(<[u8]>::to_vec)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = || {
        let (world, messages) = planned(5_000, 0.05);
        let mut encoder = Encoder::new(Encoding::Json);
        let mut all = Vec::new();
        for message in &messages {
            let encoded = encoder.encode(&world, message);
            all.push((encoded.key.map(<[u8]>::to_vec), encoded.value.map(<[u8]>::to_vec)));
        }
        all
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_redelivered_copy_has_the_bytes_of_the_first() {
    let (world, messages) = planned(20_000, 0.0);
    let mut encoder = Encoder::new(Encoding::Json);
    let copy = messages.iter().rfind(|message| message.origin == Origin::Redelivered).unwrap();
    let first = messages.iter().find(|message| message.transaction.id == copy.transaction.id).unwrap();
    assert_eq!(first.origin, Origin::Fresh);
    assert_eq!(value_of(&mut encoder, &world, first), value_of(&mut encoder, &world, copy));
}

#[test]
fn a_sound_message_is_a_json_object_with_the_fields_of_the_transaction() {
    let (world, messages) = planned(2_000, 0.0);
    let mut encoder = Encoder::new(Encoding::Json);
    let mut bytes = 0;
    for message in &messages {
        let transaction = &message.transaction;
        let encoded = encoder.encode(&world, message);
        assert_eq!(encoded.key.unwrap(), transaction.user_id.to_string().as_bytes());
        let value = encoded.value.unwrap();
        bytes += value.len();
        let parsed: serde_json::Value = serde_json::from_slice(value).unwrap();
        assert_eq!(parsed["user_id"], transaction.user_id);
        assert_eq!(parsed["amount"], transaction.cents as f64 / 100.0);
        assert_eq!(parsed["merchant"], world.merchant(transaction.merchant).name.as_str());
        assert_eq!(parsed["is_fraud"], transaction.is_fraud);
        assert_eq!(parsed["transaction_id"].as_str().unwrap().len(), 36);
        for field in ["timestamp", "payment_method", "location", "device_id", "session_id", "user_agent"] {
            assert!(!parsed[field].as_str().unwrap().is_empty(), "{field}");
        }
    }
    let mean = bytes / messages.len();
    assert!((450..=520).contains(&mean), "{mean}");
}

#[test]
fn json_faults_are_malformed_exactly_where_their_reason_says_so() {
    let (world, messages) = planned(1, 0.0);
    let mut encoder = Encoder::new(Encoding::Json);
    for special in faults(Format::Json).into_iter().chain(oddities(Format::Json)) {
        let value = value_of(&mut encoder, &world, &with(messages[0], special)).unwrap_or_default();
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&value);
        let is_object = parsed.is_ok_and(|parsed| parsed.is_object());
        let expected = !matches!(special.reason, Some("MalformedJson" | "EmptyValue"))
            // serde_json refuses numbers beyond the range of a double, which are JSON all the same.
            && !matches!(special.change, Change::Json(JsonChange::Literal(_, "1e400")));
        assert_eq!(is_object, expected, "{special:?}: {}", String::from_utf8_lossy(&value));
    }
}

/// Reads what [`push_varint`] writes.
fn read_varint(bytes: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (value >> 1) as i64 ^ -((value & 1) as i64);
        }
    }
}

#[test]
fn varints_survive_the_way_there_and_back() {
    for value in [0, -1, 1, 63, -64, 64, 8_191, -8_192, i64::from(i32::MAX), i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, value);
        assert_eq!(read_varint(&mut bytes.as_slice()), value);
    }
}

#[test]
fn a_sound_avro_message_is_a_framed_datum_without_a_rest() {
    let (world, messages) = planned(1_000, 0.0);
    let mut encoder = Encoder::new(Encoding::Avro(IDS));
    for message in &messages {
        let value = value_of(&mut encoder, &world, message).unwrap();
        assert_eq!(&value[..5], [0, 0, 0, 0, 7]);
        let mut rest = &value[5..];
        let text = |rest: &mut &[u8]| {
            let length = read_varint(rest) as usize;
            let (text, after) = rest.split_at(length);
            *rest = after;
            String::from_utf8(text.to_vec()).unwrap()
        };
        assert_eq!(text(&mut rest).len(), 36);
        assert_eq!(read_varint(&mut rest), i64::from(message.transaction.user_id));
        let (amount, after) = rest.split_at(8);
        rest = after;
        let expected = message.transaction.cents as f64 / 100.0;
        assert_eq!(f64::from_le_bytes(amount.try_into().unwrap()).to_bits(), expected.to_bits());
        assert_eq!(text(&mut rest), world.merchant(message.transaction.merchant).name);
        text(&mut rest);
        assert_eq!(rest[0], u8::from(message.transaction.is_fraud));
        rest = &rest[1..];
        for _ in 0..3 {
            text(&mut rest);
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn a_tombstone_has_no_value_and_a_null_key_no_key() {
    let (world, messages) = planned(1, 0.0);
    let mut encoder = Encoder::new(Encoding::Json);
    let find = |change: Change| {
        let all = faults(Format::Json).into_iter().chain(oddities(Format::Json));
        all.into_iter().find(|special| special.change == change).unwrap()
    };
    let tombstone = with(messages[0], find(Change::Tombstone));
    assert_eq!(encoder.encode(&world, &tombstone).value, None);
    let null_key = with(messages[0], find(Change::Key(None)));
    let encoded = encoder.encode(&world, &null_key);
    assert_eq!(encoded.key, None);
    assert_eq!(encoded.partition_key, messages[0].transaction.user_id.to_string().as_bytes());
}
