//! What is printed: text for people, and JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::message::{Group, RefusedMessage};
use super::verdict::Tally;

/// The characters of a value that are shown to people.
const SHOWN: usize = 2_000;

/// The lines of `list` as a table.
pub(super) fn groups_as_text(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "nothing is in quarantine\n".to_owned();
    }
    let header = ["STAGE", "REASON", "MESSAGES", "FIRST", "LAST"].map(str::to_owned);
    let rows = groups.iter().map(|group| {
        let Group { stage, reason, messages, first, last } = group;
        [stage.clone(), visible(reason), messages.to_string(), first.clone(), last.clone()]
    });
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for [stage, reason, messages, first, last] in rows {
        let [stage_width, reason_width, messages_width, first_width, _] = widths;
        line(
            &mut text,
            &format!(
                "{stage:<stage_width$}  {reason:<reason_width$}  {messages:>messages_width$}  {first:<first_width$}  {last}"
            ),
        );
    }
    text
}

/// The lines of `list` as JSON.
pub(super) fn groups_as_json(groups: &[Group]) -> Value {
    let group = |group: &Group| {
        json!({
            "stage": group.stage, "reason": group.reason, "messages": group.messages,
            "first": group.first, "last": group.last,
        })
    };
    groups.iter().map(group).collect()
}

/// Messages for people: what, why, and the bytes.
pub(super) fn messages_as_text(messages: &[RefusedMessage], has_more: bool) -> String {
    let mut text = String::new();
    for message in messages {
        let RefusedMessage { topic, partition, offset, stage, reason, detail, processing_time, .. } = message;
        line(&mut text, &format!("{topic} {partition}/{offset}  {stage}: {}", visible(reason)));
        line(&mut text, &format!("  refused  {processing_time}"));
        let sent = message.kafka_timestamp.as_ref().map_or("without a timestamp", |(_, time)| time.as_str());
        let key =
            message.kafka_key.as_ref().map_or("no key".to_owned(), |key| format!("key {}", visible(key)));
        line(&mut text, &format!("  sent     {sent}, {key}"));
        if !detail.is_empty() {
            line(&mut text, &format!("  detail   {}", visible(detail)));
        }
        line(&mut text, &format!("  value    {}", value_for_people(message.value.as_deref())));
    }
    if messages.is_empty() {
        line(&mut text, "nothing in quarantine fits");
    }
    if has_more {
        line(&mut text, "there are more: raise --limit, or narrow the filter");
    }
    text
}

/// Messages as JSON: the value as text where it is printable, else in hexadecimal digits.
pub(super) fn messages_as_json(messages: &[RefusedMessage]) -> Value {
    let message = |message: &RefusedMessage| {
        let mut document = json!({
            "topic": message.topic, "partition": message.partition, "offset": message.offset,
            "kafkaTimestamp": message.kafka_timestamp.as_ref().map(|(_, time)| time),
            "kafkaKey": message.kafka_key, "stage": message.stage, "reason": message.reason,
            "detail": message.detail, "processingTime": message.processing_time,
        });
        match message.value.as_deref().map(|value| (printable(value), value)) {
            None => document["value"] = Value::Null,
            Some((Some(text), _)) => document["value"] = text.into(),
            Some((None, value)) => document["valueHex"] = hexadecimal(value).into(),
        }
        document
    };
    messages.iter().map(message).collect()
}

/// What a replay did, for people.
pub(super) fn tally_as_text(tally: &Tally) -> String {
    let Tally { silver, duplicates, refused_by_silver, still_refused } = tally;
    let mut text = String::new();
    line(&mut text, &format!("{silver} messages became silver rows"));
    line(&mut text, &format!("{duplicates} messages were copies of a silver row, and stay out of it"));
    line(
        &mut text,
        &format!("{refused_by_silver} messages became bronze rows, and are refused by silver now"),
    );
    let total: u64 = still_refused.values().sum();
    line(&mut text, &format!("{total} messages are refused as before"));
    for ((stage, reason), messages) in still_refused {
        line(&mut text, &format!("  {messages} at {stage}: {}", visible(reason)));
    }
    text
}

