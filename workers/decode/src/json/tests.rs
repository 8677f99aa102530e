use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::testing::{Cell, TRANSACTION, batch, message, record_of, record_of_one, refusals, rows};

fn decode<V: AsRef<[u8]>>(schema: &str, values: impl IntoIterator<Item = V>) -> Decoded {
    JsonDecoder::new(&RowSchema::parse(schema).unwrap()).decode(&batch(values))
}

/// The value of field `v`, or reason and detail.
fn one(field_type: &str, json: &str) -> Result<Cell, (String, String)> {
    let decoded = decode(&record_of_one(field_type), [format!(r#"{{"v": {json}}}"#)]);
    match rows(&decoded).pop() {
        Some(row) => Ok(row[0].clone()),
        None => {
            let (_, reason, detail) = refusals(&decoded)[0];
            Err((reason.to_owned(), detail.to_owned()))
        }
    }
}

fn reason(field_type: &str, json: &str) -> String {
    one(field_type, json).map_or_else(|(reason, _)| reason, |cell| format!("{cell:?}"))
}

/// The reason why a message is refused by a schema that takes every object.
fn verdict(message: &[u8]) -> Option<String> {
    let decoded = decode(&record_of_one(r#"["null", "string"]"#), [message]);
    refusals(&decoded).first().map(|(_, reason, _)| (*reason).to_owned())
}

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
        let decoded = decoder.decode(&messages);
        assert_eq!(rows(&decoded), [good_row(), good_row()]);
        assert_eq!(decoded.messages, [0, 5]);
        let reasons: Vec<_> = refusals(&decoded).iter().map(|(index, reason, _)| (*index, *reason)).collect();
        assert_eq!(reasons, [(1, "EmptyValue"), (2, "WrongType"), (3, "EmptyValue"), (4, "MalformedJson")]);
    }
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
    let decoded = decode(&record_of_one(r#""int""#), [r#"{"V": 1}"#, r#"{"x": [{"v": 1}], "v": 2, "v ": 3, "": 4}"#]);
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
            assert_eq!(rows(&decoded), [expected.clone()]);
        }
    }
}

#[test]
fn the_first_faulty_field_in_schema_order_gives_the_reason() {
    let fields = r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}"#;
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

#[test]
fn anything_but_one_object_is_malformed() {
    for text in [
        " ", "null", "true", "1", "\"x\"", "[]", "[{}]", "{}{}", "{} {}", "{}x", "{},", "{}]", "{", "}", "{}}", "{{}}",
        "\u{feff}{}", "{}\u{feff}", "\u{a0}{}", "\u{b}{}", "\u{c}{}", "{}\0", "\0", "NaN", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{,\"a\":1}", "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{\"a\" 1}", "{a:1}", "{'a':1}",
        "{\"a\":'x'}", "{1:1}", "{null:1}", "{\"a\":1,,\"b\":2}", "{\"a\"::1}", "// c\n{}", "{}// c", "{/**/}",
        "{\"a\":[}", "{\"a\":[1}", "{\"a\":[1]", "{\"a\":{]}", "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1 2]}",
        "{\"a\":[1:2]}", "{\"a\":{\"b\"}}", "{\"a\":{\"b\":1,}}", "{\"a\":{1:2}}", "{\"a\":]}", "{\"a\":[]]}",
    ] {
        assert_eq!(verdict(text.as_bytes()).as_deref(), Some("MalformedJson"), "{text:?}");
    }
    for text in ["{}", " \t\r\n{ \t\r\n} \t\r\n", "{\"\":{}}", "{\"a\":[[],{},[{}]]}", "{\"a\" : [ ] , \"b\" : { } }"] {
        assert_eq!(verdict(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn literals_and_numbers_follow_the_grammar_in_unknown_fields_too() {
    for value in [
        "01", "-01", "00", "+1", ".5", "-.5", "1.", "1.e1", "-", "--1", "1e", "1e+", "1E-", "1e1.5", "0x10", "1_000",
        "1,5", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "True", "TRUE", "tru", "truee", "nul", "nulll",
        "None", "undefined", "１", "1f", "1d", "1L", "0b1", "1 2", "1e1e1", "\\u0031",
    ] {
        for text in [format!("{{\"x\":{value}}}"), format!("{{\"v\":{value}}}"), format!("{{\"x\":[{value}]}}")] {
            if text == "{\"x\":[1,5]}" {
                continue;
            }
            assert_eq!(verdict(text.as_bytes()).as_deref(), Some("MalformedJson"), "{text}");
        }
    }
    for value in ["0", "-0", "10", "1e5", "1E+5", "1e-5", "-1.5e10", "0.0", "0e0", "1e999999", "123456789012345678901234567890"] {
        assert_eq!(verdict(format!("{{\"x\":{value}}}").as_bytes()), None, "{value}");
        assert_eq!(verdict(format!("{{\"x\":[{value}, {value} ]}}").as_bytes()), None, "{value}");
    }
}

#[test]
fn strings_follow_the_grammar_in_keys_values_and_nested_places() {
    let bad = [
        r"\ud800", r"\ud800x", r"\udc00", r"\udbff\ud800", r"\ud83d\u0041", r"\ud83d\\ude00", r"\ud83d \ude00", r"\ude00\ud83d",
        r"\uD800\n", r"\u12", r"\u12g4", r"\u+123", r"\u 123", r"\u{12}", r"\x41", r"\0", r"\'", r"\a", r"\v", r"\U0041",
        "\n", "\t", "\r", "\0", "\u{1f}", "a\u{1}b", "abcdefgh\u{2}", "abcdefg\u{1f}", r"\", r#"\"#,
    ];
    for string in bad {
        for text in [
            format!("{{\"v\":\"{string}\"}}"),
            format!("{{\"x\":\"{string}\"}}"),
            format!("{{\"{string}\":1}}"),
            format!("{{\"x\":[{{\"y\":\"{string}\"}}]}}"),
            format!("{{\"x\":[{{\"{string}\":0}}]}}"),
        ] {
            assert_eq!(verdict(text.as_bytes()).as_deref(), Some("MalformedJson"), "{text:?}");
        }
    }
    for (string, expected) in [
        ("", ""),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0000", "\0"),
        (r"\u0041\u00e9\u20ac", "Aé€"),
        (r"\uD83D\uDE00", "😀"),
        (r"\ud83d\ude00\uDBFF\uDFFF\ud800\udc00", "😀\u{10ffff}\u{10000}"),
        (r"\ud7ff\ue000\uffff", "\u{d7ff}\u{e000}\u{ffff}"),
        ("plain é€😀 \u{7f}\u{80}\u{2028}\u{feff}", "plain é€😀 \u{7f}\u{80}\u{2028}\u{feff}"),
        ("a long string without anything special in it, of more than eight bytes", "a long string without anything special in it, of more than eight bytes"),
        (r"abcdefgh\u0069jklmnop\/", "abcdefghijklmnop/"),
        ("'{}[]:,/", "'{}[]:,/"),
    ] {
        assert_eq!(one(r#""string""#, &format!("\"{string}\"")), Ok(Cell::text(expected)), "{string}");
    }
}

#[test]
fn every_single_character_is_seen_at_every_place_of_a_string() {
    for length in 0..20 {
        for at in 0..length {
            for (character, accepted) in [('"', false), ('\\', false), ('\u{1f}', false), (' ', true), ('\u{7f}', true), ('!', true), ('#', true), ('é', true), ('[', true), (']', true)] {
                let text: String = (0..length).map(|place| if place == at { character } else { 'x' }).collect();
                let outcome = one(r#""string""#, &format!("\"{text}\""));
                assert_eq!(outcome.ok(), accepted.then(|| Cell::text(&text)), "{text:?}");
            }
        }
    }
}

#[test]
fn invalid_utf8_is_malformed_anywhere() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82", b"\xf0\x9f\x98"] {
        for (before, after) in [("{\"x\":\"", "\"}"), ("{\"", "\":1}"), ("{\"v\":\"a", "b\"}"), ("{}", ""), ("", "{}"), ("{", "}"), ("{\"x\":[\"", "\"]}")] {
            let message = [before.as_bytes(), bad, after.as_bytes()].concat();
            assert_eq!(verdict(&message).as_deref(), Some("MalformedJson"), "{message:?}");
        }
    }
    let decoded = decode(&record_of_one(r#""int""#), [b"{\"v\":1, \"x\": \"\xff\"}"]);
    assert_eq!(refusals(&decoded), [(0, "MalformedJson", "invalid UTF-8 at byte 14")]);
}

#[test]
fn depth_is_no_limit() {
    const DEPTH: usize = 1_000_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        let deep = format!("{}{inner}{}", open.repeat(DEPTH), close.repeat(DEPTH));
        assert_eq!(verdict(format!("{{\"x\":{deep}}}").as_bytes()), None);
        assert_eq!(verdict(format!("{{\"v\":{deep}}}").as_bytes()).as_deref(), Some("WrongType"));
        assert_eq!(verdict(format!("{{\"x\":{}", &deep[..deep.len() - 1]).as_bytes()).as_deref(), Some("MalformedJson"));
    }
    let mixed = format!("{}{}", "[{\"a\":".repeat(1000), "}]".repeat(999));
    assert_eq!(verdict(format!("{{\"x\":{mixed}}}").as_bytes()).as_deref(), Some("MalformedJson"));
}

#[test]
fn ints_and_longs_take_integer_literals_within_range() {
    for (json, expected) in [("0", 0), ("-0", 0), ("17", 17), ("2147483647", i64::from(i32::MAX)), ("-2147483648", i64::from(i32::MIN))] {
        assert_eq!(one(r#""int""#, json), Ok(Cell::Integer(expected)), "{json}");
        assert_eq!(one(r#""long""#, json), Ok(Cell::Integer(expected)), "{json}");
    }
    for json in ["2147483648", "-2147483649", "17.0", "1e2", "1E0", "-0.0", "\"17\"", "true", "[]", "{}", "[17]", "99999999999999999999"] {
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
    for kind in [r#""boolean""#, r#""int""#, r#""double""#, r#""string""#, r#""bytes""#, r#"{"type": "array", "items": "int"}"#] {
        assert_eq!(reason(kind, "null"), "MissingField", "{kind}");
        assert_eq!(one(&format!(r#"["null", {kind}]"#), "null"), Ok(Cell::Null), "{kind}");
    }
    let schema = record_of(r#"{"name": "v", "type": "int", "default": 3}"#);
    assert_eq!(refusals(&decode(&schema, [r#"{"v": null}"#])), [(0, "MissingField", "v: null, expected an int")]);
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
    for (json, unscaled) in [("12.5", 1250), ("\"12.50\"", 1250), ("-0.01", -1), ("\"999.99\"", 99999), ("7", 700), ("1.500", 150), (r#""1\u002e5""#, 150)] {
        assert_eq!(one(decimal, json), Ok(Cell::Decimal(unscaled)), "{json}");
    }
    for json in ["1000", "0.001", "1e2", "\"1e2\"", "\"\"", "\" 1\"", "\"+1\"", "\"NaN\"", "true", "\"1,5\"", "[]"] {
        assert_eq!(reason(decimal, json), "WrongType", "{json}");
    }
    // A number that a double cannot hold arrives digit by digit.
    let wide = r#"{"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}"#;
    assert_eq!(one(wide, "12345678901234567890.123456789012345678"), Ok(Cell::Decimal(12_345_678_901_234_567_890_123_456_789_012_345_678)));
}

#[test]
fn dates_come_as_text_or_days() {
    let date = r#"{"type": "int", "logicalType": "date"}"#;
    for (json, days) in [("\"1970-01-01\"", 0), ("\"1969-12-31\"", -1), ("\"2026-01-05\"", 20458), ("\"0001-01-01\"", -719_162), ("\"9999-12-31\"", 2_932_896), ("20458", 20458), ("-3", -3)] {
        assert_eq!(one(date, json), Ok(Cell::Integer(days)), "{json}");
    }
    for json in ["\"2026-02-30\"", "\"2026-01-05T00:00\"", "\"20260105\"", "\"20458\"", "1.0", "3000000000", "true"] {
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
        assert_eq!(one(unit, "\"2026-01-05T20:15:30.1234567+01:00\""), Ok(Cell::Integer(1_767_640_530_123_456)));
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
    for (json, bytes) in [("\"\"", vec![]), ("\"AAEC/w==\"", vec![0, 1, 2, 255]), (r#""AAEC\/w==""#, vec![0, 1, 2, 255]), ("\"+/+/\"", vec![251, 255, 191])] {
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
    for uuid in [r#"{"type": "string", "logicalType": "uuid"}"#, r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#] {
        let text = "0187C3a2-0000-7abc-8def-0123456789ab";
        assert_eq!(one(uuid, &format!("\"{text}\"")), Ok(Cell::text(text)));
        for json in ["\"0187c3a200007abc8def0123456789ab\"", "\"{0187c3a2-0000-7abc-8def-0123456789ab}\"", "\"0187c3a2-0000-7abc-8def-0123456789ag\"", "1"] {
            assert_eq!(reason(uuid, json), "WrongType", "{json}");
        }
    }
}

const NESTED: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "int"},
    {"name": "location", "type": ["null", {"type": "record", "name": "Location", "fields": [
        {"name": "lat", "type": "double"},
        {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "extra", "type": ["null", {"type": "map", "values": {"type": "array", "items": "int"}}]}]}]}]}"#;

#[test]
fn nested_values_follow_the_same_rules() {
    let messages = [
        r#"{"id": 1, "location": {"unknown": [1], "tags": ["a", null, "b\n"], "lat": 9, "lat": 1.5, "extra": {"x": [1, 2], "y": []}}}"#,
        r#"{"id": 2, "location": null}"#,
        r#"{"location": {"lat": -0.5, "tags": [ ]}, "id": 3}"#,
        r#"{"id": 4}"#,
        r#"{"id": 5, "location": {"lat": 1, "tags": [], "extra": {"x": [1], "x": [2], "\u0078": [3], "z": [4]}}}"#,
    ];
    let decoded = decode(NESTED, messages);
    assert_eq!(refusals(&decoded), []);
    let numbers = |numbers: &[i64]| Cell::List(numbers.iter().copied().map(Cell::Integer).collect());
    let map = |entries: &[(&str, &[i64])]| {
        Cell::Map(entries.iter().map(|(key, values)| ((*key).to_owned(), numbers(values))).collect())
    };
    let tags = Cell::List(vec![Cell::text("a"), Cell::Null, Cell::text("b\n")]);
    let none = Cell::List(vec![]);
    assert_eq!(
        rows(&decoded),
        [
            [Cell::Integer(1), Cell::Record(vec![Cell::double(1.5), tags, map(&[("x", &[1, 2]), ("y", &[])])])],
            [Cell::Integer(2), Cell::Null],
            [Cell::Integer(3), Cell::Record(vec![Cell::double(-0.5), none.clone(), Cell::Null])],
            [Cell::Integer(4), Cell::Null],
            [Cell::Integer(5), Cell::Record(vec![Cell::double(1.0), none, map(&[("x", &[3]), ("z", &[4])])])],
        ]
    );
}

#[test]
fn a_nested_fault_names_its_path_and_leaves_no_trace() {
    let good = r#"{"id": 1, "location": {"lat": 1.5, "tags": ["a"], "extra": {"x": [1]}}}"#;
    let messages = [
        good,
        r#"{"id": 2, "location": {"tags": []}}"#,
        r#"{"id": 2, "location": {"lat": "1", "tags": []}}"#,
        r#"{"id": 2, "location": {"lat": 1, "tags": ["a", 1]}}"#,
        r#"{"id": 2, "location": {"lat": 1, "tags": {}}}"#,
        r#"{"id": 2, "location": {"lat": 1, "tags": [], "extra": {"x": [1], "k": [1, 2, 1.5]}}}"#,
        r#"{"id": 2, "location": {"lat": 1, "tags": [], "extra": {"x": [null]}}}"#,
        r#"{"id": 2, "location": []}"#,
        r#"{"id": 2, "location": {"lat": 1, "tags": [], "extra": []}}"#,
        good,
    ];
    let decoded = decode(NESTED, messages);
    assert_eq!(
        refusals(&decoded),
        [
            (1, "MissingField", "location.lat: absent, expected a double"),
            (2, "WrongType", "location.lat: found \"1\", expected a double"),
            (3, "WrongType", "location.tags[1]: found 1, expected a string"),
            (4, "WrongType", "location.tags: found {}, expected an array"),
            (5, "WrongType", "location.extra[\"k\"][2]: found 1.5, expected an int"),
            (6, "MissingField", "location.extra[\"x\"][0]: null, expected an int"),
            (7, "WrongType", "location: found [], expected a record"),
            (8, "WrongType", "location.extra: found [], expected a map"),
        ]
    );
    let rows = rows(&decoded);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn details_are_short() {
    let long = "é".repeat(1000);
    let (_, detail) = one(r#""int""#, &format!("\"{long}\"")).unwrap_err();
    assert_eq!(detail, format!("v: found \"{}..., expected an int", "é".repeat(59)));
    let decoded = decode(&record_of_one(r#""int""#), [format!("{{{long}")]);
    assert!(decoded.refused[0].detail.chars().count() < 130, "{}", decoded.refused[0].detail);
}

/// A document, as text: any JSON that a careless producer might write.
fn document() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}").replace("\\'", "'")),
        Just(r#""\u00e9\ud83d\ude00\n""#.to_owned()),
        Just("\"é€😀\"".to_owned()),
        Just(r#""v""#.to_owned()),
        Just(r#""\u0076""#.to_owned()),
    ];
    let number = prop_oneof!["-?(0|[1-9][0-9]{0,20})", "-?(0|[1-9][0-9]{0,5})\\.[0-9]{1,5}([eE][+-]?[0-9]{1,2})?"];
    let leaf = prop_oneof![
        string.clone(),
        number.prop_map(|text: String| text),
        proptest::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    let space = "[ \t\r\n]{0,2}";
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            (space, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(space, items)| format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))),
            object(inner),
        ]
    });
    object(value)
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![Just(r#""v""#), Just(r#""\u0076""#), Just(r#""x""#), Just(r#""\ud83d\ude00""#), Just("\"\"")];
    ("[ \t\r\n]{0,2}", prop::collection::vec((key, value), 0..4)).prop_map(|(space, fields)| {
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}{space}:{space}{value}")).collect();
        format!("{space}{{{space}{}{space}}}{space}", fields.join(&format!("{space},")))
    })
}

/// Changes a document in a few places.
fn mutated(document: &str, changes: &[(Index, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = document.as_bytes().to_vec();
    for (place, kind, insert) in changes {
        let at = place.index(bytes.len() + 1);
        match kind % 4 {
            0 if at < bytes.len() => {
                bytes.remove(at);
            }
            1 if at < bytes.len() => bytes[at] = insert.first().copied().unwrap_or(b'"'),
            2 => bytes.truncate(at),
            _ => {
                bytes.splice(at..at, insert.iter().copied());
            }
        }
    }
    bytes
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        proptest::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\u0000", "0", "-", ".", "e", "+", "1", "null",
            "NaN", "\u{feff}", " ", "\n", "\0", "\t", "é", "\u{a0}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// Compares with serde_json, which knows the grammar but refuses what it cannot hold in a double.
fn agrees_with_serde_json(message: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<serde_json::Value>(message);
    if let Err(error) = &theirs {
        prop_assume!(!error.to_string().contains("number out of range"));
    }
    if message.is_empty() {
        return Ok(());
    }
    let accepted = theirs.as_ref().is_ok_and(serde_json::Value::is_object);
    let ours = verdict(message);
    prop_assert_eq!(ours.as_deref() != Some("MalformedJson"), accepted, "{:?}", String::from_utf8_lossy(message));
    if let Ok(serde_json::Value::Object(object)) = theirs {
        let value = object.get("v");
        let decoded = decode(&record_of_one(r#"["null", "string"]"#), [message]);
        let expected = match value {
            None | Some(serde_json::Value::Null) => Some(Cell::Null),
            Some(serde_json::Value::String(text)) => Some(Cell::text(text)),
            Some(_) => None,
        };
        prop_assert_eq!(rows(&decoded).pop().map(|mut row| row.remove(0)), expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn documents_are_accepted_as_serde_json_accepts_them(document in document()) {
        agrees_with_serde_json(document.as_bytes())?;
    }

    #[test]
    fn damaged_documents_are_judged_as_serde_json_judges_them(
        document in document(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), fragment()), 1..4),
    ) {
        agrees_with_serde_json(&mutated(&document, &changes))?;
    }

    #[test]
    fn fragments_are_judged_as_serde_json_judges_them(fragments in prop::collection::vec(fragment(), 0..12)) {
        agrees_with_serde_json(&[b"{\"v\":".to_vec(), fragments.concat(), b"}".to_vec()].concat())?;
    }

    #[test]
    fn arbitrary_bytes_are_judged_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees_with_serde_json(&bytes)?;
    }

    #[test]
    fn numbers_come_through_unchanged(double in any::<f64>(), float in any::<f32>(), long in any::<i64>(), int in any::<i32>()) {
        prop_assume!(double.is_finite() && float.is_finite());
        prop_assert_eq!(one(r#""double""#, &format!("{double:?}")), Ok(Cell::double(double)));
        prop_assert_eq!(one(r#""double""#, &format!("{double:e}")), Ok(Cell::double(double)));
        prop_assert_eq!(one(r#""float""#, &format!("{float:?}")), Ok(Cell::Float(float.to_bits().into())));
        prop_assert_eq!(one(r#""long""#, &long.to_string()), Ok(Cell::Integer(long)));
        prop_assert_eq!(one(r#""int""#, &int.to_string()), Ok(Cell::Integer(int.into())));
    }

    #[test]
    fn strings_come_through_unchanged(text in any::<String>()) {
        prop_assert_eq!(one(r#""string""#, &serde_json::to_string(&text).unwrap()), Ok(Cell::text(&text)));
    }
}
