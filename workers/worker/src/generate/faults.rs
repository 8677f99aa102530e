//! What can be out of the ordinary about a message: refused variants under their reason, and legal oddities.
//!
//! Tables only; [`encode`](super::encode) applies them. A [`Special`] names the reason under which a
//! pipeline with the example's rules refuses the message, or `None` where it must accept it.

use sluice_contract::reasons::{
    EMPTY_VALUE, FUTURE_TIMESTAMP, MALFORMED_AVRO, MALFORMED_JSON, MISSING_FIELD, TRAILING_BYTES,
    UNKNOWN_SCHEMA_ID, WRONG_TYPE,
};

use super::arguments::Format;
use super::calendar::TimestampForm;

const MINUTE_US: i64 = 60_000_000;

/// A change to a message, and what becomes of the message.
#[derive(Debug, PartialEq)]
pub(super) struct Special {
    /// The reason of the refusal; `None`: it is accepted.
    pub(super) reason: Option<&'static str>,
    pub(super) change: Change,
}

/// A change to a message.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// Another value of a text field, in both encodings. For JSON it is written without escaping.
    Text(Field, &'static str),
    /// Another amount, as a JSON number; in Avro the nearest double.
    Amount(&'static str),
    /// An event time this far beyond the Kafka timestamp.
    Ahead(i64),
    /// Another form of the event time.
    Form(TimestampForm),
    /// Another message key; `None` is the null key.
    Key(Option<&'static [u8]>),
    /// A tombstone.
    Tombstone,
    /// Other bytes instead of the whole value.
    Replace(&'static [u8]),
    Json(JsonChange),
    Avro(AvroChange),
}

/// A change that only JSON can express.
#[derive(Debug, PartialEq)]
pub(super) enum JsonChange {
    /// Another literal for a field, which may be no JSON at all.
    Literal(Field, &'static str),
    /// The whole member, name and value, written otherwise; empty: left out.
    Member(Field, &'static str),
    /// Bytes before the object.
    Prefix(&'static [u8]),
    /// Bytes after the object.
    Suffix(&'static [u8]),
    /// Only so many bytes of the object.
    Cut(usize),
    /// The object inside a list.
    InList,
}

/// A change that only Avro can express.
#[derive(Debug, PartialEq)]
pub(super) enum AvroChange {
    /// The amount, which JSON cannot write.
    Amount(f64),
    /// Another first byte of the framing.
    Magic(u8),
    /// A schema id that the registry never gave.
    SchemaId(u32),
    /// The last bytes are lost.
    CutEnd(usize),
    /// Bytes after the datum.
    Suffix(&'static [u8]),
    /// Another length before the transaction id.
    FirstLength(&'static [u8]),
    /// The merchant's name is not UTF-8.
    InvalidUtf8,
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// Written with another schema than the topic's.
    Writer(WriterSchema),
}

/// Schemas of other writers to the same topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterSchema {
    /// Has one field more.
    Wider,
    /// Has the amount as a long, which a reader promotes to double.
    WholeAmount,
    /// Lacks `device_id`.
    WithoutDevice,
    /// Has `user_id` as text.
    TextUser,
    /// May leave the amount null, and does.
    NullAmount,
}

impl WriterSchema {
    pub(super) const ALL: [Self; 5] =
        [Self::Wider, Self::WholeAmount, Self::WithoutDevice, Self::TextUser, Self::NullAmount];
}

/// A field of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    TransactionId,
    UserId,
    Amount,
    Merchant,
    Timestamp,
    IsFraud,
    PaymentMethod,
    Location,
    DeviceId,
}

impl Field {
    /// All fields in the order of the schema.
    pub(super) const ALL: [Self; 9] = [
        Self::TransactionId,
        Self::UserId,
        Self::Amount,
        Self::Merchant,
        Self::Timestamp,
        Self::IsFraud,
        Self::PaymentMethod,
        Self::Location,
        Self::DeviceId,
    ];

    /// The member's name with its quotes and the colon.
    pub(super) fn json_name(self) -> &'static str {
        match self {
            Self::TransactionId => "\"transaction_id\":",
            Self::UserId => "\"user_id\":",
            Self::Amount => "\"amount\":",
            Self::Merchant => "\"merchant\":",
            Self::Timestamp => "\"timestamp\":",
            Self::IsFraud => "\"is_fraud\":",
            Self::PaymentMethod => "\"payment_method\":",
            Self::Location => "\"location\":",
            Self::DeviceId => "\"device_id\":",
        }
    }
}

const fn refused(reason: &'static str, change: Change) -> Special {
    Special { reason: Some(reason), change }
}

const fn accepted(change: Change) -> Special {
    Special { reason: None, change }
}

const fn literal(reason: &'static str, field: Field, text: &'static str) -> Special {
    refused(reason, Change::Json(JsonChange::Literal(field, text)))
}

const fn member(reason: &'static str, field: Field, text: &'static str) -> Special {
    refused(reason, Change::Json(JsonChange::Member(field, text)))
}

const fn bad_timestamp(text: &'static str) -> Special {
    refused("BadTimestamp", Change::Text(Field::Timestamp, text))
}

/// Refused in both encodings: empty values, and what the rules of silver do not accept.
static COMMON_FAULTS: [Special; 29] = [
    refused(EMPTY_VALUE, Change::Tombstone),
    refused(EMPTY_VALUE, Change::Replace(b"")),
    refused("MissingId", Change::Text(Field::TransactionId, "")),
    refused("NonPositiveAmount", Change::Amount("0")),
    refused("NonPositiveAmount", Change::Amount("-0.0")),
    refused("NonPositiveAmount", Change::Amount("-12.50")),
    refused("NonPositiveAmount", Change::Amount("-4000")),
    bad_timestamp(""),
    bad_timestamp("yesterday"),
    bad_timestamp("20260105T200000Z"),
    bad_timestamp("2026-W02-1T20:00:00Z"),
    bad_timestamp("2026-005"),
    bad_timestamp("2026-01-05T24:00:00Z"),
    bad_timestamp("2026-01-05T20:00:60Z"),
    bad_timestamp("2026-01-05t20:00:00Z"),
    bad_timestamp("2026-01-05T20:00:00z"),
    bad_timestamp(" 2026-01-05T20:00:00Z"),
    bad_timestamp("2026-01-05T20:00:00Z "),
    bad_timestamp("2026-01-05  20:00:00"),
    bad_timestamp("2026-01-05T20:00:00 +01:00"),
    bad_timestamp("2026-01-05T20:00:00[Europe/Berlin]"),
    bad_timestamp("2026-01-05 20:00:00 UTC"),
    bad_timestamp("1767643200"),
    bad_timestamp("2026-02-30T20:00:00Z"),
    bad_timestamp("2026-01-05T20"),
    bad_timestamp("2026-01-05T20:00:00.1234567890Z"),
    bad_timestamp("05.01.2026 20:00"),
    refused(FUTURE_TIMESTAMP, Change::Ahead(61 * MINUTE_US)),
    refused(FUTURE_TIMESTAMP, Change::Ahead(60 * MINUTE_US + 1)),
];

/// Refused, and only JSON can be wrong in this way.
static JSON_FAULTS: [Special; 45] = [
    refused(MALFORMED_JSON, Change::Json(JsonChange::Cut(97))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Cut(1))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Prefix(b"\xef\xbb\xbf"))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Prefix(b"\x00\x00\x00\x00\x07"))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Suffix(b"}"))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Suffix(b" {}"))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::Suffix(b"\x00"))),
    refused(MALFORMED_JSON, Change::Json(JsonChange::InList)),
    refused(MALFORMED_JSON, Change::Replace(b"null")),
    refused(MALFORMED_JSON, Change::Replace(b"42")),
    refused(MALFORMED_JSON, Change::Replace(b"\"transaction\"")),
    refused(MALFORMED_JSON, Change::Replace(b"[]")),
    refused(MALFORMED_JSON, Change::Replace(b"   ")),
    refused(MALFORMED_JSON, Change::Replace(b"<transaction id=\"17\"/>")),
    refused(MALFORMED_JSON, Change::Replace(b"{'transaction_id': 'single quotes'}")),
    refused(MALFORMED_JSON, Change::Replace(b"{\"merchant\": \"Caf\xe9\"}")),
    literal(MALFORMED_JSON, Field::Amount, "NaN"),
    literal(MALFORMED_JSON, Field::Amount, "-Infinity"),
    literal(MALFORMED_JSON, Field::Amount, "012.50"),
    literal(MALFORMED_JSON, Field::Amount, "+12.50"),
    literal(MALFORMED_JSON, Field::Amount, "12."),
    literal(MALFORMED_JSON, Field::Amount, ".5"),
    literal(MALFORMED_JSON, Field::IsFraud, "True"),
    literal(MALFORMED_JSON, Field::Merchant, "\"tab\there\""),
    literal(MALFORMED_JSON, Field::Merchant, "\"lone \\ud83d surrogate\""),
    literal(MALFORMED_JSON, Field::Merchant, "\"bad \\x escape\""),
    member(MALFORMED_JSON, Field::DeviceId, "\"device_id\":\"ios-1\",\"note\":\"\\udc00\""),
    member(MALFORMED_JSON, Field::DeviceId, "\"device_id\":\"ios-1\",\"\\ud800\":1"),
    member(MALFORMED_JSON, Field::DeviceId, "device_id:\"ios-1\""),
    member(MALFORMED_JSON, Field::DeviceId, "\"device_id\":\"ios-1\","),
    member(MISSING_FIELD, Field::TransactionId, ""),
    member(MISSING_FIELD, Field::Amount, "\"Amount\":12.5"),
    member(MISSING_FIELD, Field::Timestamp, ""),
    literal(MISSING_FIELD, Field::IsFraud, "null"),
    literal(MISSING_FIELD, Field::Location, "null"),
    member(MISSING_FIELD, Field::DeviceId, ""),
    literal(WRONG_TYPE, Field::UserId, "17.0"),
    literal(WRONG_TYPE, Field::UserId, "\"17\""),
    literal(WRONG_TYPE, Field::UserId, "2147483648"),
    literal(WRONG_TYPE, Field::Amount, "\"12.50\""),
    literal(WRONG_TYPE, Field::Amount, "1e400"),
    literal(WRONG_TYPE, Field::IsFraud, "0"),
    literal(WRONG_TYPE, Field::Location, "{\"city\":\"Paris\",\"country\":\"France\"}"),
    literal(WRONG_TYPE, Field::DeviceId, "4711"),
    literal(WRONG_TYPE, Field::Timestamp, "1767643200000"),
];

