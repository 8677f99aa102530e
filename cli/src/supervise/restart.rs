//! Whether and when a process that ended is started again. Pure.

use std::time::Duration;

use crate::supervise::process::Exit;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A process that ran longer was working: its crash is a new story.
const QUICK: Duration = Duration::from_secs(30);
/// So many quick crashes in a row are no accident.
const MOST_QUICK_CRASHES: u32 = 5;
/// The exit code of our programs for a command line or configuration that cannot be used: trying again is vain.
const UNUSABLE: i32 = 2;

/// When a process is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    /// Whenever it ends.
    Always,
    /// When it fails; success means that it did what it was for, and some quick failures in a row that it
    /// never will.
    UntilSuccess,
    /// Never: it has its turn, however that ends.
    Once,
}

/// What follows on the end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    RestartAfter(Duration),
    Finished,
    GiveUp,
}

/// The memory of one process's crashes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restarts {
    quick_crashes: u32,
}

impl Restarts {
    /// | exit | `Always` | `UntilSuccess` | `Once` |
    /// |---|---|---|---|
    /// | success | restart | finished | finished |
    /// | unusable configuration | give up | give up | give up |
    /// | failure | restart | restart; the fifth quick one in a row: give up | give up |
    pub(super) fn next(&mut self, policy: RestartPolicy, exit: &Exit, lived: Duration) -> Next {
        if *exit == Exit::Success && policy != RestartPolicy::Always {
            return Next::Finished;
        }
        if *exit == Exit::Code(UNUSABLE) || policy == RestartPolicy::Once {
            return Next::GiveUp;
        }
        self.quick_crashes = if lived < QUICK { self.quick_crashes + 1 } else { 1 };
        if policy == RestartPolicy::UntilSuccess && self.quick_crashes >= MOST_QUICK_CRASHES {
            return Next::GiveUp;
        }
        let doublings = (self.quick_crashes - 1).min(16);
        Next::RestartAfter((FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Next, RestartPolicy, Restarts};
    use crate::supervise::process::Exit;

    const SOON: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_secs(60);

    fn pauses(policy: RestartPolicy, lives: &[Duration]) -> Vec<Next> {
        let mut restarts = Restarts::default();
        lives.iter().map(|lived| restarts.next(policy, &Exit::Signal(9), *lived)).collect()
    }

    #[test]
    fn pauses_double_up_to_ten_seconds() {
        let expected: Vec<Next> = [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]
            .map(|pause| Next::RestartAfter(Duration::from_millis(pause)))
            .to_vec();
        assert_eq!(pauses(RestartPolicy::Always, &[SOON; 8]), expected);
    }

    #[test]
    fn a_long_life_makes_a_crash_a_new_story() {
        let after = pauses(RestartPolicy::Always, &[SOON, SOON, LATE, SOON]);
        let expected = [250, 500, 250, 500].map(|pause| Next::RestartAfter(Duration::from_millis(pause)));
        assert_eq!(after, expected);
    }

    #[test]
    fn five_quick_crashes_in_a_row_are_enough_where_success_is_expected() {
        let after = pauses(RestartPolicy::UntilSuccess, &[SOON; 5]);
        assert!(after[..4].iter().all(|next| matches!(next, Next::RestartAfter(_))));
        assert_eq!(after[4], Next::GiveUp);
        let interrupted = pauses(RestartPolicy::UntilSuccess, &[SOON, SOON, SOON, SOON, LATE]);
        assert!(matches!(interrupted[4], Next::RestartAfter(_)));
    }

    #[test]
    fn success_ends_only_what_is_expected_to_end() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.next(RestartPolicy::UntilSuccess, &Exit::Success, SOON), Next::Finished);
        assert!(matches!(restarts.next(RestartPolicy::Always, &Exit::Success, SOON), Next::RestartAfter(_)));
    }

    #[test]
    fn what_has_its_turn_once_is_not_started_again() {
        let next = |exit: Exit| Restarts::default().next(RestartPolicy::Once, &exit, SOON);
        assert_eq!(next(Exit::Success), Next::Finished);
        assert_eq!((next(Exit::Code(1)), next(Exit::Signal(9))), (Next::GiveUp, Next::GiveUp));
    }

    #[test]
    fn an_unusable_configuration_is_not_tried_again() {
        for policy in [RestartPolicy::Always, RestartPolicy::UntilSuccess] {
            assert_eq!(Restarts::default().next(policy, &Exit::Code(2), SOON), Next::GiveUp);
        }
    }
}
