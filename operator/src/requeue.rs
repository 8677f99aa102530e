//! When a resource is looked at again, should nothing wake the operator before. Pure.

use std::time::Duration;

const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// How soon a resource is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When it changes.
    OnChange,
    /// After so many seconds: something that is not watched may have come.
    Seconds(u64),
}

/// How long to wait. Resources of equal pace are spread, by a seed of their own, so that they do not all come
/// at once.
pub fn after(pace: Pace, seed: &str) -> Option<Duration> {
    match pace {
        Pace::OnChange => None,
        Pace::Seconds(seconds) => {
            let spread =
                seed.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
            let milliseconds = seconds * 1_000;
            Some(Duration::from_millis(milliseconds - spread % (milliseconds / 10 + 1)))
        }
    }
}

/// How long to wait after so many failures in a row: 1 s, 2 s, 4 s, ... a minute.
pub fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    Duration::from_secs(1 << doublings).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, after, backoff};

    #[test]
    fn paces_are_spread_by_a_tenth_and_never_longer() {
        assert_eq!(after(Pace::OnChange, "a"), None);
        let waits: Vec<Duration> =
            ["a", "b", "shop", "5d1f1c1e"].iter().filter_map(|seed| after(Pace::Seconds(30), seed)).collect();
        assert!(waits.iter().all(|wait| (27_000..=30_000).contains(&wait.as_millis())), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        assert_eq!(after(Pace::Seconds(30), "a"), after(Pace::Seconds(30), "a"));
    }

    #[test]
    fn failures_are_retried_more_and_more_slowly() {
        let seconds: Vec<u64> = (0..9).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX).as_secs(), 60);
    }
}
