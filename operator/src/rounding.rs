//! Fast numbers in a status: rounded, and written only when they say something new. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions::whole_seconds;

/// Numbers that stay the same are still confirmed after this.
const CONFIRMED_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// Numbers change at most twice a minute.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// A change below this many percent is none.
const SIGNIFICANT_PERCENT: i128 = 10;

/// Two significant digits: 1,234 becomes 1,200.
pub fn two_digits(number: u64) -> i64 {
    let mut unit = 1_u64;
    while number / unit >= 100 {
        unit *= 10;
    }
    let rounded = number / unit * unit;
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// A span of time in its largest unit: `<1s`, `7s`, `40s`, `3m`, `5h`, `2d`.
pub fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => "<1s".to_owned(),
        1..10 => format!("{seconds}s"),
        10..60 => format!("{}s", seconds / 10 * 10),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A moment, to two digits: `8ms`, `120ms`; from a second on as a span.
pub fn moment(milliseconds: u64) -> String {
    if milliseconds < 1_000 { format!("{}ms", two_digits(milliseconds)) } else { span(milliseconds) }
}

/// A share as a percentage: `1.2%`.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// A time of the clock, in whole seconds as the API server keeps them.
pub fn time_of(milliseconds: i64) -> Option<Time> {
    Timestamp::from_millisecond(milliseconds).ok().map(|time| Time(whole_seconds(time)))
}

/// Whether a number has changed enough to be told.
pub fn is_significant(before: Option<i64>, after: Option<i64>) -> bool {
    match (before, after) {
        (None, None) => false,
        (Some(before), Some(after)) => {
            let change = (i128::from(after) - i128::from(before)).abs();
            change > 0 && change * 100 >= i128::from(before).abs() * SIGNIFICANT_PERCENT
        }
        _ => true,
    }
}

/// Whether one of several named numbers has changed enough to be told.
pub fn differ(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> bool {
    let mut names = before.keys().chain(after.keys());
    names.any(|name| is_significant(before.get(name).copied(), after.get(name).copied()))
}

/// Whether numbers have stood long enough to be confirmed.
pub fn is_old(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= CONFIRMED_EVERY)
}

/// Whether numbers may be written again.
pub fn is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= AT_MOST_EVERY)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{is_due, is_significant, moment, percent, span, two_digits};

    #[test]
    fn numbers_keep_two_digits() {
        for (number, rounded) in
            [(0, 0), (7, 7), (99, 99), (100, 100), (109, 100), (1_234, 1_200), (999_999, 990_000)]
        {
            assert_eq!(two_digits(number), rounded, "{number}");
        }
        assert!(two_digits(u64::MAX) > 0);
    }

    #[test]
    fn spans_are_written_in_their_largest_unit() {
        for (milliseconds, text) in [
            (0, "<1s"),
            (999, "<1s"),
            (2_100, "2s"),
            (47_000, "40s"),
            (60_000, "1m"),
            (3_599_000, "59m"),
            (7_300_000, "2h"),
            (172_800_000, "2d"),
        ] {
            assert_eq!(span(milliseconds), text);
        }
    }

    #[test]
    fn moments_and_shares_are_written_for_the_eye() {
        for (milliseconds, text) in [(0, "0ms"), (8, "8ms"), (123, "120ms"), (999, "990ms"), (1_999, "1s")] {
            assert_eq!(moment(milliseconds), text);
        }
        for (share, text) in [(0.0, "0.0%"), (0.012_34, "1.2%"), (1.0, "100.0%")] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn a_tenth_is_significant_and_so_is_the_step_from_nothing() {
        for (before, after, expected) in [
            (None, None, false),
            (None, Some(0), true),
            (Some(5), None, true),
            (Some(0), Some(0), false),
            (Some(0), Some(1), true),
            (Some(100), Some(109), false),
            (Some(100), Some(110), true),
            (Some(100), Some(90), true),
            (Some(i64::MIN), Some(i64::MAX), true),
        ] {
            assert_eq!(is_significant(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn numbers_are_written_at_most_twice_a_minute() {
        let start = Timestamp::UNIX_EPOCH;
        assert!(is_due(None, start));
        assert!(!is_due(Some(start), start + SignedDuration::from_secs(29)));
        assert!(is_due(Some(start), start + SignedDuration::from_secs(30)));
    }
}
