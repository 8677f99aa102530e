//! Delta statistics of a finished file, from what the Parquet encoder counted anyway.
//!
//! Readers leave out files by these bounds, so a bound may be too wide but never too narrow:
//! - timestamps have milliseconds: the smallest is rounded down, the largest up;
//! - long text is cut, and the cut maximum is the next larger text;
//! - a float column with NaN has no bounds (NaN is larger than all numbers to some readers, and no number
//!   to others), and infinities cannot be written in JSON;
//! - booleans, binary and nested columns have none.

use std::collections::{BTreeMap, HashSet};

use arrow::datatypes::{DataType, Field, Schema};
use jiff::Timestamp;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde::Serialize;
use serde_json::value::RawValue;

/// Delta readers look at the first 32 columns, unless told otherwise.
const INDEXED_COLUMNS: usize = 32;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaStatistics<'a> {
    num_records: i64,
    min_values: BTreeMap<&'a str, Box<RawValue>>,
    max_values: BTreeMap<&'a str, Box<RawValue>>,
    null_count: BTreeMap<&'a str, u64>,
}

/// The statistics of a file with one row group, as the text of a Delta `add` action.
pub(super) fn delta_statistics(schema: &Schema, file: &ParquetMetaData, with_nan: &HashSet<usize>) -> String {
    let mut statistics = DeltaStatistics {
        num_records: file.file_metadata().num_rows(),
        min_values: BTreeMap::new(),
        max_values: BTreeMap::new(),
        null_count: BTreeMap::new(),
    };
    debug_assert!(file.num_row_groups() <= 1, "an epoch's file has one row group");
    let chunks = file.row_groups().iter().flat_map(|group| group.columns());
    for chunk in chunks {
        let [column] = chunk.column_path().parts() else { continue };
        let Some((index, field)) = schema.column_with_name(column) else { continue };
        let Some(counted) = chunk.statistics().filter(|_| index < INDEXED_COLUMNS) else { continue };
        if let Some(nulls) = counted.null_count_opt() {
            statistics.null_count.insert(field.name(), nulls);
        }
        if with_nan.contains(&index) {
            continue;
        }
        if let Some((smallest, largest)) = bounds(field, counted) {
            statistics.min_values.insert(field.name(), smallest);
            statistics.max_values.insert(field.name(), largest);
        }
    }
    serde_json::to_string(&statistics).expect("statistics have string keys only")
}

/// The smallest and the largest value of a column, in JSON; `None` if they have no place there.
fn bounds(field: &Field, counted: &Statistics) -> Option<(Box<RawValue>, Box<RawValue>)> {
    let (smallest, largest) = match (field.data_type(), counted) {
        (DataType::Int8 | DataType::Int16 | DataType::Int32, Statistics::Int32(ints)) => {
            (ints.min_opt()?.to_string(), ints.max_opt()?.to_string())
        }
        (DataType::Int64, Statistics::Int64(ints)) => {
            (ints.min_opt()?.to_string(), ints.max_opt()?.to_string())
        }
        (DataType::Float32, Statistics::Float(floats)) => {
            (finite(*floats.min_opt()?)?, finite(*floats.max_opt()?)?)
        }
        (DataType::Float64, Statistics::Double(floats)) => {
            (finite(*floats.min_opt()?)?, finite(*floats.max_opt()?)?)
        }
        (DataType::Date32, Statistics::Int32(days)) => (date(*days.min_opt()?)?, date(*days.max_opt()?)?),
        (DataType::Timestamp(..), Statistics::Int64(micros)) => {
            let largest = micros.max_opt()?;
            let rounded_up = largest.div_euclid(1000) + i64::from(largest.rem_euclid(1000) > 0);
            (timestamp(micros.min_opt()?.div_euclid(1000))?, timestamp(rounded_up)?)
        }
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, Statistics::ByteArray(texts)) => {
            (text(texts.min_opt()?.data())?, text(texts.max_opt()?.data())?)
        }
        (DataType::Decimal128(_, scale), counted) => (
            decimal(counted.min_bytes_opt()?, counted, *scale)?,
            decimal(counted.max_bytes_opt()?, counted, *scale)?,
        ),
        _ => return None,
    };
    Some((RawValue::from_string(smallest).ok()?, RawValue::from_string(largest).ok()?))
}

fn finite<F: Into<f64> + Serialize + Copy>(value: F) -> Option<String> {
    if value.into().is_finite() { serde_json::to_string(&value).ok() } else { None }
}

fn text(bytes: &[u8]) -> Option<String> {
    serde_json::to_string(std::str::from_utf8(bytes).ok()?).ok()
}

fn date(days: i32) -> Option<String> {
    let midnight = four_digit_year(i64::from(days) * MILLISECONDS_PER_DAY)?;
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

/// A decimal, from its unscaled value: little-endian in an integer column, big-endian in a byte column.
fn decimal(bytes: &[u8], counted: &Statistics, scale: i8) -> Option<String> {
    let unscaled = match counted {
        Statistics::Int32(_) => i128::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        Statistics::Int64(_) => i128::from(i64::from_le_bytes(bytes.try_into().ok()?)),
        Statistics::FixedLenByteArray(_) | Statistics::ByteArray(_) => {
            let sign = if bytes.first()? & 0x80 == 0 { 0 } else { -1 };
            bytes.iter().fold(sign, |value: i128, byte| (value << 8) | i128::from(*byte))
        }
        _ => return None,
    };
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
