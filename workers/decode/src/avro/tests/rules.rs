//! The order of the reasons, the framing, and what makes a datum malformed.

use super::*;
use crate::testing::{TRANSACTION, message, record_of};

const SHOP: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "string"}, {"name": "count", "type": "int"}]}"#;

const GOOD: &[u8] = &[2, b'a', 14];

fn reasons_of(decoded: &Decoded) -> Vec<(usize, &str)> {
    refusals(decoded).into_iter().map(|(message, reason, _)| (message, reason)).collect()
}

#[test]
fn a_transaction_becomes_a_row() {
    let text = |text: &str| Value::String(text.to_owned());
    let value = Value::Record(vec![
        ("transaction_id".into(), text("t1")),
        ("user_id".into(), Value::Int(-7)),
        ("amount".into(), Value::Double(f64::NAN)),
        ("merchant".into(), text("Café")),
        ("timestamp".into(), text("")),
        ("is_fraud".into(), Value::Boolean(true)),
        ("payment_method".into(), text("paypal")),
        ("location".into(), text("Paris, France")),
        ("device_id".into(), text("d1")),
    ]);
    let decoded = decode(TRANSACTION, TRANSACTION, [encoded(TRANSACTION, &value)]);
    assert_eq!(refusals(&decoded), []);
    assert_eq!(
        rows(&decoded),
        [[
            Cell::text("t1"),
            Cell::Integer(-7),
            Cell::double(f64::NAN),
            Cell::text("Café"),
            Cell::text(""),
            Cell::Boolean(true),
            Cell::text("paypal"),
            Cell::text("Paris, France"),
            Cell::text("d1"),
        ]]
    );
}

#[test]
fn every_message_gets_the_first_reason_that_applies() {
    let mut messages = MessageBatch::default();
    let short_and_wrong_magic = [1, 2];
    let unknown_and_malformed = [0, 0, 0, 0, 9, 255, 255];
    let values: [Option<Vec<u8>>; 11] = [
        Some(framed(GOOD)),
        None,
        Some(vec![]),
        Some(short_and_wrong_magic.to_vec()),
        Some(vec![0, 1, 2, 3]),
        Some(vec![1, 1, 2, 3, 4, 2, b'a', 14]),
        Some(unknown_and_malformed.to_vec()),
        Some(framed(&[])),
        Some(framed(&[2, b'a', 14, 0])),
        Some(framed(&[2, 0xff, 14, 0])),
        Some(framed(GOOD)),
    ];
    for (offset, value) in values.iter().enumerate() {
        messages.push(message(offset, value.as_deref()));
    }
    let mut decoder = decoder(SHOP, SHOP);
    decoder.mark_schema_not_found(9);
    // A decoder keeps nothing from one batch to the next.
    for _ in 0..2 {
        let outcome = decoder.decode(&messages).unwrap();
        assert_eq!(
            refusals(&outcome),
            [
                (1, "EmptyValue", "the message has no value"),
                (2, "EmptyValue", "the message has no value"),
                (3, "MalformedAvro", "shorter than the 5 bytes of the magic byte and the schema id"),
                (4, "MalformedAvro", "shorter than the 5 bytes of the magic byte and the schema id"),
                (5, "MalformedAvro", "the first byte is not the magic byte 0"),
                (6, "UnknownSchemaId", "the registry does not know schema id 9"),
                (7, "MalformedAvro", "the data ends within a value at byte 5"),
                (8, "TrailingBytes", "1 bytes follow the datum"),
                (9, "MalformedAvro", "a string is not valid UTF-8 at byte 5"),
            ]
        );
        assert_eq!(outcome.messages, [0, 10]);
        assert_eq!(
            rows(&outcome),
            [[Cell::text("a"), Cell::Integer(7)], [Cell::text("a"), Cell::Integer(7)]]
        );
    }
}

