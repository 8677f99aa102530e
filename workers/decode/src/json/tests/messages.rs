//! Messages and batches: which fields are taken, and which reason comes first.

use super::*;
use crate::testing::{TRANSACTION, message, record_of};

const GOOD: &str = r#"{"transaction_id": "t1", "user_id": 7, "amount": 12.5, "merchant": "Shop", "timestamp": "2026-01-05",
    "is_fraud": false, "payment_method": "paypal", "location": "Paris, France", "device_id": "d1"}"#;

fn good_row() -> Vec<Cell> {
    vec![
        Cell::text("t1"),
        Cell::Integer(7),
        Cell::double(12.5),
        Cell::text("Shop"),
        Cell::text("2026-01-05"),
        Cell::Boolean(false),
        Cell::text("paypal"),
        Cell::text("Paris, France"),
        Cell::text("d1"),
    ]
}

#[test]
fn a_transaction_becomes_a_row() {
    let decoded = decode(TRANSACTION, [GOOD]);
    assert_eq!(rows(&decoded), [good_row()]);
    assert_eq!(decoded.messages, [0]);
    assert_eq!(refusals(&decoded), []);
}

#[test]
fn good_and_bad_messages_are_told_apart_by_index() {
    let mut messages = MessageBatch::default();
    let wrong = GOOD.replace("\"d1\"", "17");
    let values = [Some(GOOD), None, Some(&wrong), Some(""), Some("nonsense"), Some(GOOD)];
    for (offset, value) in values.into_iter().enumerate() {
        messages.push(message(offset, value.map(str::as_bytes)));
    }
    let mut decoder = JsonDecoder::new(&RowSchema::parse(TRANSACTION).unwrap());
    // A decoder keeps nothing from one batch to the next.
    for _ in 0..2 {
        let outcome = decoder.decode(&messages);
        assert_eq!(rows(&outcome), [good_row(), good_row()]);
        assert_eq!(outcome.messages, [0, 5]);
        let reasons: Vec<_> = refusals(&outcome).iter().map(|(index, reason, _)| (*index, *reason)).collect();
        assert_eq!(reasons, [(1, "EmptyValue"), (2, "WrongType"), (3, "EmptyValue"), (4, "MalformedJson")]);
    }
}

#[test]
fn names_may_stand_differently_in_each_message() {
    let spaced = GOOD.replace(": ", "  :\n ");
    let tight = GOOD.replace(": ", ":");
    let unknown = GOOD.replacen('{', r#"{"more": {"user_id": 1}, "#, 1);
    let escaped = GOOD.replace("merchant", "m\\u0065rchant");
    let messages = [GOOD, &tight, GOOD, &spaced, &tight, &unknown, GOOD, &escaped, &tight];
    let decoded = decode(TRANSACTION, messages);
    assert_eq!(refusals(&decoded), []);
    assert_eq!(rows(&decoded), vec![good_row(); messages.len()]);
}

#[test]
fn an_empty_batch_gives_no_rows_of_the_right_columns() {
    let schema = RowSchema::parse(TRANSACTION).unwrap();
    let decoded = JsonDecoder::new(&schema).decode(&MessageBatch::default());
    assert_eq!(decoded.rows.schema_ref(), schema.arrow());
    assert_eq!(decoded.rows.num_rows(), 0);
}

#[test]
fn the_last_of_duplicate_keys_counts_however_it_is_written() {
    let text = r#"{"a": 1, "a": "two", "A": 3, "\u0061": "thr\u0065e", "b": 4, "b": null}"#;
    let schema = record_of(r#"{"name": "a", "type": "string"}, {"name": "b", "type": ["null", "int"]}"#);
    assert_eq!(rows(&decode(&schema, [text])), [[Cell::text("three"), Cell::Null]]);
    let decoded = decode(&schema, [r#"{"a": "x", "a": 1}"#]);
    assert_eq!(refusals(&decoded), [(0, "WrongType", "a: found 1, expected a string")]);
}

#[test]
fn names_are_case_sensitive_and_unknown_fields_are_ignored() {
    let decoded =
        decode(&record_of_one(r#""int""#), [r#"{"V": 1}"#, r#"{"x": [{"v": 1}], "v": 2, "v ": 3, "": 4}"#]);
    assert_eq!(refusals(&decoded), [(0, "MissingField", "v: absent, expected an int")]);
    assert_eq!(rows(&decoded), [[Cell::Integer(2)]]);
}

#[test]
fn fields_are_found_in_any_order_among_few_and_many() {
    for count in [1, 5, 24, 25, 60] {
        let fields: Vec<_> = (0..count).map(|n| format!(r#"{{"name": "f{n}", "type": "int"}}"#)).collect();
        let expected: Vec<_> = (0..count).map(Cell::Integer).collect();
        let pairs: Vec<_> = (0..count).map(|n| format!(r#""f{n}": {n}"#)).collect();
        let backwards: Vec<_> = pairs.iter().rev().cloned().collect();
        let every_other: Vec<_> =
            pairs.iter().step_by(2).chain(pairs.iter().skip(1).step_by(2)).cloned().collect();
        for order in [pairs, backwards, every_other] {
            let decoded = decode(&record_of(&fields.join(",")), [format!("{{{}}}", order.join(","))]);
            assert_eq!(rows(&decoded), std::slice::from_ref(&expected));
        }
    }
}

#[test]
fn the_first_faulty_field_in_schema_order_gives_the_reason() {
    let fields =
        r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}"#;
    let messages = [
        r#"{"c": "x", "b": 1.5}"#,
        r#"{"c": "x", "b": 1.5, "a": 1}"#,
        r#"{"c": "x", "b": 1, "a": null}"#,
        r#"{"c": null, "b": 1, "a": 1}"#,
    ];
    assert_eq!(
        refusals(&decode(&record_of(fields), messages)),
        [
            (0, "MissingField", "a: absent, expected an int"),
            (1, "WrongType", "b: found 1.5, expected an int"),
            (2, "MissingField", "a: null, expected an int"),
            (3, "MissingField", "c: null, expected an int"),
        ]
    );
}

#[test]
fn a_malformed_message_is_malformed_whatever_its_fields() {
    let schema = record_of(r#"{"name": "a", "type": "int"}"#);
    let decoded = decode(&schema, [r#"{"a": "x", "b": 01}"#]);
    assert_eq!(
        refusals(&decoded),
        [(0, "MalformedJson", "expected `,` or `}` after the field at byte 17, found 1}")]
    );
}
