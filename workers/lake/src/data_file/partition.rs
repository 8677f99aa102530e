//! Cuts rows by their partition values, and writes the values as the Delta protocol wants them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Scalar, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;

/// The values of a file's partition columns, in the order of the columns; `None` is null.
pub(super) type PartitionValues = Vec<Option<String>>;

/// Readers know a directory of this name as null, should they look at names at all.
const NULL_DIRECTORY: &str = "__HIVE_DEFAULT_PARTITION__";

/// A directory's name shows so much of a value.
const SHOWN: usize = 64;

/// Cuts rows into one batch per combination of partition values. The columns are all kept.
///
/// Combinations of different values may have the same text (null and the empty string): the caller puts
/// them in the same file.
pub(super) fn split(
    rows: &RecordBatch,
    columns: &[usize],
) -> Result<Vec<(PartitionValues, RecordBatch)>, ArrowError> {
    if columns.is_empty() || rows.num_rows() == 0 {
        return Ok(vec![(Vec::new(), rows.clone())]);
    }
    let arrays: Vec<ArrayRef> = columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
    // Nearly always: dates hardly change from one message to the next.
    if all_are_as_the_first(&arrays)? {
        return Ok(vec![(values(&arrays, 0)?, rows.clone())]);
    }
    let cut = group(&arrays)?.into_iter().map(|indices| {
        let values = values(&arrays, indices[0] as usize)?;
        Ok((values, take_record_batch(rows, &UInt32Array::from(indices))?))
    });
    cut.collect()
}

fn all_are_as_the_first(arrays: &[ArrayRef]) -> Result<bool, ArrowError> {
    for array in arrays {
        let first = Scalar::new(array.slice(0, 1));
        if not_distinct(array, &first)?.true_count() < array.len() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The rows of each combination of values, in order of first appearance.
fn group(arrays: &[ArrayRef]) -> Result<Vec<Vec<u32>>, ArrowError> {
    let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(arrays)?;
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    let mut last: Option<(&[u8], usize)> = None;
    for index in 0..encoded.num_rows() {
        let row = encoded.row(index).data();
        // Neighbours mostly agree.
        let number = match last {
            Some((bytes, number)) if bytes == row => number,
            _ => *known.entry(row).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            }),
        };
        groups[number].push(index as u32);
        last = Some((row, number));
    }
    Ok(groups)
}

/// The partition values of one row, as text.
///
/// The protocol reads an empty string as null, so it is written as null.
fn values(arrays: &[ArrayRef], row: usize) -> Result<PartitionValues, ArrowError> {
    let options = FormatOptions::new().with_date_format(Some("%Y-%m-%d"));
    let text = |array: &ArrayRef| {
        if array.is_null(row) {
            return Ok(None);
        }
        let text = match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let instant = Timestamp::from_microsecond(micros)
                    .map_err(|error| ArrowError::ComputeError(error.to_string()))?;
                instant.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
            }
            _ => ArrayFormatter::try_new(array.as_ref(), &options)?.value(row).try_to_string()?,
        };
        Ok((!text.is_empty()).then_some(text))
    };
    arrays.iter().map(text).collect()
}

/// The directory of a file: `country=DE/`, for people. Readers take the values from the log.
///
/// Only characters that are the same in a URL, in object stores and on every file system are kept, so the
/// path in the log needs no escaping, and no reader can escape it wrongly.
pub(super) fn directory(columns: &[String], values: &PartitionValues) -> String {
    let plain = |text: &str| -> String {
        let safe = |character: char| {
            let kept = character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
            if kept { character } else { '_' }
        };
        text.chars().take(SHOWN).map(safe).collect()
    };
    let part = |(column, value): (&String, &Option<String>)| {
        let value = value.as_deref().map_or_else(|| NULL_DIRECTORY.to_owned(), plain);
        format!("{}={value}/", plain(column))
    };
    columns.iter().zip(values).map(part).collect()
}

#[cfg(test)]
mod tests;
