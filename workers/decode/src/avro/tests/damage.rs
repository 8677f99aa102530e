//! Messages that are cut short, changed or made up never panic and never become rows by accident.

use proptest::prelude::*;

use super::agreement::{fields_schema, records};
use super::*;
use crate::testing::record_of;

/// A writer with everything, itself included, of which the reader takes a part.
const WRITER: &str = r#"{"type": "record", "name": "W", "fields": [
    {"name": "a", "type": {"type": "array", "items": ["null", "W", "long"]}},
    {"name": "m", "type": {"type": "map", "values": {"type": "array", "items": "null"}}},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}},
    {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}},
    {"name": "s", "type": "string"},
    {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 1}},
    {"name": "l", "type": ["null", {"type": "array", "items": {"type": "map", "values": "int"}}]},
    {"name": "b", "type": "boolean"},
    {"name": "x", "type": "double"}]}"#;

const READER: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "l", "type": ["null", {"type": "array", "items": {"type": "map", "values": "long"}}]},
    {"name": "m", "type": {"type": "map", "values": {"type": "array", "items": ["null", "string"]}}},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
    {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}},
    {"name": "s", "type": "bytes"},
    {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 1}},
    {"name": "b", "type": ["null", "boolean"]}]}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_message_cut_at_any_byte_is_malformed_or_empty((fields, values) in records()) {
        let schema = record_of(&fields_schema(&fields, &mut 0));
        let mut decoder = decoder(&schema, &schema);
        for (value, _) in &values {
            let message = encoded(&schema, value);
            let cuts: Vec<_> = (0..message.len()).map(|length| &message[..length]).collect();
            let decoded = decoder.decode(&batch(&cuts)).unwrap();
            let reasons: Vec<_> = refusals(&decoded).into_iter().map(|(_, reason, _)| reason).collect();
            let mut expected = vec!["MalformedAvro"; cuts.len()];
            expected[0] = "EmptyValue";
            prop_assert_eq!(reasons, expected);
        }
    }

    #[test]
    fn a_message_with_more_bytes_has_trailing_bytes((fields, values) in records(), more in prop::collection::vec(any::<u8>(), 1..4)) {
        let schema = record_of(&fields_schema(&fields, &mut 0));
        let messages: Vec<_> = values.iter().map(|(value, _)| [encoded(&schema, value), more.clone()].concat()).collect();
        let decoded = decode(&schema, &schema, &messages);
        prop_assert!(decoded.refused.iter().all(|refusal| refusal.reason == "TrailingBytes"));
        prop_assert_eq!(decoded.refused.len(), messages.len());
    }

    #[test]
    fn a_changed_message_leaves_its_neighbours_alone(
        (fields, values) in records(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let schema = record_of(&fields_schema(&fields, &mut 0));
        let (value, cells) = &values[0];
        let good = encoded(&schema, value);
        let mut changed = good.clone();
        for (place, byte) in changes {
            let datum = changed.len() - HEADER;
            if datum > 0 {
                changed[HEADER + place.index(datum)] = byte;
            }
        }
        let decoded = decode(&schema, &schema, [&good, &changed, &good]);
        let rows = rows(&decoded);
        prop_assert_eq!(&rows[0], cells);
        prop_assert_eq!(&rows[rows.len() - 1], cells);
        prop_assert_eq!(rows.len() + decoded.refused.len(), 3);
    }

    #[test]
    fn made_up_data_never_panics(data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20)) {
        let messages: Vec<_> = data.iter().map(|datum| framed(datum)).collect();
        for reader in [READER, WRITER_AS_READER] {
            let decoded = decode(reader, WRITER, &messages);
            prop_assert_eq!(decoded.rows.num_rows() + decoded.refused.len(), messages.len());
        }
    }

    #[test]
    fn made_up_small_numbers_never_panic(data in prop::collection::vec(prop::collection::vec(0u8..10, 0..200), 1..20)) {
        let messages: Vec<_> = data.iter().map(|datum| framed(datum)).collect();
        let decoded = decode(READER, WRITER, &messages);
        prop_assert_eq!(decoded.rows.num_rows() + decoded.refused.len(), messages.len());
    }

    #[test]
    fn made_up_messages_never_panic(messages in prop::collection::vec(prop::collection::vec(0u8..5, 0..12), 1..20)) {
        let mut decoder = decoder(READER, WRITER);
        let messages = batch(&messages);
        for (id, _) in decoder.unresolved_schema_ids(&messages) {
            decoder.mark_schema_not_found(id);
        }
        let decoded = decoder.decode(&messages).unwrap();
        prop_assert_eq!(decoded.rows.num_rows() + decoded.refused.len(), messages.len());
    }
}

const WRITER_AS_READER: &str = r#"{"type": "record", "name": "W", "fields": [
    {"name": "x", "type": ["null", "double"]},
    {"name": "s", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "a", "type": {"type": "array", "items": ["null", "double"]}}]}"#;
