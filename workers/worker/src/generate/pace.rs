//! [`Pace`]: how many messages are due by when.

use std::time::Duration;

/// Bursts come once in this many seconds ...
const PERIOD_SECONDS: f64 = 30.0;
/// ... and last this long.
const BURST_SECONDS: f64 = 3.0;

/// How fast messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as the broker takes them.
    FlatOut,
    /// At a mean rate, with bursts of `burst` times that rate (1: none, at most 9).
    Steady {
        /// Messages a second.
        rate: f64,
        /// Rate of a burst over the mean rate.
        burst: f64,
    },
}

impl Pace {
    /// The pace for a rate, where 0 stands for flat out.
    pub(super) fn new(rate: f64, burst: f64) -> Self {
        if rate > 0.0 { Self::Steady { rate, burst } } else { Self::FlatOut }
    }

    /// How many messages should have been sent after this time.
    pub(super) fn due_by(self, elapsed: Duration) -> u64 {
        match self {
            Self::FlatOut => u64::MAX,
            Self::Steady { rate, burst } => {
                let seconds = elapsed.as_secs_f64();
                let periods = (seconds / PERIOD_SECONDS).floor();
                let within = seconds - periods * PERIOD_SECONDS;
                let quiet = (PERIOD_SECONDS - burst * BURST_SECONDS) / (PERIOD_SECONDS - BURST_SECONDS);
                let weighted = burst * within.min(BURST_SECONDS) + quiet * (within - BURST_SECONDS).max(0.0);
                // The first message is due at once.
                1 + ((periods * PERIOD_SECONDS + weighted) * rate) as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pace: Pace, seconds: f64) -> u64 {
        pace.due_by(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_steady_pace_is_a_straight_line() {
        let pace = Pace::new(1_000.0, 1.0);
        assert_eq!(due(pace, 0.0), 1);
        for seconds in [0.5, 2.0, 3.0, 29.5, 31.0, 600.0] {
            assert_eq!(due(pace, seconds), 1 + (seconds * 1_000.0) as u64);
        }
    }

    #[test]
    fn bursts_reach_the_factor_and_keep_the_mean() {
        let pace = Pace::new(1_000.0, 5.0);
        assert_eq!(due(pace, 1.0), 5_001);
        assert_eq!(due(pace, 30.0), 30_001);
        assert_eq!(due(pace, 31.0), 35_001);
        let (mut last, mut elapsed) = (0, 0.0);
        while elapsed < 65.0 {
            assert!(due(pace, elapsed) >= last);
            last = due(pace, elapsed);
            elapsed += 0.05;
        }
    }

    #[test]
    fn rate_0_is_flat_out() {
        assert_eq!(due(Pace::new(0.0, 1.0), 0.0), u64::MAX);
    }
}
