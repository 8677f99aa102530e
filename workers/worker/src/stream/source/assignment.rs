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
pub(crate) fn starting_point(
    known: Known<'_>,
    start_from: StartFrom,
    available: Watermarks,
) -> StartingPoint {
    match known {
        Known::FirstStart => StartingPoint::At(match start_from {
            StartFrom::Earliest => available.low,
            StartFrom::Latest => available.high,
        }),
        Known::NewPartition => StartingPoint::At(available.low),
        Known::Beginning(wanted) => {
            expired(wanted, available).map_or(StartingPoint::At(wanted), StartingPoint::Expired)
        }
        Known::Stored(progress) => {
            let wanted = progress.next_offset;
            let untouched = progress.counts.messages == 0 && start_from == StartFrom::Earliest;
            if untouched && wanted < available.low {
                return StartingPoint::At(available.low);
            }
            expired(wanted, available).map_or(StartingPoint::At(wanted), StartingPoint::Expired)
        }
    }
}

/// Whether the broker lacks the offset that comes next.
pub(crate) fn expired(wanted: i64, available: Watermarks) -> Option<Expired> {
    let has_it = (available.low..=available.high).contains(&wanted);
    (!has_it).then_some(Expired { wanted, available })
}

impl Expired {
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
        starting_point(known, StartFrom::Earliest, AVAILABLE)
    }

    #[test]
    fn the_first_start_follows_start_from() {
        assert_eq!(starting_point(Known::FirstStart, StartFrom::Earliest, AVAILABLE), StartingPoint::At(100));
        assert_eq!(starting_point(Known::FirstStart, StartFrom::Latest, AVAILABLE), StartingPoint::At(200));
    }

    #[test]
    fn a_partition_that_was_added_later_is_read_from_its_first_message_whatever_start_from_says() {
        let at = starting_point(Known::NewPartition, StartFrom::Latest, AVAILABLE);
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
        let latest = starting_point(Known::Stored(&stored(50, 0)), StartFrom::Latest, AVAILABLE);
        assert!(matches!(latest, StartingPoint::Expired(_)), "messages after the start were lost");
    }

    #[test]
    fn a_partition_that_is_to_begin_at_an_offset_begins_there_or_not_at_all() {
        assert_eq!(start(Known::Beginning(150)), StartingPoint::At(150));
        assert!(matches!(start(Known::Beginning(50)), StartingPoint::Expired(_)), "never a jump");
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
