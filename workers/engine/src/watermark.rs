//! [`Watermark`]: how far event time has come on one partition.

/// "Before everything": the watermark of a partition without a silver row.
pub const MINUS_INFINITY: i64 = i64::MIN;

/// Event-time progress of one partition, in log order.
///
/// It follows the largest min(event time, Kafka timestamp) of the partition's silver rows and trails it
/// by a fixed distance. The cap at the Kafka timestamp keeps a clock that runs ahead from making other
/// rows late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    max_event_time_us: i64,
    max_out_of_orderness_us: i64,
}

impl Watermark {
    /// The watermark of a partition whose largest capped event time is `max_event_time_us`.
    pub fn new(max_event_time_us: Option<i64>, max_out_of_orderness_ms: u64) -> Self {
        Self {
            max_event_time_us: max_event_time_us.unwrap_or(MINUS_INFINITY),
            max_out_of_orderness_us: micros(max_out_of_orderness_ms),
        }
    }

    /// The watermark; [`MINUS_INFINITY`] before the first silver row with an event time.
    pub fn value_us(&self) -> i64 {
        self.max_event_time_us.saturating_sub(self.max_out_of_orderness_us)
    }

    /// The largest capped event time so far.
    pub fn max_event_time_us(&self) -> Option<i64> {
        (self.max_event_time_us != MINUS_INFINITY).then_some(self.max_event_time_us)
    }

    /// Takes a silver row in. A row without event time does not move the watermark.
    pub fn observe(&mut self, event_time_us: Option<i64>, kafka_timestamp_us: Option<i64>) {
        let Some(event_time_us) = event_time_us else { return };
        let capped = kafka_timestamp_us.map_or(event_time_us, |timestamp| event_time_us.min(timestamp));
        self.max_event_time_us = self.max_event_time_us.max(capped);
    }
}

/// Milliseconds as microseconds, at most the largest that fits.
pub(crate) fn micros(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_is_minus_infinity_before_the_first_row() {
        let watermark = Watermark::new(None, 30_000);
        assert_eq!(watermark.value_us(), MINUS_INFINITY);
        assert_eq!(watermark.max_event_time_us(), None);
    }

    #[test]
    fn the_watermark_trails_the_largest_event_time() {
        let mut watermark = Watermark::new(None, 30_000);
        watermark.observe(Some(100_000_000), None);
        watermark.observe(Some(90_000_000), None);
        assert_eq!(watermark.value_us(), 70_000_000);
        assert_eq!(watermark.max_event_time_us(), Some(100_000_000));
    }

    #[test]
    fn a_clock_that_runs_ahead_is_capped_by_the_kafka_timestamp() {
        let mut watermark = Watermark::new(None, 0);
        watermark.observe(Some(5_000), Some(3_000));
        assert_eq!(watermark.value_us(), 3_000);
    }

    #[test]
    fn without_a_kafka_timestamp_there_is_no_cap() {
        let mut watermark = Watermark::new(None, 0);
        watermark.observe(Some(5_000), None);
        assert_eq!(watermark.value_us(), 5_000);
    }

    #[test]
    fn a_row_without_event_time_does_not_move_it() {
        let mut watermark = Watermark::new(Some(7), 0);
        watermark.observe(None, Some(9_000));
        assert_eq!(watermark.value_us(), 7);
    }

    #[test]
    fn times_before_1970_move_it_like_any_other() {
        let mut watermark = Watermark::new(None, 1);
        watermark.observe(Some(-5_000_000), None);
        assert_eq!(watermark.value_us(), -5_001_000);
    }

    #[test]
    fn extreme_times_saturate() {
        let mut watermark = Watermark::new(None, u64::MAX);
        watermark.observe(Some(i64::MIN + 5), None);
        assert_eq!(watermark.value_us(), i64::MIN);
    }
}