/// Refused, and only Avro can be wrong in this way.
static AVRO_FAULTS: [Special; 20] = [
    refused(MALFORMED_AVRO, Change::Replace(b"\x00")),
    refused(MALFORMED_AVRO, Change::Replace(b"\x00\x00\x00\x00")),
    refused(MALFORMED_AVRO, Change::Replace(b"{\"transaction_id\":\"json\"}")),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::Magic(1))),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::CutEnd(1))),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::CutEnd(40))),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::FirstLength(b"\x01"))),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::FirstLength(b"\xfe\xff\xff\xff\xff\xff\xff\x7f"))),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::InvalidUtf8)),
    refused(MALFORMED_AVRO, Change::Avro(AvroChange::Boolean(2))),
    refused(UNKNOWN_SCHEMA_ID, Change::Avro(AvroChange::SchemaId(987_654_321))),
    refused(TRAILING_BYTES, Change::Avro(AvroChange::Suffix(b"\x00"))),
    refused(TRAILING_BYTES, Change::Avro(AvroChange::Suffix(b"trailer"))),
    refused(MISSING_FIELD, Change::Avro(AvroChange::Writer(WriterSchema::WithoutDevice))),
    refused(MISSING_FIELD, Change::Avro(AvroChange::Writer(WriterSchema::NullAmount))),
    refused(WRONG_TYPE, Change::Avro(AvroChange::Writer(WriterSchema::TextUser))),
    refused("NonFiniteAmount", Change::Avro(AvroChange::Amount(f64::NAN))),
    refused("NonFiniteAmount", Change::Avro(AvroChange::Amount(f64::INFINITY))),
    refused("NonFiniteAmount", Change::Avro(AvroChange::Amount(f64::NEG_INFINITY))),
    refused("NonPositiveAmount", Change::Avro(AvroChange::Amount(-f64::MIN_POSITIVE))),
];

