//! Each level against the changes that people make to schemas.

use super::{Level, conflicts};
use crate::schema::AvroSchema;

fn record(fields: &str) -> AvroSchema {
    AvroSchema::parse(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)).expect("valid")
}

fn is_compatible(level: Level, old: &AvroSchema, new: &AvroSchema) -> bool {
    conflicts(level, &new.inlined, &[(1, &old.inlined)]).is_empty()
}

const A: &str = r#"{"name":"a","type":"int"}"#;

#[test]
fn levels_judge_added_and_removed_fields() {
    let base = record(A);
    let with_default = record(&format!(r#"{A},{{"name":"b","type":"string","default":""}}"#));
    let without_default = record(&format!(r#"{A},{{"name":"b","type":"string"}}"#));
    // (old, new, backward, forward, full)
    let table = [
        (&base, &with_default, true, true, true),
        (&base, &without_default, false, true, false),
        (&without_default, &base, true, false, false),
        (&with_default, &base, true, true, true),
    ];
    for (old, new, backward, forward, full) in table {
        assert_eq!(is_compatible(Level::Backward, old, new), backward, "{} -> {}", old.text, new.text);
        assert_eq!(is_compatible(Level::Forward, old, new), forward, "{} -> {}", old.text, new.text);
        assert_eq!(is_compatible(Level::Full, old, new), full, "{} -> {}", old.text, new.text);
        assert!(is_compatible(Level::None, old, new));
    }
}

#[test]
fn promotions_are_backward_compatible_only() {
    let int = record(A);
    let long = record(r#"{"name":"a","type":"long"}"#);
    assert!(is_compatible(Level::Backward, &int, &long));
    assert!(!is_compatible(Level::Forward, &int, &long));
}

#[test]
fn a_narrowed_union_and_a_shortened_enum_are_not_backward_compatible() {
    let nullable = record(r#"{"name":"a","type":["null","int"]}"#);
    assert!(!is_compatible(Level::Backward, &nullable, &record(A)));
    assert!(is_compatible(Level::Backward, &record(A), &nullable));
    let long_enum = record(r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}}"#);
    let short_enum = record(r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}}"#);
    assert!(!is_compatible(Level::Backward, &long_enum, &short_enum));
}

#[test]
fn transitive_levels_look_beyond_the_last_version() {
    let first = record(A);
    let second = record(r#"{"name":"b","type":"int","default":0}"#);
    let third = record(r#"{"name":"b","type":"int","default":0},{"name":"a","type":"string","default":""}"#);
    let earlier = [(1, &first.inlined), (2, &second.inlined)];
    assert!(conflicts(Level::Backward, &third.inlined, &earlier).is_empty());
    assert_eq!(conflicts(Level::BackwardTransitive, &third.inlined, &earlier).len(), 1);
}

#[test]
fn a_type_that_is_defined_at_another_place_is_compared_by_structure() {
    let inner =
        |kind: &str| format!(r#"{{"type":"record","name":"I","fields":[{{"name":"x","type":"{kind}"}}]}}"#);
    let both = |first: &str, second: &str| {
        record(&format!(
            r#"{{"name":"a","type":{first},"default":{{"x":0}}}},{{"name":"b","type":{second},"default":{{"x":0}}}}"#
        ))
    };
    let old = both(&inner("int"), r#""I""#);
    let only_second = record(&format!(r#"{{"name":"b","type":{},"default":{{"x":0}}}}"#, inner("int")));
    assert!(is_compatible(Level::Full, &old, &only_second), "reference against definition");
    let renamed = record(&format!(
        r#"{{"name":"c","type":{},"default":{{"x":""}}}},{{"name":"b","type":"I"}}"#,
        inner("string")
    ));
    assert!(!is_compatible(Level::Backward, &old, &renamed), "reference against another definition");
}

#[test]
fn recursive_types_are_compared_without_end() {
    let list = |kind: &str| {
        AvroSchema::parse(&format!(
            r#"{{"type":"record","name":"L","fields":[{{"name":"v","type":"{kind}"}},{{"name":"next","type":["null","L"]}}]}}"#
        ))
        .expect("valid")
    };
    assert!(is_compatible(Level::Backward, &list("int"), &list("long")));
    assert!(!is_compatible(Level::Backward, &list("long"), &list("int")));
}

#[test]
fn a_conflict_names_the_path_of_the_field() {
    let old =
        record(r#"{"name":"a","type":{"type":"record","name":"I","fields":[{"name":"x","type":"string"}]}}"#);
    let new =
        record(r#"{"name":"a","type":{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}}"#);
    let found = conflicts(Level::Backward, &new.inlined, &[(4, &old.inlined)]);
    assert_eq!(
        found[0].to_string(),
        "the new schema cannot read data of the old schema (version 4): field 'a.x': the type is another, \
         and the old one is not promoted to it"
    );
}
