//! [`EventTimeSource`]: where a row's event time comes from.

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, TimestampMicrosecondType};
use sluice_contract::config::EventTime;
use sluice_decode::EventTimeParser;

use super::problem::Problems;
use crate::expression::Scope;
use crate::tables::timestamp_type;

/// Where a row's event time comes from.
#[derive(Clone, Debug)]
pub(crate) enum EventTimeSource {
    /// Text in the slot, to be parsed.
    Text {
        /// The slot of the column.
        slot: usize,
        /// Knows the accepted forms and the time zone.
        parser: EventTimeParser,
    },
    /// A timestamp, or a date, which stands for its midnight (UTC).
    Temporal {
        /// The slot of the column.
        slot: usize,
    },
}

impl EventTimeSource {
    /// The slot of the column.
    pub(crate) fn slot(&self) -> usize {
        match self {
            Self::Text { slot, .. } | Self::Temporal { slot } => *slot,
        }
    }

    /// The event times of a batch; null where there is none, or where the text does not parse.
    pub(crate) fn times(&self, columns: &[ArrayRef]) -> TimestampMicrosecondArray {
        self.times_of(&columns[self.slot()])
    }

    /// [`Self::times`] of the column itself.
    pub(crate) fn times_of(&self, column: &ArrayRef) -> TimestampMicrosecondArray {
        match self {
            Self::Text { parser, .. } => {
                let texts = column.as_string::<i32>();
                let mut times = TimestampMicrosecondArray::builder(texts.len());
                for text in texts {
                    times.append_option(text.and_then(|text| parser.parse(text)));
                }
                times.finish().with_timezone("UTC")
            }
            Self::Temporal { .. } => {
                let times = cast(column, &timestamp_type()).expect("dates and timestamps convert");
                times.as_primitive::<TimestampMicrosecondType>().clone()
            }
        }
    }
}

/// The source that a configuration names.
pub(super) fn source(
    config: &EventTime,
    fields: &[FieldRef],
    scope: &Scope,
    problems: &mut Problems,
) -> Option<EventTimeSource> {
    const COLUMN: &str = "source.eventTime.column";
    let parser = EventTimeParser::new(&config.time_zone);
    let parser = parser.map_err(|error| {
        problems.add("source.eventTime.timeZone", error.to_string(), "name a zone of the IANA database");
    });
    let name = &config.column;
    let Some(slot) = fields.iter().position(|field| field.name() == name) else {
        problems.add(COLUMN, format!("the schema has no field `{name}`"), scope.suggest(name));
        return None;
    };
    match fields[slot].data_type() {
        DataType::Utf8 => parser.ok().map(|parser| EventTimeSource::Text { slot, parser }),
        DataType::Date32 | DataType::Timestamp(_, _) => Some(EventTimeSource::Temporal { slot }),
        other => {
            let message = format!("`{name}` is of type {other}, which is no event time");
            problems.add(COLUMN, message, "declare it as string, date, timestamp-millis or timestamp-micros");
            None
        }
    }
}
