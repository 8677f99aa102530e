//! Numbers for the eye.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// `1,204,311`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `96.1 MB`.
pub(crate) fn bytes(number: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = number as f64;
    let mut unit = "B";
    for larger in units {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") }
}

/// `850ms`, `2.1s`, `3m12s`, `5h04m`, `2d03h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A moment in UTC, to the second.
pub(crate) fn moment(microseconds: i64) -> String {
    let second = Timestamp::from_second(microseconds.div_euclid(1_000_000));
    second.map_or_else(|_| "-".to_owned(), |second| second.to_string())
}

/// A text that somebody else has made, without what would steer the terminal.
pub(crate) fn harmless(text: &str) -> String {
    let shown =
        |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
    text.chars().map(shown).collect()
}

/// Columns as wide as their widest cell, two spaces apart; `right` says which columns end at the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[bool]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if right.get(column).copied().unwrap_or(false) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, count, duration, harmless, moment, table};

    #[test]
    fn counts_have_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_204_311, "1,204,311")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (96_100_000, "96.1 MB"),
            (3_000_000_000_000_000, "3000.0 TB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (milliseconds, text) in [
            (850, "850ms"),
            (2_100, "2.1s"),
            (192_000, "3m12s"),
            (18_240_000, "5h04m"),
            (183_600_000, "2d03h"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn moments_are_whole_seconds_in_utc() {
        assert_eq!(moment(1_767_643_200_999_999), "2026-01-05T20:00:00Z");
        assert_eq!(moment(-1), "1969-12-31T23:59:59Z");
        assert_eq!(moment(i64::MAX), "-", "beyond the calendar");
    }

    #[test]
    fn what_would_steer_the_terminal_is_shown_as_unknown() {
        assert_eq!(harmless("Zo\u{eb} \u{1b}[2J\n"), "Zo\u{eb} \u{fffd}[2J\u{fffd}");
    }

    #[test]
    fn cells_are_aligned() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "100".to_owned()]];
        assert_eq!(table(&rows, &[false, true]), ["a       1", "long  100"]);
    }
}
