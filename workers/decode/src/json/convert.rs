//! [`Converter`]: marked JSON values to column values.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::numbers;
use super::object::{WalkScratch, walk_object};
use super::scan::{Kind, Scanner, Token};
use super::strings::unescape;
use crate::columns::Column;
use crate::duplicates::last_of_each;
use crate::event_time::{Date, EventTimeParser, date, days_since_epoch};
use crate::fault::{Fault, clipped, unexpected_null};
use crate::schema::{ColumnType, Decimal, Field, Fields, Slot, TimestampUnit};
use crate::text_forms::is_uuid;

/// What the first pass guarantees.
const WALKED: &str = "the text has been walked before";

/// Memory that converting needs, kept from one message to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) walk: WalkScratch,
    /// The fields of the nested records around the present place, outermost first.
    tokens: Vec<Token>,
    /// A string without its escapes.
    text: Vec<u8>,
    /// Bytes out of base64.
    bytes: Vec<u8>,
}

/// Converts the values of one message, whose text has been walked.
pub(super) struct Converter<'a> {
    text: &'a str,
    scratch: &'a mut Scratch,
}

impl<'a> Converter<'a> {
    pub(super) fn new(text: &'a str, scratch: &'a mut Scratch) -> Self {
        Self { text, scratch }
    }

    /// Appends a field's value to its column.
    #[inline]
    pub(super) fn field(&mut self, field: &Field, token: Token, column: &mut Column) -> Result<(), Fault> {
        let outcome = match (token.kind, &field.default) {
            (Kind::Absent, Some(default)) => {
                column.push_default(default);
                Ok(())
            }
            (Kind::Absent, None) if field.slot.nullable => {
                column.push_null();
                Ok(())
            }
            (Kind::Absent, None) => {
                Err(Fault::missing(format!("absent, expected {}", field.slot.column.expected())))
            }
            _ => self.value(&field.slot, token, column),
        };
        outcome.map_err(|fault| fault.in_field(&field.name))
    }

    /// Appends a value, absent ones excepted.
    fn value(&mut self, slot: &Slot, token: Token, column: &mut Column) -> Result<(), Fault> {
        if token.kind == Kind::Null {
            if !slot.nullable {
                return Err(Fault::missing(unexpected_null(slot)));
            }
            column.push_null();
            return Ok(());
        }
        let pushed = match &slot.column {
            ColumnType::Boolean => boolean(token).map(|value| column.push_boolean(value)),
            ColumnType::Int => self.int(token).map(|value| column.push_int(value)),
            ColumnType::Long => self.long(token).map(|value| column.push_long(value)),
            ColumnType::Float => self.float(token).map(|value| column.push_float(value)),
            ColumnType::Double => self.double(token).map(|value| column.push_double(value)),
            ColumnType::Text => self.push_text(token, column),
            ColumnType::Bytes => self.base64(token).map(|bytes| column.push_bytes(bytes)),
            ColumnType::Fixed(fixed) => self
                .base64(token)
                .filter(|bytes| bytes.len() == fixed.size)
                .map(|bytes| column.push_bytes(bytes)),
            ColumnType::Enum(symbols) => self
                .string(token)
                .filter(|text| symbols.symbols.iter().any(|symbol| symbol.as_bytes() == *text))
                .map(|symbol| column.push_bytes(symbol)),
            ColumnType::Decimal(decimal) => {
                self.decimal(token, decimal).map(|value| column.push_decimal(value))
            }
            ColumnType::Date => self.date(token).map(|days| column.push_int(days)),
            ColumnType::Timestamp(unit) => {
                self.timestamp(token, *unit).map(|micros| column.push_long(micros))
            }
            ColumnType::Uuid { .. } => {
                self.string(token).filter(|text| is_uuid(text)).map(|text| column.push_bytes(text))
            }
            ColumnType::List(item) if token.kind == Kind::Array => return self.list(item, token, column),
            ColumnType::Map(value) if token.kind == Kind::Object => return self.map(value, token, column),
            ColumnType::Record(fields) if token.kind == Kind::Object => {
                return self.record(fields, token, column);
            }
            ColumnType::List(_) | ColumnType::Map(_) | ColumnType::Record(_) => None,
        };
        pushed.ok_or_else(|| self.wrong_type(slot, token))
    }

    #[cold]
    fn wrong_type(&self, slot: &Slot, token: Token) -> Fault {
        let found = String::from_utf8_lossy(token.source(self.text.as_bytes()));
        let hint = match &slot.column {
            ColumnType::Bytes | ColumnType::Fixed(_) => " in base64",
            ColumnType::Date => " (YYYY-MM-DD, or days since 1970-01-01)",
            _ => "",
        };
        Fault::wrong_type(format!("found {}, expected {}{hint}", clipped(&found), slot.column.expected()))
    }

    fn int(&self, token: Token) -> Option<i32> {
        self.long(token)?.try_into().ok()
    }

    fn long(&self, token: Token) -> Option<i64> {
        if token.kind == Kind::Integer { numbers::integer(token.of(self.text.as_bytes())) } else { None }
    }

