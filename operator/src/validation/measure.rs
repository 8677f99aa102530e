//! Durations and sizes within their limits.

use std::ops::RangeInclusive;

use sluice_crds::{byte_size, duration};

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

/// The milliseconds of a duration, or its default. A fault gives the default, too.
pub(crate) fn milliseconds(
    field: &str,
    text: Option<&str>,
    default: u64,
    limits: RangeInclusive<u64>,
    faults: &mut Faults,
) -> u64 {
    let Some(text) = text else { return default };
    match duration::milliseconds(text) {
        Ok(value) if limits.contains(&value) => value,
        Ok(_) => {
            let (least, most) = (duration::text(*limits.start()), duration::text(*limits.end()));
            faults.add(
                field,
                format!("{text} is out of range"),
                format!("write a duration from {least} to {most}"),
            );
            default
        }
        Err(error) => {
            faults.add(field, error.to_string(), "correct the duration");
            default
        }
    }
}

/// The bytes of a size, or its default. A fault gives the default, too.
pub(crate) fn bytes(
    field: &str,
    text: Option<&str>,
    default: u64,
    limits: RangeInclusive<u64>,
    faults: &mut Faults,
) -> u64 {
    let Some(text) = text else { return default };
    match byte_size::bytes(text) {
        Ok(value) if limits.contains(&value) => value,
        Ok(_) => {
            faults.add(
                field,
                format!("{text} is out of range"),
                format!("write a size from {}Ki to {}Mi", limits.start() >> 10, limits.end() >> 20),
            );
            default
        }
        Err(error) => {
            faults.add(field, error.to_string(), "correct the size");
            default
        }
    }
}
