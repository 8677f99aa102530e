//! What quarantine's `detail` says of a row that silver refused.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;

use crate::expression::Expression;

/// The longest text of one value, in characters.
const MAX_VALUE_CHARACTERS: usize = 64;
/// The longest text of an expression or an error, in characters.
const MAX_TEXT_CHARACTERS: usize = 240;

/// A rule that is not TRUE: the rule, and the values that it saw.
pub(crate) fn not_true(expression: &Expression, columns: &[ArrayRef], row: usize) -> String {
    let mut text = format!("not TRUE: {}", shortened(expression.sql(), MAX_TEXT_CHARACTERS));
    let mut separator = " with ";
    for (name, slot) in expression.inputs() {
        let value = shortened(&value_text(&columns[slot], row), MAX_VALUE_CHARACTERS);
        write!(text, "{separator}{name} = {value}").expect("writing to a string does not fail");
        separator = ", ";
    }
    text
}

/// An expression that failed on a row.
pub(crate) fn failed(what: &str, sql: &str, error: &str) -> String {
    format!("{what}: {}: {}", shortened(sql, MAX_TEXT_CHARACTERS), shortened(error, MAX_TEXT_CHARACTERS))
}

/// An event time too far beyond the Kafka timestamp.
pub(crate) fn future(event_time_us: i64, kafka_timestamp_us: i64, beyond_us: i64) -> String {
    format!(
        "event time {} is more than {} s after the Kafka timestamp {}",
        timestamp_text(event_time_us),
        beyond_us / 1_000_000,
        timestamp_text(kafka_timestamp_us)
    )
}

fn timestamp_text(microseconds: i64) -> String {
    Timestamp::from_microsecond(microseconds)
        .map_or_else(|_| format!("{microseconds} us"), |timestamp| timestamp.to_string())
}

/// A value as a person would write it in SQL.
fn value_text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let options = FormatOptions::new().with_display_error(true);
    match (ArrayFormatter::try_new(column.as_ref(), &options), column.data_type()) {
        (Ok(formatter), data_type) if data_type.is_string() => format!("'{}'", formatter.value(row)),
        (Ok(formatter), _) => formatter.value(row).to_string(),
        (Err(_), data_type) => format!("a {data_type}"),
    }
}

/// The first `limit` characters of a text, on one line.
fn shortened(text: &str, limit: usize) -> String {
    let one_line = |character: char| if character.is_control() { ' ' } else { character };
    match text.char_indices().nth(limit) {
        None => text.chars().map(one_line).collect(),
        Some((end, _)) => text[..end].chars().map(one_line).chain(std::iter::once('…')).collect(),
    }
}