const fn location(text: &'static str) -> Special {
    accepted(Change::Text(Field::Location, text))
}

const fn amount(text: &'static str) -> Special {
    accepted(Change::Amount(text))
}

/// Accepted in both encodings, but at the edge of a rule.
static COMMON_ODDITIES: [Special; 37] = [
    amount("9.99"),
    amount("10"),
    amount("99.99"),
    amount("100"),
    amount("999.99"),
    amount("1000"),
    amount("1000.01"),
    amount("5000"),
    amount("5000.01"),
    amount("9999.99"),
    amount("10000"),
    amount("0.01"),
    amount("5e-324"),
    amount("1.7976931348623157e308"),
    amount("0.1000000000000000055511151231257827021181583404541015625"),
    amount("1.25E+2"),
    location("Paris"),
    location("Paris,France"),
    location("Washington, DC, USA"),
    location("Paris, "),
    location(""),
    location(", France"),
    location("Paris,  France"),
    accepted(Change::Text(Field::PaymentMethod, "Credit_Card")),
    accepted(Change::Text(Field::PaymentMethod, "")),
    accepted(Change::Text(Field::Merchant, "")),
    accepted(Change::Text(Field::DeviceId, "")),
    accepted(Change::Ahead(59 * MINUTE_US)),
    accepted(Change::Ahead(60 * MINUTE_US)),
    accepted(Change::Form(TimestampForm::Date)),
    accepted(Change::Form(TimestampForm::NaiveMinutes)),
    accepted(Change::Form(TimestampForm::NanosZulu)),
    accepted(Change::Form(TimestampForm::TenthsZulu)),
    accepted(Change::Key(None)),
    accepted(Change::Key(Some(b""))),
    accepted(Change::Key(Some(b"user-\xff\xfe"))),
    accepted(Change::Key(Some(b"0"))),
];