/// What a replay did, as JSON.
pub(super) fn tally_as_json(tally: &Tally) -> Value {
    let still = |((stage, reason), messages): (&(String, String), &u64)| json!({"stage": stage, "reason": reason, "messages": messages});
    json!({
        "silver": tally.silver,
        "duplicates": tally.duplicates,
        "refusedBySilver": tally.refused_by_silver,
        "stillRefused": tally.still_refused.iter().map(still).collect::<Value>(),
    })
}

fn value_for_people(value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "none (a tombstone)".to_owned() };
    if value.is_empty() {
        return "empty".to_owned();
    }
    let (shown, is_whole) = if let Some(text) = printable(value) {
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => (text[..end].to_owned(), false),
            None => (text.to_owned(), true),
        }
    } else {
        let bytes = &value[..value.len().min(SHOWN / 2)];
        (format!("0x{}", hexadecimal(bytes)), bytes.len() == value.len())
    };
    if is_whole {
        return shown;
    }
    format!("{shown} ... ({} bytes; --output json shows them all)", value.len())
}

/// The text, if a terminal can show it as it is.
fn printable(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    text.chars().all(is_plain).then_some(text)
}

/// A text without characters that would move a terminal's cursor.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: Option<&[u8]>) -> RefusedMessage {
        RefusedMessage {
            topic: "orders".to_owned(),
            partition: 3,
            offset: 12,
            kafka_timestamp: None,
            kafka_key: Some("17\u{1b}[2J".to_owned()),
            value: value.map(<[u8]>::to_vec),
            stage: "decode".to_owned(),
            reason: "MalformedJson".to_owned(),
            detail: "line 1".to_owned(),
            processing_time: "2026-01-05T20:00:00Z".to_owned(),
        }
    }

    #[test]
    fn text_is_shown_as_it_is_and_other_bytes_as_digits() {
        let text = messages_as_text(&[message(Some(b"{\"a\": 1"))], false);
        assert!(text.starts_with("orders 3/12  decode: MalformedJson\n"), "{text}");
        assert!(text.contains("  value    {\"a\": 1\n"), "{text}");
        assert!(messages_as_text(&[message(Some(&[0, 255]))], false).contains("  value    0x00ff\n"));
        assert!(messages_as_text(&[message(None)], true).contains("none (a tombstone)\nthere are more"));
    }

    #[test]
    fn a_message_cannot_write_to_the_terminal() {
        let text = messages_as_text(&[message(Some(b"\x1b[2J"))], false);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("0x1b5b324a"), "{text}");
    }

    #[test]
    fn a_long_value_is_cut_for_people_and_whole_in_json() {
        let long = vec![b'x'; 5_000];
        assert!(messages_as_text(&[message(Some(&long))], false).contains("... (5000 bytes;"));
        assert!(messages_as_text(&[message(Some(&[0; 1_500]))], false).contains("... (1500 bytes;"));
        assert!(!messages_as_text(&[message(Some(&[0; 1_000]))], false).contains("..."));
        let document = messages_as_json(&[message(Some(&long)), message(Some(&[7])), message(None)]);
        assert_eq!(document[0]["value"].as_str().map(str::len), Some(5_000));
        assert_eq!((&document[1]["valueHex"], &document[2]["value"]), (&json!("07"), &Value::Null));
    }

    #[test]
    fn counts_stand_in_columns() {
        let group = |reason: &str, messages| Group {
            stage: "silver".to_owned(),
            reason: reason.to_owned(),
            messages,
            first: "a".to_owned(),
            last: "b".to_owned(),
        };
        let text = groups_as_text(&[group("MissingId", 1_000), group("Bad", 7)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "STAGE   REASON     MESSAGES  FIRST  LAST");
        assert_eq!(lines[1], "silver  MissingId      1000  a      b");
        assert_eq!(groups_as_text(&[]), "nothing is in quarantine\n");
    }
}
