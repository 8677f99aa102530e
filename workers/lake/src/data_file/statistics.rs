//! Delta statistics of a finished file, from what was counted while its rows were encoded.
//!
//! Readers leave out files by these bounds, so a bound may be too wide but never too narrow:
//! - timestamps have milliseconds: the smallest is rounded down, the largest up;
//! - long text is cut, and the cut maximum is the next larger text;
//! - binary and nested columns have none;
//! - a float column with NaN has none either (NaN is larger than all numbers to some readers, and no number
//!   to others), nor one with infinities, which JSON cannot write, nor times beyond the year 9999. Such a
//!   file carries no bounds at all: delta-rs's Python package takes bounds that only some columns lack for
//!   comparisons with null, and then finds no row in them.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::compute::{cast, max, max_boolean, min, min_boolean};
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::text_bounds::TextBounds;

/// Delta readers look at the first 32 columns, unless told otherwise.
const INDEXED_COLUMNS: usize = 32;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// What is counted of a column while its rows are encoded.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSummary {
    nulls: u64,
    text: TextBounds,
    span: Option<Span>,
}

/// The smallest and the largest value of a column that is not text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Span {
    Flags(bool, bool),
    /// Also days of dates and microseconds of times.
    Integers(i64, i64),
    /// Unscaled.
    Decimals(i128, i128),
    /// By total order, where NaN is beyond everything: once seen, it stays.
    Floats(f64, f64),
}

impl ColumnSummary {
    /// Takes note of the values of an array.
    pub(super) fn include(&mut self, column: &dyn Array) {
        self.nulls += column.logical_null_count() as u64;
        self.text.include(column);
        if let Some(span) = Span::of(column) {
            self.span = Some(self.span.map_or(span, |before| before.with(span)));
        }
    }
}

impl Span {
    /// `None` without values, and for types that have no bounds here.
    fn of(column: &dyn Array) -> Option<Self> {
        match column.data_type() {
            DataType::Boolean => {
                let flags = column.as_boolean();
                Some(Self::Flags(min_boolean(flags)?, max_boolean(flags)?))
            }
            DataType::Int8 => integers::<Int8Type>(column),
            DataType::Int16 => integers::<Int16Type>(column),
            DataType::Int32 => integers::<Int32Type>(column),
            DataType::Int64 => integers::<Int64Type>(column),
            DataType::Date32 => integers::<Date32Type>(column),
            DataType::Timestamp(TimeUnit::Microsecond, _) => integers::<TimestampMicrosecondType>(column),
            DataType::Decimal128(..) => {
                let decimals = column.as_primitive::<Decimal128Type>();
                Some(Self::Decimals(min(decimals)?, max(decimals)?))
            }
            DataType::Float32 => {
                let floats = column.as_primitive::<Float32Type>();
                Some(Self::Floats(min(floats)?.into(), max(floats)?.into()))
            }
            DataType::Float64 => {
                let floats = column.as_primitive::<Float64Type>();
                Some(Self::Floats(min(floats)?, max(floats)?))
            }
            // A dictionary may have values that no row uses, and readers answer MIN and MAX from the log.
            DataType::Dictionary(_, values) if !is_text(values) => Self::of(&cast(column, values).ok()?),
            _ => None,
        }
    }

    /// The bounds of both; they are of one column and so of one kind.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Flags(small, large), Self::Flags(smallest, largest)) => {
                Self::Flags(small & smallest, large | largest)
            }
            (Self::Integers(small, large), Self::Integers(smallest, largest)) => {
                Self::Integers(small.min(smallest), large.max(largest))
            }
            (Self::Decimals(small, large), Self::Decimals(smallest, largest)) => {
                Self::Decimals(small.min(smallest), large.max(largest))
            }
            (Self::Floats(small, large), Self::Floats(smallest, largest)) => Self::Floats(
                if smallest.total_cmp(&small).is_lt() { smallest } else { small },
                if largest.total_cmp(&large).is_gt() { largest } else { large },
            ),
            (before, _) => before,
        }
    }
}

