//! What every kind of JSON test needs: messages to rows, one value at a time.

mod agreement;
mod grammar;
mod messages;
mod nested;
mod values;

use super::*;
use crate::testing::{Cell, batch, record_of_one, refusals, rows};

fn decode<V: AsRef<[u8]>>(schema: &str, values: impl IntoIterator<Item = V>) -> Decoded {
    JsonDecoder::new(&RowSchema::parse(schema).unwrap()).decode(&batch(values))
}

/// The value of field `v`, or reason and detail.
fn one(field_type: &str, json: &str) -> Result<Cell, (String, String)> {
    let decoded = decode(&record_of_one(field_type), [format!(r#"{{"v": {json}}}"#)]);
    rows(&decoded).pop().map(|mut row| row.remove(0)).ok_or_else(|| {
        let (_, reason, detail) = refusals(&decoded)[0];
        (reason.to_owned(), detail.to_owned())
    })
}

fn reason(field_type: &str, json: &str) -> String {
    one(field_type, json).map_or_else(|(reason, _)| reason, |cell| format!("{cell:?}"))
}

/// The reason why a message is refused by a schema that takes every object.
fn verdict(message: &[u8]) -> Option<String> {
    let decoded = decode(&record_of_one(r#"["null", "string"]"#), [message]);
    refusals(&decoded).first().map(|(_, reason, _)| (*reason).to_owned())
}
