//! The Gregorian calendar as arithmetic.

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: i32 = 719_468;

/// Days from 1970-01-01 to a date that exists.
#[inline]
pub(crate) fn days_since_epoch(year: u32, month: u32, day: u32) -> i32 {
    // Years are counted from March, so that the leap day is the last of its year.
    let shifted = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days_before = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400;
    (days_before + day_of_year) as i32 - EPOCH_DAY
}

/// The number of days in a month, 1 to 12.
#[inline]
pub(crate) fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
