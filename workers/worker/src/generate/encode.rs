//! [`Encoder`]: planned messages to the bytes of key and value.
//!
//! All text goes straight into buffers that are reused; nothing is allocated per message.

use super::calendar::push_timestamp;
use super::catalogue::{APPLICATIONS, CITIES, METHODS};
use super::faults::{AvroChange, Change, Field, JsonChange, WriterSchema};
use super::schema::SchemaIds;
use super::transaction::{LocationShape, PlannedMessage, Transaction};
use super::world::World;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// How messages are encoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Json,
    Avro(SchemaIds),
}

/// Turns planned messages into bytes.
#[derive(Debug)]
pub(super) struct Encoder {
    encoding: Encoding,
    key: Vec<u8>,
    value: Vec<u8>,
    scratch: Vec<u8>,
}

/// Key and value of a message, `None` where Kafka has null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoded<'a> {
    /// The key that decides the partition: the user's id, whatever key is sent.
    pub(super) partition_key: &'a [u8],
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, key: Vec::new(), value: Vec::new(), scratch: Vec::new() }
    }

    /// The bytes of a message, valid until the next call.
    pub(super) fn encode(&mut self, world: &World, message: &PlannedMessage) -> Encoded<'_> {
        let transaction = &message.transaction;
        let change = message.special.map(|special| &special.change);
        self.key.clear();
        push_integer(&mut self.key, u64::from(transaction.user_id));
        self.value.clear();
        match (self.encoding, change) {
            (_, Some(Change::Tombstone)) => {}
            (_, Some(Change::Replace(bytes))) => self.value.extend_from_slice(bytes),
            (Encoding::Json, _) => write_json(&mut self.value, world, transaction, change),
            (Encoding::Avro(ids), _) => {
                write_avro(&mut self.value, &mut self.scratch, ids, world, transaction, change);
            }
        }
        Encoded {
            partition_key: &self.key,
            key: match change {
                Some(Change::Key(key)) => *key,
                _ => Some(&self.key),
            },
            value: (change != Some(&Change::Tombstone)).then_some(&self.value),
        }
    }
}

fn push_integer(text: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

fn push_hex(text: &mut Vec<u8>, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        text.push(HEX[((value >> (4 * digit)) & 0xf) as usize]);
    }
}

fn push_id(text: &mut Vec<u8>, id: u128) {
    let (high, low) = ((id >> 64) as u64, id as u64);
    push_hex(text, high >> 32, 8);
    text.push(b'-');
    push_hex(text, high >> 16, 4);
    text.push(b'-');
    push_hex(text, high, 4);
    text.push(b'-');
    push_hex(text, low >> 48, 4);
    text.push(b'-');
    push_hex(text, low, 12);
}

fn push_location(text: &mut Vec<u8>, transaction: &Transaction) {
    let city = &CITIES[usize::from(transaction.city)];
    text.extend_from_slice(city.name.as_bytes());
    if transaction.location_shape == LocationShape::CityRegionCountry {
        text.extend_from_slice(b", ");
        text.extend_from_slice(city.region.as_bytes());
    }
    if transaction.location_shape != LocationShape::City {
        text.extend_from_slice(b", ");
        text.extend_from_slice(city.country.as_bytes());
    }
}

/// Appends the text of a text field; merchants are passed in, since JSON escapes them.
fn push_text(text: &mut Vec<u8>, transaction: &Transaction, field: Field, merchant: &str) {
    match field {
        Field::TransactionId => push_id(text, transaction.id),
        Field::Merchant => text.extend_from_slice(merchant.as_bytes()),
        Field::Timestamp => {
            let offset = CITIES[usize::from(transaction.city)].offset_minutes;
            push_timestamp(text, transaction.event_time_us, transaction.timestamp_form, offset);
        }
        Field::PaymentMethod => {
            text.extend_from_slice(METHODS[usize::from(transaction.method)].0.as_bytes());
        }
        Field::Location => push_location(text, transaction),
        Field::DeviceId => {
            let prefix = APPLICATIONS[usize::from(transaction.application)].device_prefix;
            text.extend_from_slice(prefix.as_bytes());
            text.push(b'-');
            push_hex(text, transaction.device, 12);
        }
        Field::UserId | Field::Amount | Field::IsFraud => {}
    }
}

fn push_json_value(text: &mut Vec<u8>, world: &World, transaction: &Transaction, field: Field) {
    match field {
        Field::UserId => push_integer(text, u64::from(transaction.user_id)),
        Field::Amount => {
            push_integer(text, transaction.cents / 100);
            let cents = (transaction.cents % 100) as u8;
            text.extend_from_slice(&[b'.', b'0' + cents / 10, b'0' + cents % 10]);
        }
        Field::IsFraud => {
            text.extend_from_slice(if transaction.is_fraud { b"true" } else { b"false" });
        }
        _ => {
            text.push(b'"');
            push_text(text, transaction, field, &world.merchant(transaction.merchant).json_name);
            text.push(b'"');
        }
    }
}

/// Appends the change's own text for a member instead of the ordinary one; false: it has none.
fn push_changed_member(text: &mut Vec<u8>, field: Field, change: Option<&Change>) -> bool {
    let (name, quote, value) = match change {
        Some(Change::Text(changed, value)) if *changed == field => (field.json_name(), "\"", *value),
        Some(Change::Amount(value)) if field == Field::Amount => (field.json_name(), "", *value),
        Some(Change::Json(JsonChange::Literal(changed, value))) if *changed == field => {
            (field.json_name(), "", *value)
        }
        Some(Change::Json(JsonChange::Member(changed, member))) if *changed == field => ("", "", *member),
        _ => return false,
    };
    for piece in [name, quote, value, quote] {
        text.extend_from_slice(piece.as_bytes());
    }
    true
}