#[test]
fn trailing_bytes_come_before_faulty_fields_and_malformed_data_before_both() {
    let writer =
        record_of(r#"{"name": "id", "type": ["null", "string"]}, {"name": "flag", "type": "boolean"}"#);
    let reader = record_of(r#"{"name": "id", "type": "string"}"#);
    let messages = [framed(&[0, 1]), framed(&[0, 1, 0]), framed(&[0, 2]), framed(&[0, 2, 0])];
    let decoded = decode(&reader, &writer, messages);
    assert_eq!(
        reasons_of(&decoded),
        [(0, "MissingField"), (1, "TrailingBytes"), (2, "MalformedAvro"), (3, "MalformedAvro")]
    );
}

#[test]
fn the_first_faulty_field_in_the_readers_order_gives_the_reason() {
    let writer = record_of(
        r#"{"name": "c", "type": ["null", "int"]}, {"name": "b", "type": "string"}, {"name": "a", "type": ["null", "int"]}"#,
    );
    let reader = record_of(
        r#"{"name": "a", "type": "int"}, {"name": "x", "type": ["null", "int"], "default": null},
           {"name": "b", "type": "int"}, {"name": "c", "type": "int"}, {"name": "d", "type": "int"}"#,
    );
    let decoded =
        decode(&reader, &writer, [framed(&[0, 0, 0]), framed(&[0, 0, 2, 2]), framed(&[2, 2, 0, 2, 4])]);
    assert_eq!(
        refusals(&decoded),
        [
            (0, "MissingField", "a: null, expected an int"),
            (1, "WrongType", "b: the writer's string cannot be read as an int"),
            (2, "WrongType", "b: the writer's string cannot be read as an int"),
        ]
    );
}

#[test]
fn a_batch_with_an_unresolved_schema_is_left_alone() {
    let mut decoder = AvroDecoder::new(&RowSchema::parse(SHOP).unwrap());
    let other = |id: u8| [&[0, 0, 0, 0, id][..], GOOD].concat();
    let messages = batch([vec![1], framed(GOOD), other(9), framed(GOOD), other(8), other(9)]);
    assert_eq!(decoder.unresolved_schema_ids(&messages), BTreeMap::from([(ID, 1), (9, 2), (8, 4)]));
    assert_eq!(decoder.decode(&messages).unwrap_err(), UnresolvedSchema { id: ID, message: 1 });
    decoder.add_writer_schema(ID, SHOP);
    assert_eq!(decoder.decode(&messages).unwrap_err(), UnresolvedSchema { id: 9, message: 2 });
    decoder.add_writer_schema(9, SHOP);
    decoder.mark_schema_not_found(8);
    assert_eq!(decoder.unresolved_schema_ids(&messages), BTreeMap::new());
    let outcome = decoder.decode(&messages).unwrap();
    assert_eq!(outcome.messages, [1, 2, 3, 5]);
    assert_eq!(reasons_of(&outcome), [(0, "MalformedAvro"), (4, "UnknownSchemaId")]);
    // The registry has found it at last.
    decoder.add_writer_schema(8, SHOP);
    assert_eq!(decoder.decode(&messages).unwrap().messages, [1, 2, 3, 4, 5]);
    decoder.forget_schema(9);
    assert_eq!(decoder.unresolved_schema_ids(&messages), BTreeMap::from([(9, 2)]));
    assert_eq!(decoder.decode(&messages).unwrap_err().message, 2);
}

#[test]
fn a_schema_text_that_does_not_parse_refuses_its_messages() {
    for text in ["", "{", "\"nonsense\"", "17"] {
        let decoded = decode(SHOP, text, [framed(GOOD), framed(&[])]);
        assert_eq!(reasons_of(&decoded), [(0, "WrongType"), (1, "WrongType")], "{text}");
        assert!(decoded.refused[0].detail.contains("writer schema 16909060 is not an Avro schema"));
    }
}

#[test]
fn a_writers_invalid_default_does_not_matter() {
    let writer = r#"{"type": "record", "name": "Row", "fields": [
        {"name": "id", "type": "string", "default": null}, {"name": "count", "type": "int", "default": "0"}]}"#;
    assert!(Schema::parse_str(writer).is_err());
    assert_eq!(rows(&decode(SHOP, writer, [framed(GOOD)])), [[Cell::text("a"), Cell::Integer(7)]]);
}

