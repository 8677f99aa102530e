//! [`EventTimeParser`]: event-time text to microseconds since the epoch.

use snafu::Snafu;

/// The name of a time zone that does not exist.
#[derive(Debug, Snafu)]
#[snafu(display("failed to find the time zone `{name}`: write an IANA name such as `UTC` or `Europe/Paris`"))]
pub struct TimeZoneError {
    /// The name.
    name: String,
}

/// Reads event-time text, in a zone where the text names none.
#[derive(Clone, Debug)]
pub struct EventTimeParser {}

impl EventTimeParser {
    /// A parser that reads text without an offset in `time_zone`, an IANA name.
    pub fn new(_time_zone: &str) -> Result<Self, TimeZoneError> {
        unimplemented!()
    }

    /// Microseconds since the epoch, `None` where the text is in none of the accepted forms.
    pub fn parse(&self, _text: &str) -> Option<i64> {
        unimplemented!()
    }
}