/// The bounds of an array of whole numbers.
fn integers<T: ArrowNumericType>(column: &dyn Array) -> Option<Span>
where
    T::Native: Into<i64>,
{
    let integers = column.as_primitive::<T>();
    Some(Span::Integers(min(integers)?.into(), max(integers)?.into()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaStatistics<'a> {
    num_records: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    min_values: BTreeMap<&'a str, Box<RawValue>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    max_values: BTreeMap<&'a str, Box<RawValue>>,
    null_count: BTreeMap<&'a str, u64>,
}

/// The statistics of a file, as the text of a Delta `add` action.
pub(super) fn delta_statistics(schema: &Schema, rows: u64, summaries: &[ColumnSummary]) -> String {
    let mut statistics = DeltaStatistics {
        num_records: rows,
        min_values: BTreeMap::new(),
        max_values: BTreeMap::new(),
        null_count: BTreeMap::new(),
    };
    let mut complete = true;
    for (field, summary) in schema.fields().iter().zip(summaries).take(INDEXED_COLUMNS) {
        if field.data_type().is_nested() {
            continue;
        }
        statistics.null_count.insert(field.name(), summary.nulls);
        if is_binary(field.data_type()) || summary.nulls == rows {
            continue;
        }
        match bounds(field, summary) {
            Some((smallest, largest)) => {
                statistics.min_values.insert(field.name(), smallest);
                statistics.max_values.insert(field.name(), largest);
            }
            None => complete = false,
        }
    }
    if !complete {
        statistics.min_values.clear();
        statistics.max_values.clear();
    }
    serde_json::to_string(&statistics).expect("statistics have string keys only")
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Whether the encoder's own bounds of a column are worth their time, where readers look at row groups.
///
/// Those of text cost as much as encoding it. Those of floats leave NaN out, and readers that order NaN
/// after all numbers would leave out row groups by them.
pub(super) fn is_counted_by_encoder(data_type: &DataType) -> bool {
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    !is_float && !is_text(data_type) && !is_binary(data_type)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The smallest and the largest value of a column, in JSON; `None` if they have no place there.
fn bounds(field: &Field, summary: &ColumnSummary) -> Option<(Box<RawValue>, Box<RawValue>)> {
    let data_type = field.data_type();
    let (smallest, largest) = if is_text(data_type) {
        let (smallest, largest) = summary.text.cut()?;
        (serde_json::to_string(&smallest).ok()?, serde_json::to_string(&largest).ok()?)
    } else {
        written(data_type, summary.span?)?
    };
    Some((RawValue::from_string(smallest).ok()?, RawValue::from_string(largest).ok()?))
}

/// Bounds as JSON of the column's type.
fn written(data_type: &DataType, span: Span) -> Option<(String, String)> {
    let written = match (data_type, span) {
        (_, Span::Flags(smallest, largest)) => (smallest.to_string(), largest.to_string()),
        (DataType::Date32, Span::Integers(smallest, largest)) => (date(smallest)?, date(largest)?),
        (DataType::Timestamp(..), Span::Integers(smallest, largest)) => {
            let rounded_up = largest.div_euclid(1000) + i64::from(largest.rem_euclid(1000) > 0);
            (timestamp(smallest.div_euclid(1000))?, timestamp(rounded_up)?)
        }
        (_, Span::Integers(smallest, largest)) => (smallest.to_string(), largest.to_string()),
        (DataType::Decimal128(_, scale), Span::Decimals(smallest, largest)) => {
            (decimal(smallest, *scale)?, decimal(largest, *scale)?)
        }
        (DataType::Float32, Span::Floats(smallest, largest)) => {
            let (smallest, largest) = with_signed_zeros(smallest, largest);
            (finite(smallest as f32)?, finite(largest as f32)?)
        }
        (_, Span::Floats(smallest, largest)) => {
            let (smallest, largest) = with_signed_zeros(smallest, largest);
            (finite(smallest)?, finite(largest)?)
        }
        (_, Span::Decimals(..)) => return None,
    };
    Some(written)
}

/// Some readers tell the two zeros apart, others do not: the bounds include both.
fn with_signed_zeros(smallest: f64, largest: f64) -> (f64, f64) {
    (if smallest == 0.0 { -0.0 } else { smallest }, if largest == 0.0 { 0.0 } else { largest })
}

/// A number, if JSON can write it.
fn finite<F: Into<f64> + Serialize + Copy>(value: F) -> Option<String> {
    if value.into().is_finite() { serde_json::to_string(&value).ok() } else { None }
}

fn date(days: i64) -> Option<String> {
    let midnight = four_digit_year(days * MILLISECONDS_PER_DAY)?;
    Some(format!("\"{}\"", midnight.strftime("%Y-%m-%d")))
}

fn timestamp(millis: i64) -> Option<String> {
    Some(format!("\"{:.3}\"", four_digit_year(millis)?))
}

/// Readers agree on the text of the years 0001 to 9999 only.
fn four_digit_year(millis: i64) -> Option<Timestamp> {
    const YEAR_1: i64 = -62_135_596_800_000;
    Timestamp::from_millisecond(millis).ok().filter(|_| millis >= YEAR_1)
}

fn decimal(unscaled: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
