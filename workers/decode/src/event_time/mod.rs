//! [`EventTimeParser`]: event-time text to microseconds since the epoch.
//!
//! | part | accepted |
//! |---|---|
//! | date | `YYYY-MM-DD`, years 0001 to 9999; alone it is midnight in the parser's zone |
//! | between | `T` or one space |
//! | time | `HH:MM`, `HH:MM:SS`, `HH:MM:SS.f` with 1 to 9 digits, cut to microseconds |
//! | offset | nothing (the parser's zone), `Z`, `+HH:MM`, `+HHMM`, `+HH`, and the same with `-` |
//!
//! Nothing else parses.

mod calendar;
#[cfg(test)]
mod tests;
mod text;

use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use snafu::Snafu;

pub(crate) use calendar::days_since_epoch;
pub(crate) use text::{Date, date};
use text::{DateTime, date_time};

/// The name of a time zone that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(display(
    "failed to find the time zone `{name}`: write an IANA name such as `UTC` or `Europe/Paris`"
))]
pub struct TimeZoneError {
    /// The name.
    pub name: String,
}

/// Reads event-time text, in a zone where the text names none.
#[derive(Clone, Debug)]
pub struct EventTimeParser {
    /// `None` is UTC.
    zone: Option<TimeZone>,
}

impl EventTimeParser {
    /// A parser that reads text without an offset in `time_zone`, an IANA name.
    ///
    /// The rules of the zones are part of the program, so that all workers read a text alike. A time
    /// that a clock change skips is moved forward by the change; of a time that comes twice the first
    /// is meant.
    pub fn new(time_zone: &str) -> Result<Self, TimeZoneError> {
        if time_zone == "UTC" {
            return Ok(Self::utc());
        }
        match TimeZoneDatabase::bundled().get(time_zone) {
            Ok(zone) if !zone.is_unknown() => Ok(Self { zone: Some(zone) }),
            _ => TimeZoneSnafu { name: time_zone }.fail(),
        }
    }

    pub(crate) fn utc() -> Self {
        Self { zone: None }
    }

    /// Microseconds since the epoch; `None` where the text is in none of the accepted forms.
    #[inline]
    pub fn parse(&self, text: &str) -> Option<i64> {
        self.parse_bytes(text.as_bytes())
    }

    #[inline]
    pub(crate) fn parse_bytes(&self, text: &[u8]) -> Option<i64> {
        let parsed = date_time(text)?;
        let offset_seconds = match (parsed.offset_seconds, &self.zone) {
            (Some(offset), _) => offset,
            (None, None) => 0,
            (None, Some(zone)) => offset_in(zone, &parsed)?,
        };
        Some(parsed.local_micros() - i64::from(offset_seconds) * 1_000_000)
    }
}

/// The zone's offset from UTC at a local time.
fn offset_in(zone: &TimeZone, local: &DateTime) -> Option<i32> {
    let (hour, minute, second) = local.clock();
    let Date { year, month, day } = local.date;
    // The fraction cannot matter: zones change on whole seconds.
    let civil = jiff::civil::DateTime::new(
        year as i16,
        month as i8,
        day as i8,
        hour as i8,
        minute as i8,
        second as i8,
        0,
    )
    .ok()?;
    let offset = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
    };
    Some(offset.seconds())
}
