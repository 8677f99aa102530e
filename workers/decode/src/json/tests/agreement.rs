//! Documents are judged and read as serde_json judges and reads them.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::Refusal;

/// A document, as text: any JSON that a careless producer might write.
fn document() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}").replace("\\'", "'")),
        Just(r#""\u00e9\ud83d\ude00\n""#.to_owned()),
        Just("\"é€😀\"".to_owned()),
        Just(r#""v""#.to_owned()),
        Just(r#""\u0076""#.to_owned()),
    ];
    let number =
        prop_oneof!["-?(0|[1-9][0-9]{0,20})", "-?(0|[1-9][0-9]{0,5})\\.[0-9]{1,5}([eE][+-]?[0-9]{1,2})?"];
    let leaf = prop_oneof![
        string.clone(),
        number.prop_map(|text: String| text),
        proptest::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    let space = "[ \t\r\n]{0,2}";
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            (space, prop::collection::vec(inner.clone(), 0..4)).prop_map(|(space, items)| format!(
                "[{space}{}{space}]",
                items.join(&format!("{space},{space}"))
            )),
            object(inner),
        ]
    });
    object(value)
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just(r#""v""#),
        Just(r#""\u0076""#),
        Just(r#""x""#),
        Just(r#""\ud83d\ude00""#),
        Just("\"\"")
    ];
    ("[ \t\r\n]{0,2}", prop::collection::vec((key, value), 0..4)).prop_map(|(space, fields)| {
        let fields: Vec<_> =
            fields.iter().map(|(key, value)| format!("{key}{space}:{space}{value}")).collect();
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
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "\\u0000", "0", "-", ".",
            "e", "+", "1", "null", "NaN", "\u{feff}", " ", "\n", "\0", "\t", "é", "\u{a0}",
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
    prop_assert_eq!(
        ours.as_deref() != Some("MalformedJson"),
        accepted,
        "{:?}",
        String::from_utf8_lossy(message)
    );
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
    fn a_message_is_read_the_same_whatever_came_before_it(
        documents in prop::collection::vec(
            (document(), prop::collection::vec((any::<Index>(), any::<u8>(), fragment()), 0..2)),
            2..6,
        ),
    ) {
        let schema = record_of_one(r#"["null", "string"]"#);
        let messages: Vec<_> = documents.iter().map(|(document, changes)| mutated(document, changes)).collect();
        let together = decode(&schema, &messages);
        let apart = messages.iter().map(|message| decode(&schema, [message]));
        let (mut expected_rows, mut expected_refusals) = (Vec::new(), Vec::new());
        for (index, alone) in apart.enumerate() {
            expected_rows.extend(rows(&alone));
            let refused = alone.refused.into_iter().map(|refusal| Refusal { message: index, ..refusal });
            expected_refusals.extend(refused);
        }
        prop_assert_eq!(rows(&together), expected_rows);
        prop_assert_eq!(together.refused, expected_refusals);
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
