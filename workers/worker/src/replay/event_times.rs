//! [`EventTimes`] and [`Span`]: over which event times windows must be computed again. Pure.

use arrow::array::{Array, TimestampMicrosecondArray};
use serde::{Deserialize, Serialize};

use super::rows::Position;

/// The event times of messages, by their places, which come in order for each partition.
#[derive(Clone, Debug, Default)]
pub(super) struct EventTimes {
    positions: Vec<Position>,
    times_us: Vec<Option<i64>>,
}

impl EventTimes {
    /// Adds those of more messages. All of a portion come in the order of their places.
    pub(super) fn add(&mut self, positions: Vec<Position>, times: &TimestampMicrosecondArray) {
        self.positions.extend(positions);
        self.times_us.extend(times.iter());
    }

    /// The event time of a message; `None` if it has none, or is not known.
    pub(super) fn of(&self, position: Position) -> Option<i64> {
        let row = self.positions.binary_search(&position).ok()?;
        self.times_us[row]
    }
}

/// From the first event time to the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span(Option<(i64, i64)>);

impl Span {
    /// Stretches to those of another.
    pub(super) fn unite(&mut self, other: Self) {
        self.include(other.0.into_iter().flat_map(|(first, last)| [first, last]));
    }

    /// Stretches to some event times.
    pub(super) fn include(&mut self, times_us: impl IntoIterator<Item = i64>) {
        for time_us in times_us {
            let (first, last) = self.0.unwrap_or((time_us, time_us));
            self.0 = Some((first.min(time_us), last.max(time_us)));
        }
    }

    /// Stretches to the event times of a column that are there.
    pub(super) fn include_column(&mut self, times: &TimestampMicrosecondArray) {
        let (first, last) = (arrow::compute::min(times), arrow::compute::max(times));
        self.include(first.into_iter().chain(last));
    }

    /// The first event time, and the first one behind all; `None` without any.
    pub(super) fn bounds_us(self) -> Option<(i64, i64)> {
        self.0.map(|(first, last)| (first, last.saturating_add(1)))
    }

    /// Stretches to the event times of some rows of a column, by their places in it.
    pub(super) fn include_rows(
        &mut self,
        times: &TimestampMicrosecondArray,
        rows: impl Iterator<Item = usize>,
    ) {
        self.include(rows.filter(|row| times.is_valid(*row)).map(|row| times.value(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reaches_from_the_first_event_time_to_behind_the_last() {
        let mut span = Span::default();
        assert_eq!(span.bounds_us(), None);
        span.include_column(&TimestampMicrosecondArray::from(vec![None, None]));
        assert_eq!(span.bounds_us(), None);
        span.include([7]);
        assert_eq!(span.bounds_us(), Some((7, 8)));
        let column = TimestampMicrosecondArray::from(vec![None, Some(-3), Some(20)]);
        span.include_rows(&column, [0, 1].into_iter());
        assert_eq!(span.bounds_us(), Some((-3, 8)));
        span.include_column(&column);
        assert_eq!(span.bounds_us(), Some((-3, 21)));
    }

    #[test]
    fn event_times_are_found_by_the_places_of_messages() {
        let mut times = EventTimes::default();
        times.add(vec![(0, 1), (0, 5)], &TimestampMicrosecondArray::from(vec![Some(10), None]));
        times.add(vec![(2, 0)], &TimestampMicrosecondArray::from(vec![Some(30)]));
        let found = [(0, 1), (0, 5), (0, 2), (2, 0), (3, 0)].map(|position| times.of(position));
        assert_eq!(found, [Some(10), None, None, Some(30), None]);
    }
}
