//! Which segments of a partition have expired. Decides only; [`super::partition`] deletes.

/// How long and how much a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetentionPolicy {
    /// Segments whose newest record is older go. `None`: age does not matter.
    pub(crate) age_ms: Option<i64>,
    /// Old segments beyond this size of the partition go. `None`: size does not matter.
    pub(crate) bytes: Option<u64>,
}

/// What the decision needs to know about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    /// The offset that follows its last record.
    pub(crate) next_offset: i64,
    /// Its size.
    pub(crate) bytes: u64,
    /// The newest timestamp of its records, or the last append where they have none.
    pub(crate) newest_ms: i64,
}

/// How many segments, from the oldest on, are to be deleted.
///
/// | a segment goes when | the last one too? |
/// |---|---|
/// | all its records lie below the log's start | yes, if it has records |
/// | its newest record is older than the age | yes, if it has records |
/// | the partition without it still holds the allowed bytes | no |
///
/// Segments go in their order: one that stays keeps all later ones.
pub(crate) fn expired(
    segments: &[SegmentFacts],
    log_start: i64,
    policy: RetentionPolicy,
    now_ms: i64,
) -> usize {
    let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut expired = 0;
    for (number, segment) in segments.iter().enumerate() {
        let is_last = number + 1 == segments.len();
        let below_start = segment.next_offset <= log_start;
        let too_old = policy.age_ms.is_some_and(|age| now_ms.saturating_sub(segment.newest_ms) > age);
        let too_much = policy.bytes.is_some_and(|bytes| left - segment.bytes >= bytes);
        let goes = if is_last {
            segment.bytes > 0 && (below_start || too_old)
        } else {
            below_start || too_old || too_much
        };
        if !goes {
            break;
        }
        left -= segment.bytes;
        expired += 1;
    }
    expired
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: RetentionPolicy = RetentionPolicy { age_ms: None, bytes: None };

    /// Three segments of 100 bytes and 10 records, written at 1, 2 and 3 seconds.
    fn segments() -> Vec<SegmentFacts> {
        (1..=3)
            .map(|number| SegmentFacts { next_offset: number * 10, bytes: 100, newest_ms: number * 1_000 })
            .collect()
    }

    fn by_age(age_ms: i64, now_ms: i64) -> usize {
        expired(&segments(), 0, RetentionPolicy { age_ms: Some(age_ms), ..FOREVER }, now_ms)
    }

    fn by_bytes(bytes: u64) -> usize {
        expired(&segments(), 0, RetentionPolicy { bytes: Some(bytes), ..FOREVER }, 10_000)
    }

    #[test]
    fn nothing_expires_without_limits() {
        assert_eq!(expired(&segments(), 0, FOREVER, i64::MAX), 0);
    }

    #[test]
    fn segments_expire_by_their_newest_record() {
        assert_eq!(by_age(1_000, 2_000), 0);
        assert_eq!(by_age(1_000, 2_001), 1);
        assert_eq!(by_age(1_000, 3_500), 2);
    }

    #[test]
    fn the_last_segment_expires_by_age_when_everything_in_it_has() {
        assert_eq!(by_age(1_000, 4_001), 3);
        let mut empty_end = segments();
        empty_end.push(SegmentFacts { next_offset: 30, bytes: 0, newest_ms: 0 });
        assert_eq!(expired(&empty_end, 30, RetentionPolicy { age_ms: Some(0), ..FOREVER }, 10_000), 3);
    }

    #[test]
    fn size_removes_whole_segments_as_long_as_the_rest_fills_the_limit() {
        assert_eq!(by_bytes(300), 0);
        assert_eq!(by_bytes(201), 0);
        assert_eq!(by_bytes(200), 1);
        assert_eq!(by_bytes(100), 2);
    }

    #[test]
    fn size_never_removes_the_last_segment() {
        assert_eq!(by_bytes(0), 2);
    }

    #[test]
    fn a_segment_that_stays_keeps_all_later_ones() {
        let mut mixed = segments();
        mixed[0].newest_ms = 9_999;
        assert_eq!(expired(&mixed, 0, RetentionPolicy { age_ms: Some(1_000), ..FOREVER }, 10_000), 0);
    }

    #[test]
    fn segments_below_the_logs_start_go() {
        assert_eq!(expired(&segments(), 9, FOREVER, 0), 0);
        assert_eq!(expired(&segments(), 20, FOREVER, 0), 2);
        assert_eq!(expired(&segments(), 30, FOREVER, 0), 3);
    }
}
