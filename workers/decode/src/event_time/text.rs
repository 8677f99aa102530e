//! The accepted forms of a date and a time, byte by byte.

use super::calendar::{days_in_month, days_since_epoch};

const SECOND: i64 = 1_000_000;

/// A date that exists, in the years 0001 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateTime {
    pub(super) date: Date,
    second_of_day: u32,
    micros: u32,
    /// Seconds east of UTC; `None` where the text says nothing.
    pub(super) offset_seconds: Option<i32>,
}

impl DateTime {
    /// Microseconds since the epoch, were the text in UTC.
    #[inline]
    pub(super) fn local_micros(&self) -> i64 {
        let Date { year, month, day } = self.date;
        let seconds = i64::from(days_since_epoch(year, month, day)) * 86_400 + i64::from(self.second_of_day);
        seconds * SECOND + i64::from(self.micros)
    }

    /// Hour, minute and second.
    pub(super) fn clock(&self) -> (u32, u32, u32) {
        (self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60)
    }
}

/// Reads `YYYY-MM-DD` and nothing else.
#[inline]
pub(crate) fn date(text: &[u8]) -> Option<Date> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let year = pair(y0, y1)? * 100 + pair(y2, y3)?;
    let (month, day) = (pair(m0, m1)?, pair(d0, d1)?);
    let exists = year >= 1 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then_some(Date { year, month, day })
}

/// Reads a date, or a date and a time with or without an offset, and nothing else.
#[inline]
pub(super) fn date_time(text: &[u8]) -> Option<DateTime> {
    let (day, rest) = text.split_at_checked(10)?;
    let date = date(day)?;
    let (second_of_day, micros, offset_seconds) = match rest {
        [] => (0, 0, None),
        &[b'T' | b' ', h0, h1, b':', m0, m1, ref rest @ ..] => {
            let (hour, minute) = (below(24, h0, h1)?, below(60, m0, m1)?);
            let (second, micros, rest) = seconds(rest)?;
            let offset = if rest.is_empty() { None } else { Some(offset(rest)?) };
            (hour * 3600 + minute * 60 + second, micros, offset)
        }
        _ => return None,
    };
    Some(DateTime { date, second_of_day, micros, offset_seconds })
}

/// Reads `:SS` or `:SS.fraction` where there is one: seconds, microseconds, what follows.
#[inline]
fn seconds(text: &[u8]) -> Option<(u32, u32, &[u8])> {
    let &[b':', s0, s1, ref rest @ ..] = text else { return Some((0, 0, text)) };
    let second = below(60, s0, s1)?;
    let [b'.', rest @ ..] = rest else { return Some((second, 0, rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (fraction, rest) = rest.split_at(digits);
    let micros = (0..6).fold(0, |micros, place| {
        micros * 10 + fraction.get(place).map_or(0, |digit| u32::from(digit - b'0'))
    });
    Some((second, micros, rest))
}

/// Reads an offset, in seconds.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match *digits {
        [h0, h1] => (below(24, h0, h1)?, 0),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => (below(24, h0, h1)?, below(60, m0, m1)?),
        _ => return None,
    };
    Some(sign * (hours * 3600 + minutes * 60) as i32)
}

#[inline]
fn below(limit: u32, tens: u8, ones: u8) -> Option<u32> {
    pair(tens, ones).filter(|value| *value < limit)
}

#[inline]
fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}
