//! [`JsonDecoder`]: one JSON object per message.
//!
//! A message is read in two passes. The first walks all of it by the letter of RFC 8259 and marks the
//! last value of each field; whatever it objects to is `MalformedJson`. The second converts the marked
//! values in the schema's order; the first that does not fit is `MissingField` or `WrongType`.

mod convert;
mod numbers;
mod object;
mod scan;
mod strings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sluice_contract::reasons;

use crate::columns::{Column, Rows};
use crate::fault::{Fault, clipped};
use crate::schema::Fields;
use crate::{Decoded, MessageBatch, RowSchema};
use convert::{Converter, Scratch};
use object::{Habit, walk_message};
use scan::{Malformed, Scanner, Token};

/// Decodes JSON messages into rows of one schema.
///
/// | field | accepted |
/// |---|---|
/// | boolean | `true`, `false` |
/// | int, long | a number without fraction and exponent, within range |
/// | float, double | a number whose nearest value is finite |
/// | string | a string |
/// | enum | a string that is one of the symbols |
/// | bytes, fixed | a string in base64 (standard alphabet, padded) |
/// | decimal | a number or string in plain notation that precision and scale hold exactly |
/// | date | `YYYY-MM-DD`, or days since 1970-01-01 |
/// | timestamp | the forms of [`crate::EventTimeParser`] (UTC unless they say otherwise), or a number of the declared unit |
/// | uuid | a string in 8-4-4-4-12 hexadecimal form |
/// | array, map, record | an array; an object; an object, of which unknown fields are ignored |
///
/// Of a name that comes more than once in an object the last one counts.
pub struct JsonDecoder {
    fields: Arc<Fields>,
    rows: Rows,
    /// The values of the message's fields.
    tokens: Vec<Token>,
    habit: Habit,
    scratch: Scratch,
}

/// Why a message is refused.
enum Refused {
    Empty,
    InvalidUtf8 { at: usize },
    Malformed(Malformed),
    Field(Fault),
}

impl JsonDecoder {
    /// A decoder into rows of `schema`.
    pub fn new(schema: &RowSchema) -> Self {
        Self {
            fields: Arc::clone(schema.fields()),
            rows: Rows::new(schema),
            tokens: vec![Token::ABSENT; schema.fields().len()],
            habit: Habit::default(),
            scratch: Scratch::default(),
        }
    }

    /// Decodes every message of the batch.
    pub fn decode(&mut self, batch: &MessageBatch) -> Decoded {
        for (index, message) in batch.iter().enumerate() {
            let value = message.value.unwrap_or_default();
            match self.append(value) {
                Ok(()) => self.rows.accept(index),
                Err(refused) => self.rows.refuse(index, refused.reason(), refused.detail(value)),
            }
        }
        self.rows.finish()
    }

    fn append(&mut self, value: &[u8]) -> Result<(), Refused> {
        if value.is_empty() {
            return Err(Refused::Empty);
        }
        let Ok(text) = simdutf8::basic::from_utf8(value) else {
            let at = std::str::from_utf8(value).map_or_else(|error| error.valid_up_to(), str::len);
            return Err(Refused::InvalidUtf8 { at });
        };
        self.walk(text).map_err(Refused::Malformed)?;
        convert(&self.fields, text, &self.tokens, &mut self.rows.columns, &mut self.scratch)
            .map_err(Refused::Field)
    }

    /// The first pass: is the text one JSON object, and where are the fields?
    fn walk(&mut self, text: &str) -> Result<(), Malformed> {
        self.tokens.fill(Token::ABSENT);
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        scanner.skip_whitespace();
        walk_message(&mut scanner, &self.fields, &mut self.tokens, &mut self.habit, &mut self.scratch.walk)?;
        scanner.skip_whitespace();
        if scanner.peek().is_some() { scanner.malformed("expected nothing after the object") } else { Ok(()) }
    }
}

/// The second pass: do the values fit their columns?
fn convert(
    fields: &Fields,
    text: &str,
    tokens: &[Token],
    columns: &mut [Column],
    scratch: &mut Scratch,
) -> Result<(), Fault> {
    let mut converter = Converter::new(text, scratch);
    for ((field, token), column) in fields.iter().zip(tokens).zip(columns) {
        converter.field(field, *token, column)?;
    }
    Ok(())
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Empty => reasons::EMPTY_VALUE,
            Self::InvalidUtf8 { .. } | Self::Malformed(_) => reasons::MALFORMED_JSON,
            Self::Field(fault) => fault.reason(),
        }
    }

    fn detail(&self, value: &[u8]) -> String {
        match self {
            Self::Empty => "the message has no value".to_owned(),
            Self::InvalidUtf8 { at } => format!("invalid UTF-8 at byte {at}"),
            Self::Malformed(Malformed { at, problem }) => {
                let rest = String::from_utf8_lossy(&value[*at..]);
                match rest.chars().next() {
                    None => format!("{problem} at byte {at}, found the end"),
                    Some('\u{feff}') => format!("{problem} at byte {at}, found a byte order mark"),
                    Some(_) => format!("{problem} at byte {at}, found {}", clipped(&rest)),
                }
            }
            Self::Field(fault) => fault.detail(),
        }
    }
}