fn write_json(text: &mut Vec<u8>, world: &World, transaction: &Transaction, change: Option<&Change>) {
    match change {
        Some(Change::Json(JsonChange::Prefix(bytes))) => text.extend_from_slice(bytes),
        Some(Change::Json(JsonChange::InList)) => text.push(b'['),
        _ => {}
    }
    text.push(b'{');
    for field in Field::ALL {
        let before = text.len();
        if !push_changed_member(text, field, change) {
            text.extend_from_slice(field.json_name().as_bytes());
            push_json_value(text, world, transaction, field);
        }
        if text.len() > before {
            text.push(b',');
        }
    }
    // What shops send beside the fields that the pipeline knows.
    let application = &APPLICATIONS[usize::from(transaction.application)];
    text.extend_from_slice(b"\"session_id\":\"");
    push_hex(text, transaction.session, 16);
    text.extend_from_slice(b"\",\"channel\":\"");
    text.extend_from_slice(application.channel.as_bytes());
    text.extend_from_slice(b"\",\"user_agent\":\"");
    text.extend_from_slice(application.agent.as_bytes());
    text.extend_from_slice(b"\",\"request_id\":\"");
    push_hex(text, transaction.id as u64 ^ transaction.session, 16);
    push_hex(text, transaction.device, 16);
    // An address of TEST-NET-3, which is nobody's.
    text.extend_from_slice(b"\",\"client_ip\":\"203.0.113.");
    push_integer(text, transaction.device % 255);
    text.extend_from_slice(b"\"}");
    match change {
        Some(Change::Json(JsonChange::Suffix(bytes))) => text.extend_from_slice(bytes),
        Some(Change::Json(JsonChange::Cut(length))) => text.truncate(*length),
        Some(Change::Json(JsonChange::InList)) => text.push(b']'),
        _ => {}
    }
}

/// Appends a number in Avro's variable-length zigzag encoding.
fn push_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn push_avro_text(bytes: &mut Vec<u8>, text: &[u8]) {
    push_varint(bytes, text.len() as i64);
    bytes.extend_from_slice(text);
}

fn push_avro_amount(bytes: &mut Vec<u8>, transaction: &Transaction, change: Option<&Change>) {
    let amount = match change {
        Some(Change::Amount(text)) => text.parse().expect("the amounts of the tables are numbers"),
        Some(Change::Avro(AvroChange::Amount(amount))) => *amount,
        Some(Change::Avro(AvroChange::Writer(WriterSchema::WholeAmount))) => {
            return push_varint(bytes, (transaction.cents / 100).max(1) as i64);
        }
        // The branch `null` of the union.
        Some(Change::Avro(AvroChange::Writer(WriterSchema::NullAmount))) => return bytes.push(0),
        _ => transaction.cents as f64 / 100.0,
    };
    bytes.extend_from_slice(&f64::to_le_bytes(amount));
}

fn push_avro_field(
    bytes: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    world: &World,
    transaction: &Transaction,
    field: Field,
    change: Option<&Change>,
) {
    match (field, change) {
        (_, Some(Change::Text(changed, text))) if *changed == field => push_avro_text(bytes, text.as_bytes()),
        (Field::Merchant, Some(Change::Avro(AvroChange::InvalidUtf8))) => push_avro_text(bytes, b"Caf\xe9"),
        (Field::UserId, Some(Change::Avro(AvroChange::Writer(WriterSchema::TextUser)))) => {
            push_avro_text(bytes, b"seventeen");
        }
        (Field::DeviceId, Some(Change::Avro(AvroChange::Writer(WriterSchema::WithoutDevice)))) => {}
        (Field::IsFraud, Some(Change::Avro(AvroChange::Boolean(byte)))) => bytes.push(*byte),
        (Field::UserId, _) => push_varint(bytes, i64::from(transaction.user_id)),
        (Field::Amount, _) => push_avro_amount(bytes, transaction, change),
        (Field::IsFraud, _) => bytes.push(u8::from(transaction.is_fraud)),
        _ => {
            scratch.clear();
            push_text(scratch, transaction, field, &world.merchant(transaction.merchant).name);
            match change {
                Some(Change::Avro(AvroChange::FirstLength(length))) if field == Field::TransactionId => {
                    bytes.extend_from_slice(length);
                    bytes.extend_from_slice(scratch);
                }
                _ => push_avro_text(bytes, scratch),
            }
        }
    }
}

fn write_avro(
    bytes: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    ids: SchemaIds,
    world: &World,
    transaction: &Transaction,
    change: Option<&Change>,
) {
    let avro_change = match change {
        Some(Change::Avro(avro_change)) => Some(avro_change),
        _ => None,
    };
    bytes.push(if let Some(AvroChange::Magic(byte)) = avro_change { *byte } else { 0 });
    let schema_id = match avro_change {
        Some(AvroChange::SchemaId(id)) => *id,
        Some(AvroChange::Writer(schema)) => ids.of(*schema),
        _ => ids.topic,
    };
    bytes.extend_from_slice(&schema_id.to_be_bytes());
    for field in Field::ALL {
        push_avro_field(bytes, scratch, world, transaction, field, change);
    }
    match avro_change {
        Some(AvroChange::Writer(WriterSchema::Wider)) => {
            let channel = APPLICATIONS[usize::from(transaction.application)].channel;
            push_avro_text(bytes, channel.as_bytes());
        }
        Some(AvroChange::Suffix(suffix)) => bytes.extend_from_slice(suffix),
        Some(AvroChange::CutEnd(count)) => bytes.truncate(bytes.len().saturating_sub(*count).max(5)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
