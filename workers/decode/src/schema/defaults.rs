//! [`DefaultValue`]: a field's default, in the form that columns take.

use std::collections::BTreeMap;

use serde_json::Value;

use super::types::{ColumnType, Field, Slot};
use crate::text_forms::is_uuid;

/// The value of an absent field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DefaultValue {
    Null,
    Boolean(bool),
    /// Also dates.
    Int(i32),
    /// Also timestamps, in microseconds.
    Long(i64),
    Float(f32),
    Double(f64),
    /// Text in UTF-8, or bytes.
    Bytes(Vec<u8>),
    Decimal(i128),
    List(Vec<DefaultValue>),
    Map(BTreeMap<String, DefaultValue>),
    Record(Vec<DefaultValue>),
}

impl DefaultValue {
    /// Reads the JSON of a default; `None` where it is no value of the slot.
    pub(crate) fn read(json: &Value, slot: &Slot) -> Option<Self> {
        if slot.nullable && json.is_null() {
            return Some(Self::Null);
        }
        Some(match &slot.column {
            ColumnType::Boolean => Self::Boolean(json.as_bool()?),
            ColumnType::Int | ColumnType::Date => Self::Int(json.as_i64()?.try_into().ok()?),
            ColumnType::Long => Self::Long(json.as_i64()?),
            ColumnType::Float => Self::Float(number(json)? as f32),
            ColumnType::Double => Self::Double(number(json)?),
            ColumnType::Text => Self::Bytes(json.as_str()?.as_bytes().to_vec()),
            ColumnType::Bytes => Self::Bytes(bytes(json)?),
            ColumnType::Fixed(fixed) => Self::Bytes(bytes(json).filter(|bytes| bytes.len() == fixed.size)?),
            ColumnType::Enum(symbols) => {
                let symbol = json.as_str()?;
                symbols.symbols.iter().find(|known| *known == symbol)?;
                Self::Bytes(symbol.as_bytes().to_vec())
            }
            ColumnType::Decimal(decimal) => Self::Decimal(decimal.read(&bytes(json)?)?),
            ColumnType::Timestamp(unit) => Self::Long(unit.to_micros(json.as_i64()?)?),
            ColumnType::Uuid { fixed: None } => {
                Self::Bytes(json.as_str().filter(|text| is_uuid(text.as_bytes()))?.as_bytes().to_vec())
            }
            ColumnType::Uuid { fixed: Some(_) } => {
                let bytes: [u8; 16] = bytes(json)?.try_into().ok()?;
                Self::Bytes(crate::text_forms::uuid_text(&bytes).to_vec())
            }
            ColumnType::List(item) => {
                Self::List(json.as_array()?.iter().map(|json| Self::read(json, item)).collect::<Option<_>>()?)
            }
            ColumnType::Map(value) => Self::Map(
                json.as_object()?
                    .iter()
                    .map(|(key, json)| Some((key.clone(), Self::read(json, value)?)))
                    .collect::<Option<_>>()?,
            ),
            ColumnType::Record(fields) => {
                let object = json.as_object()?;
                Self::Record(
                    fields
                        .iter()
                        .map(|field| Self::field(object.get(&field.name), field))
                        .collect::<Option<_>>()?,
                )
            }
        })
    }

    /// A field of a record's default: what is written there, else the field's own default.
    fn field(json: Option<&Value>, field: &Field) -> Option<Self> {
        match json {
            Some(json) => Self::read(json, &field.slot),
            None => field.default.clone(),
        }
    }
}

/// JSON has no literals for what is not a finite number; Avro's parser takes these words.
fn number(json: &Value) -> Option<f64> {
    match json.as_str() {
        None => json.as_f64(),
        Some("NaN") => Some(f64::NAN),
        Some("INF" | "Infinity") => Some(f64::INFINITY),
        Some("-INF" | "-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}

/// Avro writes the bytes of a default as the characters U+0000 to U+00FF.
fn bytes(json: &Value) -> Option<Vec<u8>> {
    json.as_str()?.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
