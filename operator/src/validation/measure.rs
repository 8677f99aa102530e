//! Durations and sizes within their limits.

use std::fmt;
use std::ops::RangeInclusive;

use sluice_crds::byte_size::{self, NotAByteSize};
use sluice_crds::duration::{self, NotADuration};

use crate::problem::Faults;

/// A second, in the unit of durations.
pub(crate) const SECOND: u64 = 1_000;
/// A minute.
pub(crate) const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// A day.
pub(crate) const DAY: u64 = 24 * HOUR;
/// The longest duration that any field takes.
pub(crate) const TEN_YEARS: u64 = 3_653 * DAY;

/// A quantity that users write as a number and a unit.
struct Measure<E> {
    /// What people call it.
    noun: &'static str,
    parse: fn(&str) -> Result<u64, E>,
    /// How its least and its greatest value are written.
    limits: fn(&RangeInclusive<u64>) -> (String, String),
}

const DURATION: Measure<NotADuration> = Measure {
    noun: "duration",
    parse: duration::milliseconds,
    limits: |limits| (duration::text(*limits.start()), duration::text(*limits.end())),
};

const SIZE: Measure<NotAByteSize> = Measure {
    noun: "size",
    parse: byte_size::bytes,
    limits: |limits| (format!("{}Ki", limits.start() >> 10), format!("{}Mi", limits.end() >> 20)),
};

/// The milliseconds of a duration, or its default. A fault gives the default, too.
pub(crate) fn milliseconds(
    field: &str,
    text: Option<&str>,
    default: u64,
    limits: RangeInclusive<u64>,
    faults: &mut Faults,
) -> u64 {
    text.and_then(|text| DURATION.read(field, text, &limits, faults)).unwrap_or(default)
}

/// The bytes of a size, or its default. A fault gives the default, too.
pub(crate) fn bytes(
    field: &str,
    text: Option<&str>,
    default: u64,
    limits: RangeInclusive<u64>,
    faults: &mut Faults,
) -> u64 {
    text.and_then(|text| SIZE.read(field, text, &limits, faults)).unwrap_or(default)
}

impl<E: fmt::Display> Measure<E> {
    /// The value of a text; `None` after a fault.
    fn read(
        &self,
        field: &str,
        text: &str,
        limits: &RangeInclusive<u64>,
        faults: &mut Faults,
    ) -> Option<u64> {
        let noun = self.noun;
        match (self.parse)(text) {
            Ok(value) if limits.contains(&value) => return Some(value),
            Ok(_) => {
                let (least, most) = (self.limits)(limits);
                let fix = format!("write a {noun} from {least} to {most}");
                faults.add(field, format!("{text} is out of range"), fix);
            }
            Err(error) => faults.add(field, error.to_string(), format!("correct the {noun}")),
        }
        None
    }
}
