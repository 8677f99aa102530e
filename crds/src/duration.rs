//! Durations as users write them: a whole number and one unit, `500ms`, `30s`, `5m`, `6h`, `7d`.

use std::fmt;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADuration {
    text: String,
}

impl fmt::Display for NotADuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "'{}' is not a duration: write a whole number and one unit of ms, s, m, h, d, like 30s",
            self.text
        )
    }
}

impl std::error::Error for NotADuration {}

/// The milliseconds of a duration.
pub fn milliseconds(text: &str) -> Result<u64, NotADuration> {
    let fault = || NotADuration { text: text.to_owned() };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fault())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
    number.checked_mul(*factor).ok_or_else(fault)
}

/// The shortest text of a number of milliseconds: the largest unit that divides it.
pub fn text(milliseconds: u64) -> String {
    let (unit, factor) = UNITS
        .iter()
        .rev()
        .find(|(_, factor)| milliseconds != 0 && milliseconds.is_multiple_of(*factor))
        .unwrap_or(&UNITS[1]);
    format!("{}{unit}", milliseconds / factor)
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, text};

    #[test]
    fn each_unit_has_its_factor() {
        for (written, expected) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("6h", 21_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(milliseconds(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn anything_but_one_number_and_one_unit_is_refused() {
        for written in ["", "5", "s", "1h30m", "1.5h", "-1s", "+1s", " 1s", "1 s", "1S", "99999999999999999d"]
        {
            let message = milliseconds(written).expect_err(written).to_string();
            assert!(message.contains(&format!("'{written}'")), "{message}");
        }
    }

    #[test]
    fn the_text_of_a_duration_uses_its_largest_whole_unit() {
        for written in ["0s", "250ms", "1500ms", "90s", "5m", "36h", "7d"] {
            assert_eq!(text(milliseconds(written).unwrap()), written);
        }
        assert_eq!(text(60_000), "1m");
    }
}
