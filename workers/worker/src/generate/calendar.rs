//! Dates and times as text, in every form that the pipeline accepts, and back.

const US_PER_SECOND: i64 = 1_000_000;
const US_PER_MINUTE: i64 = 60 * US_PER_SECOND;
const US_PER_DAY: i64 = 86_400 * US_PER_SECOND;

/// How an event time is written. Forms without an offset are in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestampForm {
    /// `2026-01-05T20:00:00.123456Z`
    MicrosZulu,
    /// `2026-01-05T20:00:00.123Z`
    MillisZulu,
    /// `2026-01-05T20:00:00Z`
    SecondsZulu,
    /// `2026-01-05T22:00:00.123456+02:00`
    OffsetColon,
    /// `2026-01-05T22:00:00.123+0200`
    OffsetBasic,
    /// `2026-01-05T22:00:00+02`, where the place's offset is of whole hours
    OffsetHours,
    /// `2026-01-05 20:00:00.123456`
    NaiveSpace,
    /// `2026-01-05T20:00:00`
    NaiveSeconds,
    /// `2026-01-05T20:00`
    NaiveMinutes,
    /// `2026-01-05 20:00:00.123456789Z`
    NanosZulu,
    /// `2026-01-05T20:00:00.1Z`
    TenthsZulu,
    /// `2026-01-05`
    Date,
}

/// Appends `value` in decimal, with leading zeros up to `width` digits.
fn push_digits(text: &mut Vec<u8>, value: u64, width: usize) {
    let start = text.len();
    text.resize(start + width, b'0');
    let mut rest = value;
    for digit in text[start..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Year, month and day of a day number since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Years run from March to February inside, so that the leap day comes last.
pub(super) fn civil_from_days(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u64, day as u64)
}

/// The day number since 1970-01-01 of a date: the inverse of [`civil_from_days`].
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn push_date(text: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    push_digits(text, year as u64, 4);
    text.push(b'-');
    push_digits(text, month, 2);
    text.push(b'-');
    push_digits(text, day, 2);
}

fn push_minutes(text: &mut Vec<u8>, us_of_day: i64) {
    let minutes = (us_of_day / US_PER_MINUTE) as u64;
    push_digits(text, minutes / 60, 2);
    text.push(b':');
    push_digits(text, minutes % 60, 2);
}

/// Appends date, separator, time to the second and `digits` digits of the fraction.
fn push_date_time(text: &mut Vec<u8>, time_us: i64, separator: u8, digits: usize) {
    push_date(text, time_us.div_euclid(US_PER_DAY));
    text.push(separator);
    let us_of_day = time_us.rem_euclid(US_PER_DAY);
    push_minutes(text, us_of_day);
    text.push(b':');
    push_digits(text, (us_of_day / US_PER_SECOND % 60) as u64, 2);
    if digits > 0 {
        text.push(b'.');
        let micros = (us_of_day % US_PER_SECOND) as u64;
        match digits {
            1 => push_digits(text, micros / 100_000, 1),
            3 => push_digits(text, micros / 1_000, 3),
            _ => push_digits(text, micros, 6),
        }
    }
}

fn push_offset(text: &mut Vec<u8>, offset_minutes: i64, colon: bool) {
    text.push(if offset_minutes < 0 { b'-' } else { b'+' });
    let minutes = offset_minutes.unsigned_abs();
    push_digits(text, minutes / 60, 2);
    if colon {
        text.push(b':');
    }
    push_digits(text, minutes % 60, 2);
}

/// Appends an event time in the given form; what the form has no room for is cut.
///
/// `offset_minutes` is the local time's offset, for the forms that show one.
pub(super) fn push_timestamp(text: &mut Vec<u8>, time_us: i64, form: TimestampForm, offset_minutes: i16) {
    let offset = i64::from(offset_minutes);
    let local_us = time_us + offset * US_PER_MINUTE;
    match form {
        TimestampForm::MicrosZulu => push_date_time(text, time_us, b'T', 6),
        TimestampForm::MillisZulu => push_date_time(text, time_us, b'T', 3),
        TimestampForm::SecondsZulu => push_date_time(text, time_us, b'T', 0),
        TimestampForm::TenthsZulu => push_date_time(text, time_us, b'T', 1),
        TimestampForm::NanosZulu => {
            push_date_time(text, time_us, b' ', 6);
            push_digits(text, time_us.unsigned_abs() % 997, 3);
        }
        TimestampForm::OffsetColon => {
            push_date_time(text, local_us, b'T', 6);
            push_offset(text, offset, true);
        }
        TimestampForm::OffsetBasic => {
            push_date_time(text, local_us, b'T', 3);
            push_offset(text, offset, false);
        }
        TimestampForm::OffsetHours => {
            let whole_hours = offset / 60;
            push_date_time(text, time_us + whole_hours * 60 * US_PER_MINUTE, b'T', 0);
            text.push(if whole_hours < 0 { b'-' } else { b'+' });
            push_digits(text, whole_hours.unsigned_abs(), 2);
        }
        TimestampForm::NaiveSpace => push_date_time(text, time_us, b' ', 6),
        TimestampForm::NaiveSeconds => push_date_time(text, time_us, b'T', 0),
        TimestampForm::NaiveMinutes => {
            push_date(text, time_us.div_euclid(US_PER_DAY));
            text.push(b'T');
            push_minutes(text, time_us.rem_euclid(US_PER_DAY));
        }
        TimestampForm::Date => push_date(text, time_us.div_euclid(US_PER_DAY)),
    }
    if matches!(
        form,
        TimestampForm::MicrosZulu
            | TimestampForm::MillisZulu
            | TimestampForm::SecondsZulu
            | TimestampForm::TenthsZulu
            | TimestampForm::NanosZulu
    ) {
        text.push(b'Z');
    }
}

/// Reads `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`, with or without a `Z` at the end, as UTC.
pub(super) fn parse_start_time(text: &str) -> Result<i64, String> {
    let refusal = || format!("\"{text}\" is not a UTC time like 2026-01-05T20:00:00Z or 2026-01-05");
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = bare.split_once('T').unwrap_or((bare, "00:00:00"));
    let numbers = |part: &str, separator: char, widths: [usize; 3]| -> Option<[i64; 3]> {
        let mut values = [0; 3];
        let mut pieces = part.split(separator);
        for (value, width) in values.iter_mut().zip(widths) {
            let piece = pieces.next().filter(|piece| piece.len() == width)?;
            *value = piece.bytes().all(|byte| byte.is_ascii_digit()).then(|| piece.parse().ok())??;
        }
        pieces.next().is_none().then_some(values)
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2]).ok_or_else(refusal)?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2]).ok_or_else(refusal)?;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return Err(refusal());
    }
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month as u64, day as u64) {
        return Err(refusal());
    }
    Ok((days * 86_400 + hour * 3_600 + minute * 60 + second) * US_PER_SECOND)
}

