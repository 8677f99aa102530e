//! From where a partition is read. Pure.

use sluice_contract::config::StartFrom;
use sluice_contract::manifest::PartitionProgress;
use sluice_contract::report::Problem;

use crate::kafka::Watermarks;

/// What is known of a partition when it is about to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// Its chain has its position.
    Stored(&'a PartitionProgress),
    /// It was never read, and starts at this offset.
    Beginning(i64),
    /// No partition has a position: the pipeline starts.
    FirstStart,
    /// Others have, but this one has not: the topic has grown.
    NewPartition,
}

/// Where to read a partition from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartingPoint {
    /// From this offset.
    At(i64),
    /// Nowhere: the broker does not have the next message any more, or never had it.
    Expired(Expired),
}

/// An offset that the broker does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The offset that comes next.
    pub(crate) wanted: i64,
    /// What the broker has.
    pub(crate) available: Watermarks,
}

/// Decides where a partition is read from.
///
/// | known | starts |
/// |---|---|
/// | a position with messages behind it | there, if the broker has it |
/// | a position, but nothing was read yet | there, or at the first message if that one has expired |
/// | an offset to begin at | there, if the broker has it |
/// | no chain yet | as `start_from` says |
/// | a partition that was added to the topic | at its first message: it was empty when the pipeline began |
///
/// A job that `backfills` finds in bronze what the broker has no longer. It wants the first offset of a new partition,
/// and follows the start of the log nowhere.
pub(crate) fn starting_point(
    known: Known<'_>,
    start_from: StartFrom,
    backfills: bool,
    available: Watermarks,
) -> StartingPoint {
    match known {
        Known::FirstStart => StartingPoint::At(match start_from {
            StartFrom::Earliest => available.low,
            StartFrom::Latest => available.high,
        }),
        Known::NewPartition if backfills => at_or_expired(0, available),
        Known::NewPartition => StartingPoint::At(available.low),
        Known::Beginning(wanted) => at_or_expired(wanted, available),
        Known::Stored(progress) => {
            let wanted = progress.next_offset;
            let untouched = progress.counts.messages == 0 && start_from == StartFrom::Earliest && !backfills;
            if untouched && wanted < available.low {
                return StartingPoint::At(available.low);
            }
            at_or_expired(wanted, available)
        }
    }
}

fn at_or_expired(wanted: i64, available: Watermarks) -> StartingPoint {
    expired(wanted, available).map_or(StartingPoint::At(wanted), StartingPoint::Expired)
}

/// Whether the broker lacks the offset that comes next.
pub(crate) fn expired(wanted: i64, available: Watermarks) -> Option<Expired> {
    let has_it = (available.low..=available.high).contains(&wanted);
    (!has_it).then_some(Expired { wanted, available })
}

impl Expired {
    /// Whether the messages between were there once: then their rows may be somewhere else.
    pub(crate) fn was_there(&self) -> bool {
        self.wanted < self.available.low
    }

    /// What the report says of a job that goes on with rows of bronze, which ends at `covered`, with the repair.
    pub(crate) fn missing(&self, topic: &str, partition: i32, covered: Option<i64>) -> Problem {
        let Self { wanted, available: Watermarks { low, high } } = self;
        let bronze = covered.map_or_else(
            || "nothing of the partition".to_owned(),
            |covered| format!("the rows up to offset {covered}"),
        );
        Problem {
            reason: "OffsetsExpired".to_owned(),
            message: format!(
                "partition {partition} of topic \"{topic}\" goes on at offset {wanted}, but the broker has {low} to {high}, \
                 and bronze has {bronze}: the pipeline has yet to read the messages between; nothing is skipped, and the \
                 partition goes on by itself when it has; see what keeps the pipeline from that"
            ),
        }
    }

