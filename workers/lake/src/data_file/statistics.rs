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
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use jiff::Timestamp;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use serde::Serialize;
use serde_json::value::RawValue;

use super::text_bounds::TextBounds;

/// Delta readers look at the first 32 columns, unless told otherwise.
const INDEXED_COLUMNS: usize = 32;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// What is counted of a column, beyond what the encoder counts.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSummary {
    nulls: u64,
    text: TextBounds,
    floats: Option<(f64, f64)>,
}

impl ColumnSummary {
    /// Takes note of the values of an array.
    pub(super) fn include(&mut self, column: &dyn Array) {
        self.nulls += column.logical_null_count() as u64;
        self.text.include(column);
        if let Some((smallest, largest)) = float_bounds(column) {
            self.floats = Some(match self.floats {
                // By total order, where NaN is beyond everything: once seen, it stays.
                Some((small, large)) => (
                    if smallest.total_cmp(&small).is_lt() { smallest } else { small },
                    if largest.total_cmp(&large).is_gt() { largest } else { large },
                ),
                None => (smallest, largest),
            });
        }
    }
}

/// The bounds of an array of floats, by total order.
fn float_bounds(column: &dyn Array) -> Option<(f64, f64)> {
    match column.data_type() {
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            Some((min(floats)?, max(floats)?))
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>();
            Some((min(floats)?.into(), max(floats)?.into()))
        }
        DataType::Dictionary(..) => float_bounds(column.as_any_dictionary_opt()?.values().as_ref()),
        _ => None,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaStatistics<'a> {
    num_records: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    min_values: BTreeMap<&'a str, Box<RawValue>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    max_values: BTreeMap<&'a str, Box<RawValue>>,
    null_count: BTreeMap<&'a str, u64>,
}

