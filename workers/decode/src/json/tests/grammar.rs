//! What is one JSON object and what is not.

use super::*;

#[test]
fn anything_but_one_object_is_malformed() {
    for text in [
        " ",
        "null",
        "true",
        "1",
        "\"x\"",
        "[]",
        "[{}]",
        "{}{}",
        "{} {}",
        "{}x",
        "{},",
        "{}]",
        "{",
        "}",
        "{}}",
        "{{}}",
        "\u{feff}{}",
        "{}\u{feff}",
        "\u{a0}{}",
        "\u{b}{}",
        "\u{c}{}",
        "{}\0",
        "\0",
        "NaN",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":'x'}",
        "{1:1}",
        "{null:1}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\"::1}",
        "// c\n{}",
        "{}// c",
        "{/**/}",
        "{\"a\":[}",
        "{\"a\":[1}",
        "{\"a\":[1]",
        "{\"a\":{]}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1:2]}",
        "{\"a\":{\"b\"}}",
        "{\"a\":{\"b\":1,}}",
        "{\"a\":{1:2}}",
        "{\"a\":]}",
        "{\"a\":[]]}",
    ] {
        assert_eq!(verdict(text.as_bytes()).as_deref(), Some("MalformedJson"), "{text:?}");
    }
    for text in
        ["{}", " \t\r\n{ \t\r\n} \t\r\n", "{\"\":{}}", "{\"a\":[[],{},[{}]]}", "{\"a\" : [ ] , \"b\" : { } }"]
    {
        assert_eq!(verdict(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn literals_and_numbers_follow_the_grammar_in_unknown_fields_too() {
    for value in [
        "01",
        "-01",
        "00",
        "+1",
        ".5",
        "-.5",
        "1.",
        "1.e1",
        "-",
        "--1",
        "1e",
        "1e+",
        "1E-",
        "1e1.5",
        "0x10",
        "1_000",
        "1,5",
        "NaN",
        "-NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "True",
        "TRUE",
        "tru",
        "truee",
        "nul",
        "nulll",
        "None",
        "undefined",
        "１",
        "1f",
        "1d",
        "1L",
        "0b1",
        "1 2",
        "1e1e1",
        "\\u0031",
    ] {
        for text in
            [format!("{{\"x\":{value}}}"), format!("{{\"v\":{value}}}"), format!("{{\"x\":[{value}]}}")]
        {
            if text == "{\"x\":[1,5]}" {
                continue;
            }
            assert_eq!(verdict(text.as_bytes()).as_deref(), Some("MalformedJson"), "{text}");
        }
    }
    for value in [
        "0",
        "-0",
        "10",
        "1e5",
        "1E+5",
        "1e-5",
        "-1.5e10",
        "0.0",
        "0e0",
        "1e999999",
        "123456789012345678901234567890",
    ] {
        assert_eq!(verdict(format!("{{\"x\":{value}}}").as_bytes()), None, "{value}");
        assert_eq!(verdict(format!("{{\"x\":[{value}, {value} ]}}").as_bytes()), None, "{value}");
    }
}

#[test]
fn strings_follow_the_grammar_in_keys_values_and_nested_places() {
    let bad = [
        r"\ud800",
        r"\ud800x",
        r"\udc00",
        r"\udbff\ud800",
        r"\ud83d\u0041",
        r"\ud83d\\ude00",
        r"\ud83d \ude00",
        r"\ude00\ud83d",
        r"\uD800\n",
        r"\u12",
        r"\u12g4",
        r"\u+123",
        r"\u 123",
        r"\u{12}",
        r"\x41",
        r"\0",
        r"\'",
        r"\a",
        r"\v",
        r"\U0041",
        "\n",
        "\t",
        "\r",
        "\0",
        "\u{1f}",
        "a\u{1}b",
        "abcdefgh\u{2}",
        "abcdefg\u{1f}",
        r"\",
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
        (
            "a long string without anything special in it, of more than eight bytes",
            "a long string without anything special in it, of more than eight bytes",
        ),
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
            for (character, accepted) in [
                ('"', false),
                ('\\', false),
                ('\u{1f}', false),
                (' ', true),
                ('\u{7f}', true),
                ('!', true),
                ('#', true),
                ('é', true),
                ('[', true),
                (']', true),
            ] {
                let text: String =
                    (0..length).map(|place| if place == at { character } else { 'x' }).collect();
                let outcome = one(r#""string""#, &format!("\"{text}\""));
                assert_eq!(outcome.ok(), accepted.then(|| Cell::text(&text)), "{text:?}");
            }
        }
    }
}

#[test]
fn invalid_utf8_is_malformed_anywhere() {
    for bad in [
        &b"\xff"[..],
        b"\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
    ] {
        for (before, after) in [
            ("{\"x\":\"", "\"}"),
            ("{\"", "\":1}"),
            ("{\"v\":\"a", "b\"}"),
            ("{}", ""),
            ("", "{}"),
            ("{", "}"),
            ("{\"x\":[\"", "\"]}"),
        ] {
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
        assert_eq!(
            verdict(format!("{{\"x\":{}", &deep[..deep.len() - 1]).as_bytes()).as_deref(),
            Some("MalformedJson")
        );
    }
    let mixed = format!("{}{}", "[{\"a\":".repeat(1000), "}]".repeat(999));
    assert_eq!(verdict(format!("{{\"x\":{mixed}}}").as_bytes()).as_deref(), Some("MalformedJson"));
}