/// Hour of the day (0..24) and day of the week (0 = Monday) of a time, in UTC.
pub(super) fn hour_and_weekday(time_us: i64) -> (u8, u8) {
    let days = time_us.div_euclid(US_PER_DAY);
    let hour = time_us.rem_euclid(US_PER_DAY) / (60 * US_PER_MINUTE);
    (hour as u8, (days + 3).rem_euclid(7) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time_us: i64, form: TimestampForm, offset_minutes: i16) -> String {
        let mut text = Vec::new();
        push_timestamp(&mut text, time_us, form, offset_minutes);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_form_shows_the_same_instant() {
        let time = parse_start_time("2026-01-05T20:03:04Z").unwrap() + 123_456;
        let expected = [
            (TimestampForm::MicrosZulu, "2026-01-05T20:03:04.123456Z"),
            (TimestampForm::MillisZulu, "2026-01-05T20:03:04.123Z"),
            (TimestampForm::SecondsZulu, "2026-01-05T20:03:04Z"),
            (TimestampForm::TenthsZulu, "2026-01-05T20:03:04.1Z"),
            (TimestampForm::OffsetColon, "2026-01-06T01:33:04.123456+05:30"),
            (TimestampForm::OffsetBasic, "2026-01-06T01:33:04.123+0530"),
            (TimestampForm::OffsetHours, "2026-01-06T01:03:04+05"),
            (TimestampForm::NaiveSpace, "2026-01-05 20:03:04.123456"),
            (TimestampForm::NaiveSeconds, "2026-01-05T20:03:04"),
            (TimestampForm::NaiveMinutes, "2026-01-05T20:03"),
            (TimestampForm::Date, "2026-01-05"),
        ];
        for (form, text) in expected {
            assert_eq!(written(time, form, 330), text);
        }
        assert!(written(time, TimestampForm::NanosZulu, 0).starts_with("2026-01-05 20:03:04.123456"));
        assert_eq!(written(time, TimestampForm::OffsetHours, -300), "2026-01-05T15:03:04-05");
    }

    #[test]
    fn times_before_1970_round_down() {
        assert_eq!(written(-1, TimestampForm::MicrosZulu, 0), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn dates_survive_the_way_there_and_back() {
        for days in (-719_162..2_932_896).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month as i64, day as i64), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
    }

    #[test]
    fn a_start_time_that_is_none_is_refused_with_an_example() {
        for text in
            ["", "now", "2026-02-30", "2026-1-5", "2026-01-05T24:00:00Z", "2026-01-05T20:00", "2026-13-01"]
        {
            assert!(parse_start_time(text).unwrap_err().contains("2026-01-05T20:00:00Z"), "{text}");
        }
        assert_eq!(parse_start_time("1970-01-02").unwrap(), US_PER_DAY);
    }

    #[test]
    fn the_fifth_of_january_2026_was_a_monday() {
        assert_eq!(hour_and_weekday(parse_start_time("2026-01-05T20:59:59Z").unwrap()), (20, 0));
    }
}
