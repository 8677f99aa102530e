//! Ids, versions and deletions, through the same two halves that a request takes.

use super::{Catalogue, Decision, Event, VersionChoice, Visibility};
use crate::refusal::Refusal;

const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const A_RESPELT: &str = r#"{"name":"R","type":"record","fields":[{"type":"int","name":"a"}]}"#;
const AB: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
const A_TEXT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

fn commit<T>(catalogue: &mut Catalogue, decision: Decision<T>) -> T {
    if let Some(event) = decision.event {
        catalogue.apply(event).expect("a decided event fits");
    }
    decision.answer
}

fn register(catalogue: &mut Catalogue, subject: &str, schema: &str) -> Result<u32, Refusal> {
    let decision = catalogue.register(subject, schema)?;
    Ok(commit(catalogue, decision))
}

#[test]
fn a_schema_has_one_id_in_all_subjects_and_keeps_its_first_spelling() {
    let mut catalogue = Catalogue::default();
    assert_eq!(register(&mut catalogue, "one", A).expect("registers"), 1);
    assert_eq!(register(&mut catalogue, "two", AB).expect("registers"), 2);
    assert_eq!(register(&mut catalogue, "two", A_RESPELT).expect("registers"), 1);
    assert_eq!(catalogue.schema("1").expect("known").1, A);
    assert_eq!(catalogue.uses(1, Visibility::Live), [("one", 1), ("two", 2)]);
}

#[test]
fn registering_again_changes_nothing() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    let decision = catalogue.register("s", A_RESPELT).expect("known");
    assert_eq!(decision, Decision { event: None, answer: 1 });
}

#[test]
fn an_incompatible_schema_is_refused_until_the_level_allows_it() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    let refusal = register(&mut catalogue, "s", A_TEXT).expect_err("int is no string");
    assert_eq!(refusal.code(), 409);
    assert!(refusal.to_string().contains("field 'a'"), "{refusal}");
    commit(&mut catalogue, Catalogue::set_level(Some("s"), "none").expect("a level"));
    assert_eq!(register(&mut catalogue, "s", A_TEXT).expect("anything goes"), 2);
}

#[test]
fn deleted_versions_are_hidden_not_compared_and_not_numbered_again() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    let decision = catalogue.delete_version("s", VersionChoice::Latest, false).expect("deletes");
    assert_eq!(commit(&mut catalogue, decision), 1);
    assert_eq!(catalogue.versions("s", Visibility::Live).expect_err("hidden").code(), 40401);
    assert_eq!(catalogue.versions("s", Visibility::LiveAndDeleted).expect("shown"), [1]);
    assert_eq!(register(&mut catalogue, "s", A_TEXT).expect("nothing to compare with"), 2);
    assert_eq!(catalogue.versions("s", Visibility::Live).expect("live"), [2]);
    let again = catalogue.delete_version("s", VersionChoice::Number(1), false).expect_err("deleted before");
    assert_eq!(again.code(), 40406);
}

#[test]
fn a_subject_is_removed_in_two_steps_and_its_ids_stay_readable() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    assert_eq!(catalogue.delete_subject("s", true).expect_err("not hidden yet").code(), 40405);
    let decision = catalogue.delete_subject("s", false).expect("hides");
    assert_eq!(commit(&mut catalogue, decision), [1]);
    assert_eq!(catalogue.delete_subject("s", false).expect_err("hidden").code(), 40404);
    let decision = catalogue.delete_subject("s", true).expect("removes");
    assert_eq!(commit(&mut catalogue, decision), [1]);
    assert_eq!(catalogue.subjects(Visibility::LiveAndDeleted).count(), 0);
    assert!(catalogue.schema("1").is_ok());
}

#[test]
fn a_read_only_subject_takes_no_new_schema() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    commit(&mut catalogue, Catalogue::set_mode(Some("s"), "READONLY").expect("a mode"));
    assert_eq!(register(&mut catalogue, "s", A).expect("known already"), 1);
    assert_eq!(register(&mut catalogue, "s", AB).expect_err("read only").code(), 42205);
}

#[test]
fn unknown_things_are_refused_with_their_codes() {
    let mut catalogue = Catalogue::default();
    register(&mut catalogue, "s", A).expect("registers");
    let code = |result: Result<(), Refusal>| result.map_or_else(|refusal| refusal.code(), |()| 0);
    let latest = VersionChoice::Latest;
    assert_eq!(code(catalogue.version("t", latest, Visibility::Live).map(drop)), 40401);
    assert_eq!(code(catalogue.version("s", VersionChoice::Number(9), Visibility::Live).map(drop)), 40402);
    assert_eq!(code(catalogue.lookup("s", AB, Visibility::Live).map(drop)), 40403);
    assert_eq!(code(catalogue.schema("0").map(drop)), 40403);
    assert_eq!(code(catalogue.schema("x").map(drop)), 40403);
    assert_eq!(code(catalogue.level("s", false).map(drop)), 40408);
    assert_eq!(code(VersionChoice::parse("0").map(drop)), 42202);
    assert_eq!(code(Catalogue::set_level(None, "SOME").map(drop)), 42203);
    assert_eq!(code(catalogue.register("s", "{").map(drop)), 42201);
}

#[test]
fn an_event_that_does_not_fit_is_an_error() {
    let event = |id, schema: Option<&str>| Event::Registered {
        subject: "s".to_owned(),
        version: 1,
        id,
        schema: schema.map(str::to_owned),
    };
    assert!(Catalogue::default().apply(event(1, None)).is_err());
    assert!(Catalogue::default().apply(event(2, Some(A))).is_err());
    assert!(Catalogue::default().apply(event(1, Some("{"))).is_err());
}
