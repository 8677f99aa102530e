//! Which values a column takes.

use super::*;
use crate::testing::record_of;

#[test]
fn ints_and_longs_take_integer_literals_within_range() {
    for (json, expected) in [
        ("0", 0),
        ("-0", 0),
        ("17", 17),
        ("2147483647", i64::from(i32::MAX)),
        ("-2147483648", i64::from(i32::MIN)),
    ] {
        assert_eq!(one(r#""int""#, json), Ok(Cell::Integer(expected)), "{json}");
        assert_eq!(one(r#""long""#, json), Ok(Cell::Integer(expected)), "{json}");
    }
    for json in [
        "2147483648",
        "-2147483649",
        "17.0",
        "1e2",
        "1E0",
        "-0.0",
        "\"17\"",
        "true",
        "[]",
        "{}",
        "[17]",
        "99999999999999999999",
    ] {
        assert_eq!(reason(r#""int""#, json), "WrongType", "{json}");
    }
    assert_eq!(one(r#""long""#, "9223372036854775807"), Ok(Cell::Integer(i64::MAX)));
    assert_eq!(one(r#""long""#, "-9223372036854775808"), Ok(Cell::Integer(i64::MIN)));
    for json in ["9223372036854775808", "-9223372036854775809", "17.0", "1e2", "\"17\"", "false"] {
        assert_eq!(reason(r#""long""#, json), "WrongType", "{json}");
    }
}

#[test]
fn doubles_take_any_number_and_round_correctly() {
    for (json, expected) in [
        ("0", 0.0),
        ("-0", -0.0),
        ("-0.0", -0.0),
        ("17", 17.0),
        ("1e2", 100.0),
        ("0.1", 0.1),
        ("1000.01", 1000.01),
        ("9007199254740993", 9_007_199_254_740_992.0),
        ("9007199254740993.00000000000000000000000000001", 9_007_199_254_740_994.0),
        ("1.7976931348623157e308", f64::MAX),
        ("1.7976931348623158e308", f64::MAX),
        ("5e-324", 5e-324),
        ("2.4703282292062327e-324", 0.0),
        ("2.4703282292062328e-324", 5e-324),
        ("1e-400", 0.0),
        ("123456789012345678901234567890", 123_456_789_012_345_680_000_000_000_000.0),
        ("2.2250738585072011e-308", 2.225_073_858_507_201e-308),
    ] {
        assert_eq!(one(r#""double""#, json), Ok(Cell::double(expected)), "{json}");
    }
    for json in ["1e309", "-1e309", "1.7976931348623159e308", "\"1\"", "\"NaN\"", "true", "[1]", "{}"] {
        assert_eq!(reason(r#""double""#, json), "WrongType", "{json}");
    }
}

#[test]
fn floats_are_rounded_once() {
    let float = |value: f32| Ok(Cell::Float(value.to_bits().into()));
    assert_eq!(one(r#""float""#, "0.1"), float(0.1));
    // Rounded by way of a double this would be 1.0.
    assert_eq!(one(r#""float""#, "1.00000005960464484"), float(1.000_000_1));
    assert_eq!(one(r#""float""#, "3.4028235e38"), float(f32::MAX));
    for json in ["3.5e38", "1e39", "-1e39", "\"1\""] {
        assert_eq!(reason(r#""float""#, json), "WrongType", "{json}");
    }
}

#[test]
fn booleans_and_strings_take_their_own_kind_only() {
    assert_eq!(one(r#""boolean""#, "true"), Ok(Cell::Boolean(true)));
    assert_eq!(one(r#""boolean""#, "false"), Ok(Cell::Boolean(false)));
    for json in ["0", "1", "\"true\"", "[]"] {
        assert_eq!(reason(r#""boolean""#, json), "WrongType", "{json}");
    }
    for json in ["0", "true", "[]", "{}", "[\"a\"]"] {
        assert_eq!(reason(r#""string""#, json), "WrongType", "{json}");
    }
}

#[test]
fn null_is_missing_unless_the_field_is_nullable() {
    for kind in [
        r#""boolean""#,
        r#""int""#,
        r#""double""#,
        r#""string""#,
        r#""bytes""#,
        r#"{"type": "array", "items": "int"}"#,
    ] {
        assert_eq!(reason(kind, "null"), "MissingField", "{kind}");
        assert_eq!(one(&format!(r#"["null", {kind}]"#), "null"), Ok(Cell::Null), "{kind}");
    }
    let schema = record_of(r#"{"name": "v", "type": "int", "default": 3}"#);
    assert_eq!(
        refusals(&decode(&schema, [r#"{"v": null}"#])),
        [(0, "MissingField", "v: null, expected an int")]
    );
}

#[test]
fn an_absent_field_takes_its_default_else_null() {
    let fields = r#"
        {"name": "a", "type": "int", "default": -5},
        {"name": "b", "type": ["null", "string"], "default": null},
        {"name": "c", "type": ["string", "null"], "default": "x"},
        {"name": "d", "type": ["null", "double"]},
        {"name": "e", "type": {"type": "array", "items": "long"}, "default": [1, 2]},
        {"name": "f", "type": {"type": "map", "values": "boolean"}, "default": {"k": true}},
        {"name": "g", "type": {"type": "record", "name": "G", "fields": [
            {"name": "x", "type": "int"}, {"name": "y", "type": "string", "default": "yy"}]}, "default": {"x": 9}},
        {"name": "h", "type": "bytes", "default": "\u00ff\u0000a"},
        {"name": "i", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "default": "\u00ff"},
        {"name": "j", "type": {"type": "int", "logicalType": "date"}, "default": 3},
        {"name": "k", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 3},
        {"name": "l", "type": {"type": "enum", "name": "L", "symbols": ["P", "Q"]}, "default": "Q"},
        {"name": "m", "type": "double", "default": 1}"#;
    let decoded = decode(&record_of(fields), ["{}", r#"{"a": 1, "c": null, "e": [], "g": {"x": 1}}"#]);
    let rows = rows(&decoded);
    let defaults = vec![
        Cell::Integer(-5),
        Cell::Null,
        Cell::text("x"),
        Cell::Null,
        Cell::List(vec![Cell::Integer(1), Cell::Integer(2)]),
        Cell::Map([("k".to_owned(), Cell::Boolean(true))].into()),
        Cell::Record(vec![Cell::Integer(9), Cell::text("yy")]),
        Cell::Binary(vec![0xff, 0, b'a']),
        Cell::Decimal(-1),
        Cell::Integer(3),
        Cell::Integer(3000),
        Cell::text("Q"),
        Cell::double(1.0),
    ];
    assert_eq!(rows[0], defaults);
    assert_eq!(rows[1][0], Cell::Integer(1));
    assert_eq!(rows[1][2], Cell::Null);
    assert_eq!(rows[1][4], Cell::List(vec![]));
    assert_eq!(rows[1][6], Cell::Record(vec![Cell::Integer(1), Cell::text("yy")]));
}

#[test]
fn decimals_come_as_numbers_or_strings_in_plain_notation() {
    let decimal = r#"{"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}"#;
    for (json, unscaled) in [
        ("12.5", 1250),
        ("\"12.50\"", 1250),
        ("-0.01", -1),
        ("\"999.99\"", 99999),
        ("7", 700),
        ("1.500", 150),
        (r#""1\u002e5""#, 150),
    ] {
        assert_eq!(one(decimal, json), Ok(Cell::Decimal(unscaled)), "{json}");
    }
    for json in
        ["1000", "0.001", "1e2", "\"1e2\"", "\"\"", "\" 1\"", "\"+1\"", "\"NaN\"", "true", "\"1,5\"", "[]"]
    {
        assert_eq!(reason(decimal, json), "WrongType", "{json}");
    }
    // A number that a double cannot hold arrives digit by digit.
    let wide = r#"{"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}"#;
    assert_eq!(
        one(wide, "12345678901234567890.123456789012345678"),
        Ok(Cell::Decimal(12_345_678_901_234_567_890_123_456_789_012_345_678))
    );
}

#[test]
fn dates_come_as_text_or_days() {
    let date = r#"{"type": "int", "logicalType": "date"}"#;
    for (json, days) in [
        ("\"1970-01-01\"", 0),
        ("\"1969-12-31\"", -1),
        ("\"2026-01-05\"", 20458),
        ("\"0001-01-01\"", -719_162),
        ("\"9999-12-31\"", 2_932_896),
        ("20458", 20458),
        ("-3", -3),
    ] {
        assert_eq!(one(date, json), Ok(Cell::Integer(days)), "{json}");
    }
    for json in
        ["\"2026-02-30\"", "\"2026-01-05T00:00\"", "\"20260105\"", "\"20458\"", "1.0", "3000000000", "true"]
    {
        assert_eq!(reason(date, json), "WrongType", "{json}");
    }
}

#[test]
fn timestamps_come_as_text_or_numbers_of_their_unit() {
    let millis = r#"{"type": "long", "logicalType": "timestamp-millis"}"#;
    let micros = r#"{"type": "long", "logicalType": "timestamp-micros"}"#;
    assert_eq!(one(millis, "1767644130123"), Ok(Cell::Integer(1_767_644_130_123_000)));
    assert_eq!(one(micros, "1767644130123"), Ok(Cell::Integer(1_767_644_130_123)));
    for unit in [millis, micros] {
        assert_eq!(
            one(unit, "\"2026-01-05T20:15:30.1234567+01:00\""),
            Ok(Cell::Integer(1_767_640_530_123_456))
        );
        assert_eq!(one(unit, "\"2026-01-05\""), Ok(Cell::Integer(1_767_571_200_000_000)));
        for json in ["1.5", "1e3", "\"1767644130123\"", "\"yesterday\"", "true"] {
            assert_eq!(reason(unit, json), "WrongType", "{json}");
        }
    }
    assert_eq!(reason(millis, "9223372036854775807"), "WrongType");
    assert_eq!(one(micros, "9223372036854775807"), Ok(Cell::Integer(i64::MAX)));
}

#[test]
fn bytes_and_fixed_come_in_base64() {
    for (json, bytes) in [
        ("\"\"", vec![]),
        ("\"AAEC/w==\"", vec![0, 1, 2, 255]),
        (r#""AAEC\/w==""#, vec![0, 1, 2, 255]),
        ("\"+/+/\"", vec![251, 255, 191]),
    ] {
        assert_eq!(one(r#""bytes""#, json), Ok(Cell::Binary(bytes)), "{json}");
    }
    for json in ["\"AAEC/w\"", "\"-_-_\"", "\"A\"", "\"AAEC/w==\\n\"", "\"é\"", "[1]", "1"] {
        assert_eq!(reason(r#""bytes""#, json), "WrongType", "{json}");
    }
    let fixed = r#"{"type": "fixed", "name": "F", "size": 4}"#;
    assert_eq!(one(fixed, "\"AAEC/w==\""), Ok(Cell::Binary(vec![0, 1, 2, 255])));
    assert_eq!(reason(fixed, "\"AAEC\""), "WrongType");
    assert_eq!(reason(fixed, "\"AAEC/wA=\""), "WrongType");
}

#[test]
fn enums_and_uuids_are_checked() {
    let suit = r#"{"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"], "default": "HEARTS"}"#;
    assert_eq!(one(suit, "\"SPADES\""), Ok(Cell::text("SPADES")));
    assert_eq!(one(suit, r#""SPADE\u0053""#), Ok(Cell::text("SPADES")));
    for json in ["\"spades\"", "\"CLUBS\"", "\"\"", "1"] {
        assert_eq!(reason(suit, json), "WrongType", "{json}");
    }
    for uuid in [
        r#"{"type": "string", "logicalType": "uuid"}"#,
        r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#,
    ] {
        let text = "0187C3a2-0000-7abc-8def-0123456789ab";
        assert_eq!(one(uuid, &format!("\"{text}\"")), Ok(Cell::text(text)));
        for json in [
            "\"0187c3a200007abc8def0123456789ab\"",
            "\"{0187c3a2-0000-7abc-8def-0123456789ab}\"",
            "\"0187c3a2-0000-7abc-8def-0123456789ag\"",
            "1",
        ] {
            assert_eq!(reason(uuid, json), "WrongType", "{json}");
        }
    }
}