#[test]
fn ints_and_longs_are_read_to_both_ends_and_not_beyond() {
    for (datum, expected) in [
        (&[0][..], 0),
        (&[1], -1),
        (&[2], 1),
        (&[0x80, 1], 64),
        (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MAX)),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MIN)),
        (&[0x82, 0x00], 1),
        (&[0x82, 0x80, 0x80, 0x80, 0x00], 1),
    ] {
        assert_eq!(one_of(r#""int""#, r#""int""#, datum), Ok(Cell::Integer(expected)), "{datum:?}");
        assert_eq!(one_of(r#""long""#, r#""long""#, datum), Ok(Cell::Integer(expected)), "{datum:?}");
    }
    for datum in [
        &[0x80, 0x80, 0x80, 0x80, 0x10][..],
        &[0xff, 0xff, 0xff, 0xff, 0x1f],
        &[0x82, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        assert_eq!(reason_of(r#""int""#, r#""int""#, datum), "MalformedAvro", "{datum:?}");
        assert_eq!(reason_of(r#""int""#, r#""long""#, datum), "MalformedAvro", "{datum:?}");
    }
    let widest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(one_of(r#""long""#, r#""long""#, &widest), Ok(Cell::Integer(i64::MIN)));
    for datum in [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0x80; 20],
    ] {
        assert_eq!(reason_of(r#""long""#, r#""long""#, datum), "MalformedAvro", "{datum:?}");
    }
}

#[test]
fn scalars_that_cannot_be_are_malformed_read_or_skipped() {
    let cases: [(&str, &[u8]); 12] = [
        (r#""boolean""#, &[2]),
        (r#""boolean""#, &[255]),
        (r#""string""#, &[1]),
        (r#""string""#, &[4, b'a']),
        (r#""string""#, &[2, 0xff]),
        (r#""string""#, &[6, 0xed, 0xa0, 0x80]),
        (r#""bytes""#, &[1]),
        (r#""bytes""#, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#, &[4]),
        (r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#, &[1]),
        (r#"["null", "int"]"#, &[4]),
        (r#"["null", "int"]"#, &[1]),
    ];
    for (kind, datum) in cases {
        assert_eq!(reason_of(kind, kind, datum), "MalformedAvro", "{kind} {datum:?}");
        let writer =
            record_of(&format!(r#"{{"name": "skipped", "type": {kind}}}, {{"name": "v", "type": "int"}}"#));
        let decoded = decode(&record_of_one(r#""int""#), &writer, [framed(&[datum, &[0]].concat())]);
        assert_eq!(reasons_of(&decoded), [(0, "MalformedAvro")], "{kind} {datum:?}");
    }
}

#[test]
fn doubles_may_be_anything() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE] {
        assert_eq!(one_of(r#""double""#, r#""double""#, &value.to_le_bytes()), Ok(Cell::double(value)));
    }
    let bits = f32::NEG_INFINITY.to_bits();
    assert_eq!(one_of(r#""float""#, r#""float""#, &bits.to_le_bytes()), Ok(Cell::Float(bits.into())));
}

/// Reads the array as a column, and skips it as a field that the row does not have.
fn both_ways(writer: &str, reader: &str, datum: &[u8]) -> (String, String) {
    let read = reason_of(writer, reader, datum);
    let two =
        record_of(&format!(r#"{{"name": "skipped", "type": {writer}}}, {{"name": "v", "type": "int"}}"#));
    let decoded = decode(&record_of_one(r#""int""#), &two, [framed(&[datum, &[14]].concat())]);
    let skipped = refusals(&decoded).first().map_or("row", |(_, reason, _)| *reason).to_owned();
    (read, skipped)
}

#[test]
fn arrays_and_maps_come_in_blocks() {
    let ints = r#"{"type": "array", "items": "int"}"#;
    let list = |values: &[i64]| Ok(Cell::List(values.iter().copied().map(Cell::Integer).collect()));
    for (datum, expected) in [
        (&[0][..], &[][..]),
        (&[4, 2, 4, 0], &[1, 2]),
        (&[2, 2, 4, 4, 6, 0], &[1, 2, 3]),
        (&[3, 4, 2, 4, 0], &[1, 2]),
        (&[1, 2, 2, 2, 4, 0], &[1, 2]),
    ] {
        assert_eq!(one_of(ints, ints, datum), list(expected), "{datum:?}");
        assert_eq!(both_ways(ints, ints, datum).1, "row", "{datum:?}");
    }
    let map = r#"{"type": "map", "values": "int"}"#;
    let expected = Cell::Map([("a".to_owned(), Cell::Integer(3)), ("b".to_owned(), Cell::Integer(2))].into());
    for datum in [
        &[6, 2, b'a', 2, 2, b'b', 4, 2, b'a', 6, 0][..],
        &[4, 2, b'a', 2, 2, b'b', 4, 2, 2, b'a', 6, 0],
        &[5, 18, 2, b'a', 2, 2, b'b', 4, 2, b'a', 6, 0],
    ] {
        assert_eq!(one_of(map, map, datum), Ok(expected.clone()), "{datum:?}");
        assert_eq!(both_ways(map, map, datum).1, "row", "{datum:?}");
    }
}

#[test]
fn impossible_blocks_are_malformed_at_once() {
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    let lowest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let bodies: Vec<Vec<u8>> = vec![
        [&huge[..], &[2, 0]].concat(),
        [&lowest[..], &[2, 2, 0]].concat(),
        vec![40, 2, 0],
        vec![3, 1, 2, 4, 0],
        vec![3, 40, 2, 4, 0],
        vec![3, 2, 2, 4, 0],
        vec![3, 6, 2, 4, 0],
        vec![4, 2, 4],
    ];
    for body in bodies {
        for (writer, reader) in [
            (r#"{"type": "array", "items": "int"}"#, r#"{"type": "array", "items": "int"}"#),
            (
                r#"{"type": "array", "items": ["null", "int"]}"#,
                r#"{"type": "array", "items": ["null", "int"]}"#,
            ),
            (r#"{"type": "map", "values": "int"}"#, r#"{"type": "map", "values": "int"}"#),
            (r#"{"type": "map", "values": "null"}"#, r#"{"type": "map", "values": ["null", "int"]}"#),
        ] {
            let (read, skipped) = both_ways(writer, reader, &body);
            assert_eq!(
                (read.as_str(), skipped.as_str()),
                ("MalformedAvro", "MalformedAvro"),
                "{writer} {body:?}"
            );
        }
    }
}

#[test]
fn items_that_take_no_bytes_neither_spin_nor_allocate() {
    let nulls = r#"{"type": "array", "items": "null"}"#;
    let optional = r#"{"type": "array", "items": ["null", "int"]}"#;
    assert_eq!(one_of(nulls, optional, &[6, 0]), Ok(Cell::List(vec![Cell::Null; 3])));
    assert_eq!(both_ways(nulls, optional, &[6, 0]).1, "row");
    assert_eq!(both_ways(nulls, optional, &[5, 0, 0]).1, "row");
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0];
    assert_eq!(both_ways(nulls, optional, &huge), ("MalformedAvro".to_owned(), "MalformedAvro".to_owned()));
    // Many blocks that each claim a little less.
    let many = [&[0x80, 0x80, 0x40].repeat(3)[..], &[0]].concat();
    assert_eq!(both_ways(nulls, optional, &many), ("MalformedAvro".to_owned(), "MalformedAvro".to_owned()));
    let empty = r#"{"type": "array", "items": {"type": "record", "name": "E", "fields": [
        {"name": "n", "type": "null"}, {"name": "f", "type": {"type": "fixed", "name": "F", "size": 0}}]}}"#;
    assert_eq!(both_ways(empty, r#""int""#, &huge), ("MalformedAvro".to_owned(), "MalformedAvro".to_owned()));
    assert_eq!(both_ways(empty, r#""int""#, &[6, 0]), ("WrongType".to_owned(), "row".to_owned()));
}

#[test]
fn recursive_writers_are_skipped_without_recursion() {
    const DEPTH: usize = 1_000_000;
    let writer = record_of(
        r#"{"name": "chain", "type": ["null", {"type": "record", "name": "Link", "fields": [
                {"name": "next", "type": ["null", "Link"]}, {"name": "links", "type": {"type": "array", "items": "Link"}}]}]},
           {"name": "v", "type": "int"}"#,
    );
    let deep = [vec![2; DEPTH], vec![0], vec![0; DEPTH], vec![14]].concat();
    let reader = record_of_one(r#""int""#);
    assert_eq!(rows(&decode(&reader, &writer, [framed(&deep)])), [[Cell::Integer(7)]]);
    assert_eq!(reasons_of(&decode(&reader, &writer, [framed(&deep[..DEPTH + 5])])), [(0, "MalformedAvro")]);
}

#[test]
fn a_type_without_finite_values_is_malformed_and_not_endless() {
    let writer = record_of(
        r#"{"name": "v", "type": "int"},
           {"name": "loop", "type": ["null", {"type": "record", "name": "Loop", "fields": [{"name": "again", "type": "Loop"}]}]}"#,
    );
    let decoded = decode(
        &record_of_one(r#""int""#),
        &writer,
        [framed(&[14, 0]), framed(&[14, 2]), framed(&[14, 2, 2, 2])],
    );
    assert_eq!(reasons_of(&decoded), [(1, "MalformedAvro"), (2, "MalformedAvro")]);
    let endless = r#"{"type": "record", "name": "Row", "fields": [{"name": "v", "type": "Row"}]}"#;
    let decoded = decode(&record_of_one(r#""int""#), endless, [framed(&[14])]);
    assert_eq!(reasons_of(&decoded), [(0, "MalformedAvro")]);
}
