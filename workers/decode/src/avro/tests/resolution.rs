//! Writer's and reader's schemas that differ.

use super::*;
use crate::testing::record_of;

const INT: &str = r#""int""#;
const LONG: &str = r#""long""#;
const FLOAT: &str = r#""float""#;
const DOUBLE: &str = r#""double""#;
const STRING: &str = r#""string""#;
const BYTES: &str = r#""bytes""#;
const BOOLEAN: &str = r#""boolean""#;

fn float(value: f32) -> Cell {
    Cell::Float(value.to_bits().into())
}

#[test]
fn numbers_and_text_are_promoted() {
    let quarter = 0.25f32.to_le_bytes();
    for (writer, reader, datum, expected) in [
        (INT, LONG, &[3][..], Cell::Integer(-2)),
        (INT, FLOAT, &[3], float(-2.0)),
        (INT, DOUBLE, &[3], Cell::double(-2.0)),
        (LONG, FLOAT, &[3], float(-2.0)),
        (LONG, DOUBLE, &[3], Cell::double(-2.0)),
        (FLOAT, DOUBLE, &quarter, Cell::double(0.25)),
        (STRING, BYTES, &[4, 0xc3, 0xa9], Cell::Binary(vec![0xc3, 0xa9])),
        (BYTES, STRING, &[4, 0xc3, 0xa9], Cell::text("é")),
        (INT, r#"{"type": "int", "logicalType": "date"}"#, &[3], Cell::Integer(-2)),
        (r#"{"type": "int", "logicalType": "date"}"#, INT, &[3], Cell::Integer(-2)),
        (INT, r#"["null", "long"]"#, &[3], Cell::Integer(-2)),
        (r#"["int", "null"]"#, r#"["null", "long"]"#, &[0, 3], Cell::Integer(-2)),
        (r#"["int", "null"]"#, r#"["null", "long"]"#, &[2], Cell::Null),
        (r#"["null", "int"]"#, LONG, &[2, 3], Cell::Integer(-2)),
        (r#"["boolean", "int", "string"]"#, LONG, &[2, 3], Cell::Integer(-2)),
        (r#"["int"]"#, LONG, &[0, 3], Cell::Integer(-2)),
        (r#""null""#, r#"["null", "long"]"#, &[], Cell::Null),
    ] {
        assert_eq!(one_of(writer, reader, datum), Ok(expected), "{writer} to {reader}");
    }
}

#[test]
fn what_does_not_resolve_is_the_wrong_type() {
    let eight = [0; 8];
    for (writer, reader, datum) in [
        (LONG, INT, &[2][..]),
        (FLOAT, INT, &[0, 0, 0, 0]),
        (DOUBLE, FLOAT, &eight),
        (DOUBLE, LONG, &eight),
        (STRING, INT, &[2, b'1']),
        (INT, STRING, &[2]),
        (BOOLEAN, INT, &[1]),
        (INT, BOOLEAN, &[0]),
        (r#"{"type": "array", "items": "int"}"#, INT, &[0]),
        (INT, r#"{"type": "array", "items": "int"}"#, &[0]),
        (r#"{"type": "map", "values": "int"}"#, r#"{"type": "array", "items": "int"}"#, &[0]),
        (r#"["int", "string"]"#, INT, &[2, 0]),
        (r#"{"type": "fixed", "name": "F", "size": 1}"#, BYTES, &[0]),
        (BYTES, r#"{"type": "fixed", "name": "F", "size": 1}"#, &[2, 0]),
        (r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#, STRING, &[0]),
        (r#"{"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}"#, INT, &[0]),
        (BYTES, STRING, &[2, 0xff]),
    ] {
        assert_eq!(reason_of(writer, reader, datum), "WrongType", "{writer} to {reader}");
    }
}

#[test]
fn null_where_the_reader_has_none_is_missing() {
    assert_eq!(
        one_of(r#"["null", "int"]"#, INT, &[0]),
        Err(("MissingField".to_owned(), "v: null, expected an int".to_owned()))
    );
    assert_eq!(reason_of(r#""null""#, INT, &[]), "MissingField");
    let writer = r#"{"type": "array", "items": ["null", "int"]}"#;
    let reader = r#"{"type": "array", "items": "int"}"#;
    assert_eq!(
        one_of(writer, reader, &[6, 2, 2, 0, 2, 4, 0]),
        Err(("MissingField".to_owned(), "v[1]: null, expected an int".to_owned()))
    );
}

#[test]
fn fields_are_matched_by_name_and_alias_skipped_and_defaulted() {
    let writer = r#"{"type": "record", "name": "Other", "namespace": "far", "fields": [
        {"name": "extra", "type": {"type": "map", "values": {"type": "array", "items": ["null", "string"]}}},
        {"name": "old_name", "type": "int"},
        {"name": "kept", "type": "string"},
        {"name": "more", "type": {"type": "record", "name": "M", "fields": [{"name": "b", "type": "boolean"}]}}]}"#;
    let reader = record_of(
        r#"{"name": "kept", "type": "string"},
           {"name": "renamed", "aliases": ["older_name", "old_name"], "type": "long"},
           {"name": "fresh", "type": ["null", "int"], "default": null},
           {"name": "answer", "type": "int", "default": 42}"#,
    );
    let datum = [2, 2, b'k', 4, 0, 2, 2, b'x', 0, 0, 10, 4, b'o', b'k', 1];
    let decoded = decode(&reader, writer, [framed(&datum)]);
    assert_eq!(refusals(&decoded), []);
    assert_eq!(rows(&decoded), [[Cell::text("ok"), Cell::Integer(5), Cell::Null, Cell::Integer(42)]]);
}

#[test]
fn a_field_of_that_name_wins_over_an_alias() {
    let writer = record_of(r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}"#);
    let reader = record_of(
        r#"{"name": "b", "aliases": ["a"], "type": "int"}, {"name": "c", "aliases": ["b", "a"], "type": "int", "default": 9}"#,
    );
    assert_eq!(rows(&decode(&reader, &writer, [framed(&[2, 4])])), [[Cell::Integer(2), Cell::Integer(9)]]);
}

#[test]
fn a_field_that_the_writer_lacks_is_missing_even_if_nullable() {
    let writer = record_of(r#"{"name": "a", "type": "int"}"#);
    for kind in [INT, r#"["null", "int"]"#] {
        let reader =
            record_of(&format!(r#"{{"name": "a", "type": "int"}}, {{"name": "b", "type": {kind}}}"#));
        assert_eq!(
            refusals(&decode(&reader, &writer, [framed(&[2])])),
            [(0, "MissingField", "b: the writer's schema lacks it and there is no default, expected an int")]
        );
    }
}

#[test]
fn a_row_is_read_from_a_record_or_a_union_of_records_only() {
    let reader = record_of_one(INT);
    let union = format!(r#"["null", {}, {}]"#, record_of_one(INT), STRING);
    let messages =
        [framed(&[2, 14]), framed(&[0]), framed(&[4, 2, b'x']), framed(&[6]), framed(&[4, 2, b'x', 0])];
    let decoded = decode(&reader, &union, messages);
    assert_eq!(rows(&decoded), [[Cell::Integer(7)]]);
    assert_eq!(
        refusals(&decoded),
        [
            (1, "WrongType", "the writer's null cannot be read as a record"),
            (2, "WrongType", "the writer's string cannot be read as a record"),
            (3, "MalformedAvro", "a union has no such branch at byte 5"),
            (4, "TrailingBytes", "1 bytes follow the datum"),
        ]
    );
    assert_eq!(refusals(&decode(&reader, STRING, [framed(&[2, b'x'])]))[0].1, "WrongType");
    assert_eq!(refusals(&decode(&reader, STRING, [framed(&[4, b'x'])]))[0].1, "MalformedAvro");
}

#[test]
fn enums_resolve_by_symbol_with_the_readers_default() {
    let writer = r#"{"type": "enum", "name": "W", "symbols": ["C", "B", "A"]}"#;
    let reader = r#"{"type": "enum", "name": "R", "symbols": ["A", "B"]}"#;
    let forgiving = r#"{"type": "enum", "name": "R", "symbols": ["A", "B", "OTHER"], "default": "OTHER"}"#;
    assert_eq!(one_of(writer, reader, &[4]), Ok(Cell::text("A")));
    assert_eq!(one_of(writer, reader, &[2]), Ok(Cell::text("B")));
    assert_eq!(
        one_of(writer, reader, &[0]),
        Err(("WrongType".to_owned(), "v: found the symbol C, which the schema lacks".to_owned()))
    );
    assert_eq!(one_of(writer, forgiving, &[0]), Ok(Cell::text("OTHER")));
    assert_eq!(reason_of(writer, forgiving, &[6]), "MalformedAvro");
}

#[test]
fn fixed_types_resolve_by_name_and_size() {
    let fixed = |name: &str, size: usize| format!(r#"{{"type": "fixed", "name": "{name}", "size": {size}}}"#);
    let aliased = r#"{"type": "fixed", "name": "New", "aliases": ["x.Old"], "size": 2}"#;
    assert_eq!(one_of(&fixed("a.F", 2), &fixed("b.F", 2), &[1, 2]), Ok(Cell::Binary(vec![1, 2])));
    assert_eq!(one_of(&fixed("Old", 2), aliased, &[1, 2]), Ok(Cell::Binary(vec![1, 2])));
    assert_eq!(reason_of(&fixed("F", 2), &fixed("G", 2), &[1, 2]), "WrongType");
    assert_eq!(reason_of(&fixed("F", 2), &fixed("F", 3), &[1, 2]), "WrongType");
    assert_eq!(reason_of(&fixed("F", 2), &fixed("G", 2), &[1]), "MalformedAvro");
}

#[test]
fn decimals_resolve_where_the_scale_is_the_same() {
    let bytes = |precision: u8, scale: u8| {
        format!(
            r#"{{"type": "bytes", "logicalType": "decimal", "precision": {precision}, "scale": {scale}}}"#
        )
    };
    let fixed = |precision: u8, scale: u8| {
        format!(
            r#"{{"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": {precision}, "scale": {scale}}}"#
        )
    };
    assert_eq!(one_of(&bytes(4, 2), &bytes(4, 2), &[4, 0xff, 0x38]), Ok(Cell::Decimal(-200)));
    assert_eq!(one_of(&bytes(9, 2), &bytes(4, 2), &[4, 0xff, 0x38]), Ok(Cell::Decimal(-200)));
    assert_eq!(one_of(BYTES, &bytes(4, 2), &[4, 0xff, 0x38]), Ok(Cell::Decimal(-200)));
    assert_eq!(one_of(&bytes(4, 2), BYTES, &[4, 0xff, 0x38]), Ok(Cell::Binary(vec![0xff, 0x38])));
    assert_eq!(one_of(&fixed(4, 2), &fixed(4, 2), &[0xff, 0x38]), Ok(Cell::Decimal(-200)));
    assert_eq!(reason_of(&bytes(4, 2), &bytes(4, 1), &[4, 0xff, 0x38]), "WrongType");
    assert_eq!(reason_of(&bytes(4, 2), &fixed(4, 2), &[4, 0xff, 0x38]), "WrongType");
    assert_eq!(reason_of(&fixed(4, 2), &bytes(4, 2), &[0xff, 0x38]), "WrongType");
    assert_eq!(
        one_of(&bytes(9, 2), &bytes(2, 2), &[4, 0xff, 0x38]),
        Err(("WrongType".to_owned(), "v: found a number of 2 bytes, expected a decimal(2, 2)".to_owned()))
    );
    assert_eq!(reason_of(&bytes(4, 2), &bytes(4, 2), &[0]), "WrongType");
}

#[test]
fn timestamps_of_other_units_are_converted_to_microseconds() {
    let stamp = |name: &str| format!(r#"{{"type": "long", "logicalType": "{name}"}}"#);
    let (millis, micros, nanos) =
        (stamp("timestamp-millis"), stamp("timestamp-micros"), stamp("timestamp-nanos"));
    for (writer, reader, expected) in [
        (&millis, &millis, -2000),
        (&millis, &micros, -2000),
        (&micros, &millis, -2),
        (&micros, &micros, -2),
        (&nanos, &micros, -1),
        (&stamp("local-timestamp-millis"), &micros, -2000),
        (&LONG.to_owned(), &millis, -2000),
        (&LONG.to_owned(), &micros, -2),
        (&INT.to_owned(), &millis, -2000),
        (&millis, &LONG.to_owned(), -2),
    ] {
        assert_eq!(one_of(writer, reader, &[3]), Ok(Cell::Integer(expected)), "{writer} to {reader}");
    }
    let lowest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(reason_of(&millis, &millis, &lowest), "WrongType");
    assert_eq!(one_of(&micros, &micros, &lowest), Ok(Cell::Integer(i64::MIN)));
}

#[test]
fn uuids_are_text_however_they_travel() {
    let text = "0187c3a2-0000-7abc-8def-0123456789ab";
    let string = r#"{"type": "string", "logicalType": "uuid"}"#;
    let fixed = r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#;
    let written = [&[72][..], text.as_bytes()].concat();
    let bytes = [0x01, 0x87, 0xc3, 0xa2, 0, 0, 0x7a, 0xbc, 0x8d, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab];
    assert_eq!(one_of(string, string, &written), Ok(Cell::text(text)));
    assert_eq!(one_of(STRING, string, &written), Ok(Cell::text(text)));
    assert_eq!(one_of(BYTES, string, &written), Ok(Cell::text(text)));
    assert_eq!(one_of(string, STRING, &written), Ok(Cell::text(text)));
    assert_eq!(one_of(fixed, fixed, &bytes), Ok(Cell::text(text)));
    assert_eq!(reason_of(STRING, string, &[2, b'x']), "WrongType");
    assert_eq!(reason_of(fixed, string, &bytes), "WrongType");
}

#[test]
fn nested_records_arrays_and_maps_resolve_element_by_element() {
    let writer = record_of(
        r#"{"name": "sites", "type": {"type": "array", "items": {"type": "record", "name": "Site", "fields": [
                {"name": "noise", "type": "boolean"},
                {"name": "lon", "type": ["null", "float"]},
                {"name": "lat", "type": "int"},
                {"name": "tags", "type": {"type": "map", "values": "int"}}]}}}"#,
    );
    let reader = record_of(
        r#"{"name": "sites", "type": {"type": "array", "items": {"type": "record", "name": "Place", "fields": [
                {"name": "lat", "type": "double"},
                {"name": "lon", "type": "double"},
                {"name": "tags", "type": {"type": "map", "values": ["null", "long"]}},
                {"name": "name", "type": "string", "default": "?"}]}}}"#,
    );
    let site = |lon: Option<f32>| match lon {
        Some(lon) => [&[1, 2][..], &lon.to_le_bytes(), &[6, 2, 2, b't', 4, 0]].concat(),
        None => vec![1, 0, 6, 0],
    };
    let good = [&[4][..], &site(Some(0.5)), &site(Some(1.5)), &[0]].concat();
    let bad = [&[4][..], &site(Some(0.5)), &site(None), &[0]].concat();
    let decoded = decode(&reader, &writer, [framed(&good), framed(&bad), framed(&good), framed(&[0])]);
    let place = |lon: f64| {
        let tags = Cell::Map([("t".to_owned(), Cell::Integer(2))].into());
        Cell::Record(vec![Cell::double(3.0), Cell::double(lon), tags, Cell::text("?")])
    };
    let row = [Cell::List(vec![place(0.5), place(1.5)])];
    assert_eq!(rows(&decoded), [row.clone(), row, [Cell::List(vec![])]]);
    assert_eq!(refusals(&decoded), [(1, "MissingField", "sites[1].lon: null, expected a double")]);
}

#[test]
fn a_nested_field_that_the_writer_lacks_matters_only_where_there_is_a_record() {
    let inner =
        |fields: &str| format!(r#"["null", {{"type": "record", "name": "I", "fields": [{fields}]}}]"#);
    let writer = inner(r#"{"name": "a", "type": "int"}"#);
    let reader = inner(r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}"#);
    assert_eq!(one_of(&writer, &reader, &[0]), Ok(Cell::Null));
    let (reason, detail) = one_of(&writer, &reader, &[2, 2]).unwrap_err();
    assert_eq!(reason, "MissingField");
    assert!(detail.starts_with("v.b: the writer's schema lacks it"), "{detail}");
}