const fn odd_literal(field: Field, text: &'static str) -> Special {
    accepted(Change::Json(JsonChange::Literal(field, text)))
}

const fn odd_member(field: Field, text: &'static str) -> Special {
    accepted(Change::Json(JsonChange::Member(field, text)))
}

/// Accepted, and only JSON can be odd in this way.
static JSON_ODDITIES: [Special; 10] = [
    accepted(Change::Json(JsonChange::Prefix(b"\n\t  "))),
    accepted(Change::Json(JsonChange::Suffix(b"\r\n"))),
    odd_literal(Field::Merchant, "\"\\u0043af\\u00e9 \\ud83d\\ude00 \\\"open\\\" \\/\\b\\f\\n\\r\\t\""),
    odd_literal(Field::Location, "\"S\\u00e3o Paulo, Brazil\""),
    odd_literal(Field::UserId, "  2147483647 "),
    odd_member(Field::UserId, "\"user_id\":\"first\",\"user_id\":17"),
    odd_member(Field::Amount, "\"amount\":null,\"amount\":17.25"),
    odd_member(Field::Merchant, "\"m\\u0065rchant\":\"Escaped Name\""),
    odd_member(
        Field::DeviceId,
        "\"device_id\":\"ios-1\",\"basket\":[{\"sku\":[[[[1.5e-3]]]],\"gift\":null}]",
    ),
    odd_member(Field::DeviceId, "\"device_id\":\"ios-1\",\"\":{\"\":\"\"}"),
];

/// Accepted, and only Avro can be odd in this way.
static AVRO_ODDITIES: [Special; 2] = [
    accepted(Change::Avro(AvroChange::Writer(WriterSchema::Wider))),
    accepted(Change::Avro(AvroChange::Writer(WriterSchema::WholeAmount))),
];

/// Everything that a pipeline refuses in this encoding.
pub(super) fn faults(format: Format) -> Vec<&'static Special> {
    match format {
        Format::Json => COMMON_FAULTS.iter().chain(&JSON_FAULTS).collect(),
        Format::Avro => COMMON_FAULTS.iter().chain(&AVRO_FAULTS).collect(),
    }
}

/// Everything at the edge of the legal in this encoding.
pub(super) fn oddities(format: Format) -> Vec<&'static Special> {
    match format {
        Format::Json => COMMON_ODDITIES.iter().chain(&JSON_ODDITIES).collect(),
        Format::Avro => COMMON_ODDITIES.iter().chain(&AVRO_ODDITIES).collect(),
    }
}