/// The statistics of a file, as the text of a Delta `add` action.
pub(super) fn delta_statistics(
    schema: &Schema,
    file: &ParquetMetaData,
    summaries: &[ColumnSummary],
) -> String {
    let mut statistics = DeltaStatistics {
        num_records: file.file_metadata().num_rows(),
        min_values: BTreeMap::new(),
        max_values: BTreeMap::new(),
        null_count: BTreeMap::new(),
    };
    let mut complete = true;
    let counted = counted_by_encoder(file);
    for (field, summary) in schema.fields().iter().zip(summaries).take(INDEXED_COLUMNS) {
        if field.data_type().is_nested() {
            continue;
        }
        statistics.null_count.insert(field.name(), summary.nulls);
        if is_binary(field.data_type()) || summary.nulls as i64 == statistics.num_records {
            continue;
        }
        match bounds(field, counted.get(field.name().as_str()).map_or(&[], Vec::as_slice), summary) {
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

/// What the encoder has counted of each column, for each row group in which the column has a value; `None`
/// for a row group that it did not count.
fn counted_by_encoder(file: &ParquetMetaData) -> BTreeMap<&str, Vec<Option<&Statistics>>> {
    let mut counted: BTreeMap<&str, Vec<Option<&Statistics>>> = BTreeMap::new();
    for chunk in file.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let [column] = chunk.column_path().parts() else { continue };
        let statistics = chunk.statistics();
        let nulls = statistics.and_then(Statistics::null_count_opt);
        if nulls.is_none_or(|nulls| nulls as i64 != chunk.num_values()) {
            counted.entry(column.as_str()).or_default().push(statistics);
        }
    }
    counted
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Whether the encoder counts the bounds of a column.
///
/// Text costs less in the summary. The encoder's bounds of floats leave NaN out, and readers that order NaN
/// after all numbers would leave out row groups by them.
pub(super) fn is_counted_by_encoder(data_type: &DataType) -> bool {
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    !is_float && !is_text(data_type) && !is_binary(data_type)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The smallest and the largest value of a column, in JSON; `None` if they have no place there.
fn bounds(
    field: &Field,
    counted: &[Option<&Statistics>],
    summary: &ColumnSummary,
) -> Option<(Box<RawValue>, Box<RawValue>)> {
    let (smallest, largest) = match field.data_type() {
        data_type if is_text(data_type) => {
            let (smallest, largest) = summary.text.cut()?;
            (serde_json::to_string(&smallest).ok()?, serde_json::to_string(&largest).ok()?)
        }
        DataType::Float64 => {
            let (smallest, largest) = with_signed_zeros(summary.floats?);
            (finite(smallest)?, finite(largest)?)
        }
        DataType::Float32 => {
            let (smallest, largest) = with_signed_zeros(summary.floats?);
            (finite(smallest as f32)?, finite(largest as f32)?)
        }
        data_type => counted_bounds(data_type, counted)?,
    };
    Some((RawValue::from_string(smallest).ok()?, RawValue::from_string(largest).ok()?))
}

/// Some readers tell the two zeros apart, others do not: the bounds include both.
fn with_signed_zeros((smallest, largest): (f64, f64)) -> (f64, f64) {
    (if smallest == 0.0 { -0.0 } else { smallest }, if largest == 0.0 { 0.0 } else { largest })
}

/// The bounds that the encoder has found, in JSON.
fn counted_bounds(data_type: &DataType, counted: &[Option<&Statistics>]) -> Option<(String, String)> {
    let bounds = match data_type {
        DataType::Boolean => {
            let (smallest, largest) = span(counted, |group| match group {
                Statistics::Boolean(flags) => Some((*flags.min_opt()?, *flags.max_opt()?)),
                _ => None,
            })?;
            (smallest.to_string(), largest.to_string())
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (smallest, largest) = integers(counted)?;
            (smallest.to_string(), largest.to_string())
        }
        DataType::Date32 => {
            let (smallest, largest) = integers(counted)?;
            (date(smallest)?, date(largest)?)
        }
        DataType::Timestamp(..) => {
            let (smallest, largest) = integers(counted)?;
            let rounded_up = largest.div_euclid(1000) + i64::from(largest.rem_euclid(1000) > 0);
            (timestamp(smallest.div_euclid(1000))?, timestamp(rounded_up)?)
        }
        DataType::Decimal128(_, scale) => {
            let (smallest, largest) = span(counted, |group| {
                Some((unscaled(group.min_bytes_opt()?, group)?, unscaled(group.max_bytes_opt()?, group)?))
            })?;
            (decimal(smallest, *scale)?, decimal(largest, *scale)?)
        }
        _ => return None,
    };
    Some(bounds)
}

/// The bounds over all row groups; `None` unless each of them has some.
fn span<T: Ord>(
    counted: &[Option<&Statistics>],
    bounds: impl Fn(&Statistics) -> Option<(T, T)>,
) -> Option<(T, T)> {
    let mut groups = counted.iter().map(|group| bounds((*group)?));
    let first = groups.next()??;
    groups.try_fold(first, |(smallest, largest), group| {
        let (small, large) = group?;
        Some((smallest.min(small), largest.max(large)))
    })
}

fn integers(counted: &[Option<&Statistics>]) -> Option<(i64, i64)> {
    span(counted, |group| match group {
        Statistics::Int32(ints) => Some(((*ints.min_opt()?).into(), (*ints.max_opt()?).into())),
        Statistics::Int64(ints) => Some((*ints.min_opt()?, *ints.max_opt()?)),
        _ => None,
    })
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

/// The unscaled value of a decimal: little-endian in an integer column, big-endian in a byte column.
fn unscaled(bytes: &[u8], counted: &Statistics) -> Option<i128> {
    let value = match counted {
        Statistics::Int32(_) => i128::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        Statistics::Int64(_) => i128::from(i64::from_le_bytes(bytes.try_into().ok()?)),
        Statistics::FixedLenByteArray(_) | Statistics::ByteArray(_) => {
            let sign = if bytes.first()? & 0x80 == 0 { 0 } else { -1 };
            bytes.iter().fold(sign, |value: i128, byte| (value << 8) | i128::from(*byte))
        }
        _ => return None,
    };
    Some(value)
}

fn decimal(unscaled: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