    fn float(&self, token: Token) -> Option<f32> {
        self.number(token)?.parse().ok().filter(|value: &f32| value.is_finite())
    }

    fn double(&self, token: Token) -> Option<f64> {
        self.number(token)?.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The text of a number.
    fn number(&self, token: Token) -> Option<&'a str> {
        match token.kind {
            Kind::Integer | Kind::Real => Some(&self.text[token.start as usize..token.end as usize]),
            _ => None,
        }
    }

    fn push_text(&self, token: Token, column: &mut Column) -> Option<()> {
        let text = token.of(self.text.as_bytes());
        match token.kind {
            Kind::Text => column.push_bytes(text),
            Kind::EscapedText => column.push_bytes_with(|target| unescape(text, target)),
            _ => return None,
        }
        Some(())
    }

    /// A string without its escapes.
    fn string(&mut self, token: Token) -> Option<&[u8]> {
        let text = token.of(self.text.as_bytes());
        match token.kind {
            Kind::Text => Some(text),
            Kind::EscapedText => {
                self.scratch.text.clear();
                unescape(text, &mut self.scratch.text);
                Some(&self.scratch.text)
            }
            _ => None,
        }
    }

    fn base64(&mut self, token: Token) -> Option<&[u8]> {
        let mut bytes = std::mem::take(&mut self.scratch.bytes);
        bytes.clear();
        let decoded = self.string(token).map(|text| STANDARD.decode_vec(text, &mut bytes));
        self.scratch.bytes = bytes;
        decoded?.ok()?;
        Some(&self.scratch.bytes)
    }

    fn decimal(&mut self, token: Token, decimal: &Decimal) -> Option<i128> {
        match self.number(token) {
            Some(number) => numbers::decimal(number.as_bytes(), decimal),
            None => numbers::decimal(self.string(token)?, decimal),
        }
    }

    fn date(&mut self, token: Token) -> Option<i32> {
        if token.kind == Kind::Integer {
            return self.int(token);
        }
        let Date { year, month, day } = date(self.string(token)?)?;
        Some(days_since_epoch(year, month, day))
    }

    fn timestamp(&mut self, token: Token, unit: TimestampUnit) -> Option<i64> {
        if token.kind == Kind::Integer {
            return unit.to_micros(self.long(token)?);
        }
        EventTimeParser::utc().parse_bytes(self.string(token)?)
    }

    fn list(&mut self, item: &Slot, token: Token, column: &mut Column) -> Result<(), Fault> {
        let items = column.items();
        let mut scanner = Scanner::new(self.text.as_bytes(), token.start as usize + 1);
        scanner.skip_whitespace();
        let mut index = 0;
        while scanner.peek() != Some(b']') {
            let value = scanner.value(&mut self.scratch.walk.open).expect(WALKED);
            self.value(item, value, items).map_err(|fault| fault.in_item(index))?;
            index += 1;
            scanner.skip_whitespace();
            if scanner.take(b',') {
                scanner.skip_whitespace();
            }
        }
        column.end_list();
        Ok(())
    }

    fn map(&mut self, value: &Slot, token: Token, column: &mut Column) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut scanner = Scanner::new(self.text.as_bytes(), token.start as usize + 1);
        scanner.skip_whitespace();
        while scanner.peek() != Some(b'}') {
            keys.push(self.key(scanner.name().expect(WALKED)));
            values.push(scanner.value(&mut self.scratch.walk.open).expect(WALKED));
            scanner.skip_whitespace();
            if scanner.take(b',') {
                scanner.skip_whitespace();
            }
        }
        let (key_column, value_column) = column.entries();
        for ((key, token), counts) in keys.iter().zip(values).zip(last_of_each(&keys)) {
            if counts {
                key_column.push(key);
                self.value(value, token, value_column)
                    .map_err(|fault| fault.in_entry(&String::from_utf8_lossy(key)))?;
            }
        }
        column.end_map();
        Ok(())
    }

    fn key(&self, token: Token) -> Cow<'a, [u8]> {
        let text = token.of(self.text.as_bytes());
        if token.kind == Kind::Text {
            return Cow::Borrowed(text);
        }
        let mut key = Vec::with_capacity(text.len());
        unescape(text, &mut key);
        Cow::Owned(key)
    }

    fn record(&mut self, fields: &Fields, token: Token, column: &mut Column) -> Result<(), Fault> {
        let base = self.scratch.tokens.len();
        self.scratch.tokens.resize(base + fields.len(), Token::ABSENT);
        let mut scanner = Scanner::new(self.text.as_bytes(), token.start as usize);
        let tokens = &mut self.scratch.tokens[base..];
        walk_object(&mut scanner, fields, tokens, &mut self.scratch.walk).expect(WALKED);
        let mut outcome = Ok(());
        for (place, (field, column)) in fields.iter().zip(column.fields()).enumerate() {
            let token = self.scratch.tokens[base + place];
            outcome = outcome.and_then(|()| self.field(field, token, column));
        }
        self.scratch.tokens.truncate(base);
        outcome?;
        column.end_record();
        Ok(())
    }
}

fn boolean(token: Token) -> Option<bool> {
    match token.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        _ => None,
    }
}
