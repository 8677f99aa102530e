//! Records, arrays and maps within a row, and the details of refusals.

use super::*;

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
            [
                Cell::Integer(1),
                Cell::Record(vec![Cell::double(1.5), tags, map(&[("x", &[1, 2]), ("y", &[])])])
            ],
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
