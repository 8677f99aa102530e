//! [`UtcPart`]: date, hour, minute and weekday of a UTC timestamp by arithmetic.
//!
//! The general kernels convert each value to a calendar date with a time zone looked up; for UTC a
//! division does, at a twentieth of the cost. Pipelines derive such columns of every row.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, FieldRef, Schema, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_plan::PhysicalExpr;

use crate::tables::{nullable, timestamp_type};

const MICROSECONDS_PER_MINUTE: i64 = 60_000_000;
const MICROSECONDS_PER_HOUR: i64 = 60 * MICROSECONDS_PER_MINUTE;
const MICROSECONDS_PER_DAY: i64 = 24 * MICROSECONDS_PER_HOUR;
/// 1970-01-01 was a Thursday, day 4 of the week from Sunday as 0.
const WEEKDAY_OF_THE_EPOCH: i64 = 4;

/// What of a timestamp is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Date,
    Hour,
    Minute,
    /// Sunday is 0.
    Weekday,
}

/// A part of a timestamp in microseconds, UTC.
#[derive(Clone, Debug)]
pub(super) struct UtcPart {
    part: Part,
    timestamp: Arc<dyn PhysicalExpr>,
}

impl UtcPart {
    /// The same as `general`, if that is a part of a UTC timestamp that arithmetic gives.
    pub(super) fn in_place_of(general: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Option<Self>> {
        let (part, timestamp) = if let Some(cast) = general.downcast_ref::<CastExpr>() {
            let part = (*cast.cast_type() == DataType::Date32).then_some(Part::Date);
            (part, Some(cast.expr()))
        } else if let Some(function) = general.downcast_ref::<ScalarFunctionExpr>() {
            (date_part(function), function.args().get(1))
        } else {
            (None, None)
        };
        let (Some(part), Some(timestamp)) = (part, timestamp) else { return Ok(None) };
        let is_utc = timestamp.data_type(schema)? == timestamp_type();
        Ok(is_utc.then(|| Self { part, timestamp: Arc::clone(timestamp) }))
    }

    fn of(&self, timestamps: &ArrayRef) -> ArrayRef {
        let timestamps = timestamps.as_primitive::<TimestampMicrosecondType>();
        let within_day = |microseconds: i64| microseconds.rem_euclid(MICROSECONDS_PER_DAY);
        let day = |microseconds: i64| microseconds.div_euclid(MICROSECONDS_PER_DAY);
        match self.part {
            Part::Date => Arc::new(timestamps.unary(|time| day(time) as i32) as Date32Array),
            Part::Hour => int(timestamps, |time| within_day(time) / MICROSECONDS_PER_HOUR),
            Part::Minute => {
                int(timestamps, |time| time.rem_euclid(MICROSECONDS_PER_HOUR) / MICROSECONDS_PER_MINUTE)
            }
            Part::Weekday => int(timestamps, |time| (day(time) + WEEKDAY_OF_THE_EPOCH).rem_euclid(7)),
        }
    }
}

fn int(timestamps: &TimestampMicrosecondArray, of: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new(timestamps.unary(|time| of(time) as i32) as Int32Array)
}

/// The part that a call of `date_part` wants, if it is one of those.
fn date_part(function: &ScalarFunctionExpr) -> Option<Part> {
    if function.name() != "date_part" {
        return None;
    }
    let name = function.args().first()?.downcast_ref::<Literal>()?.value().try_as_str()??.to_lowercase();
    match name.as_str() {
        "hour" => Some(Part::Hour),
        "minute" => Some(Part::Minute),
        "dow" => Some(Part::Weekday),
        _ => None,
    }
}

// By hand: the derived ones do not compile for a trait object behind an `Arc`.
impl PartialEq for UtcPart {
    fn eq(&self, other: &Self) -> bool {
        self.part == other.part && self.timestamp.eq(&other.timestamp)
    }
}

impl Eq for UtcPart {}

impl Hash for UtcPart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.part.hash(state);
        self.timestamp.hash(state);
    }
}

impl fmt::Display for UtcPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "utc_part({:?}, {})", self.part, self.timestamp)
    }
}

impl PhysicalExpr for UtcPart {
    fn return_field(&self, _schema: &Schema) -> Result<FieldRef> {
        let data_type = if self.part == Part::Date { DataType::Date32 } else { DataType::Int32 };
        Ok(nullable(&self.to_string(), data_type))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let timestamps = self.timestamp.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.of(&timestamps)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.timestamp]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let timestamp = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.timestamp));
        Ok(Arc::new(Self { part: self.part, timestamp }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