    /// What the report says, with the repair.
    pub(crate) fn problem(&self, topic: &str, partition: i32) -> Problem {
        let Self { wanted, available: Watermarks { low, high } } = self;
        let cause = if wanted < low {
            "retention removed the messages between"
        } else {
            "the topic was truncated, or deleted and created again"
        };
        Problem {
            reason: "OffsetsExpired".to_owned(),
            message: format!(
                "partition {partition} of topic \"{topic}\" goes on at offset {wanted}, but the broker has {low} to {high}: {cause}; \
                 this partition stays stopped, nothing is skipped; restore the messages, \
                 or give the pipeline another storage.uri and let it start again"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_contract::manifest::Counts;

    use super::*;

    const AVAILABLE: Watermarks = Watermarks { low: 100, high: 200 };

    fn stored(next_offset: i64, messages: u64) -> PartitionProgress {
        let counts = Counts { messages, ..Counts::default() };
        PartitionProgress { counts, ..PartitionProgress::starting_at(next_offset) }
    }

    fn start(known: Known<'_>) -> StartingPoint {
        starting_point(known, StartFrom::Earliest, false, AVAILABLE)
    }

    #[test]
    fn the_first_start_follows_start_from() {
        assert_eq!(
            starting_point(Known::FirstStart, StartFrom::Earliest, false, AVAILABLE),
            StartingPoint::At(100)
        );
        assert_eq!(
            starting_point(Known::FirstStart, StartFrom::Latest, false, AVAILABLE),
            StartingPoint::At(200)
        );
    }

    #[test]
    fn a_partition_that_was_added_later_is_read_from_its_first_message_whatever_start_from_says() {
        let at = starting_point(Known::NewPartition, StartFrom::Latest, false, AVAILABLE);
        assert_eq!(at, StartingPoint::At(100));
    }

    #[test]
    fn a_stored_position_wins_and_both_ends_of_the_log_are_in_range() {
        for offset in [100, 150, 200] {
            assert_eq!(start(Known::Stored(&stored(offset, 5))), StartingPoint::At(offset));
        }
    }

    #[test]
    fn a_position_outside_the_log_is_expired_and_never_a_jump() {
        for wanted in [99, 201] {
            let expected = StartingPoint::Expired(Expired { wanted, available: AVAILABLE });
            assert_eq!(start(Known::Stored(&stored(wanted, 5))), expected);
        }
    }

    #[test]
    fn a_partition_of_which_nothing_was_read_may_follow_the_start_of_the_log() {
        assert_eq!(start(Known::Stored(&stored(50, 0))), StartingPoint::At(100));
        let latest = starting_point(Known::Stored(&stored(50, 0)), StartFrom::Latest, false, AVAILABLE);
        assert!(matches!(latest, StartingPoint::Expired(_)), "messages after the start were lost");
    }

    #[test]
    fn a_partition_that_is_to_begin_at_an_offset_begins_there_or_not_at_all() {
        assert_eq!(start(Known::Beginning(150)), StartingPoint::At(150));
        assert!(matches!(start(Known::Beginning(50)), StartingPoint::Expired(_)), "never a jump");
    }

    #[test]
    fn a_job_that_reads_bronze_wants_every_offset_from_the_first_on() {
        let start = |known: Known<'_>| starting_point(known, StartFrom::Earliest, true, AVAILABLE);
        for (known, wanted) in [(Known::Stored(&stored(50, 0)), 50), (Known::NewPartition, 0)] {
            let StartingPoint::Expired(expired) = start(known) else { panic!("{known:?} jumps") };
            assert_eq!((expired.wanted, expired.was_there()), (wanted, true));
        }
        let empty = Watermarks { low: 0, high: 0 };
        let new = starting_point(Known::NewPartition, StartFrom::Earliest, true, empty);
        assert_eq!(new, StartingPoint::At(0));
        let truncated = Expired { wanted: 201, available: AVAILABLE };
        assert!(!truncated.was_there(), "no row stands in for a message that has yet to come");
    }

    #[test]
    fn the_problem_of_missing_rows_tells_how_far_bronze_is() {
        let expired = Expired { wanted: 20, available: AVAILABLE };
        let message = expired.missing("readings", 3, Some(70)).message;
        for part in ["partition 3", "offset 20", "100 to 200", "rows up to offset 70", "the pipeline"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert!(expired.missing("readings", 3, None).message.contains("nothing of the partition"));
    }

    #[test]
    fn the_problem_names_partition_offsets_and_repair() {
        let expired = Expired { wanted: 99, available: AVAILABLE };
        let problem = expired.problem("readings", 3);
        assert_eq!(problem.reason, "OffsetsExpired");
        for part in ["partition 3", "\"readings\"", "offset 99", "100 to 200", "retention", "storage.uri"] {
            assert!(problem.message.contains(part), "{part} is not in {}", problem.message);
        }
        let recreated = Expired { wanted: 201, available: AVAILABLE }.problem("readings", 3);
        assert!(recreated.message.contains("created again"), "{}", recreated.message);
    }
}
