//! Sizes as users write them: a whole number and a binary unit, `512Ki`, `64Mi`, `1Gi`.

use std::fmt;

const UNITS: [(&str, u64); 3] = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAByteSize {
    text: String,
}

impl fmt::Display for NotAByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "'{}' is not a size: write a whole number and one unit of Ki, Mi, Gi, like 64Mi",
            self.text
        )
    }
}

impl std::error::Error for NotAByteSize {}

/// The bytes of a size.
pub fn bytes(text: &str) -> Result<u64, NotAByteSize> {
    let fault = || NotAByteSize { text: text.to_owned() };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fault())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
    number.checked_mul(*factor).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn each_unit_has_its_factor() {
        for (written, expected) in [("1Ki", 1024), ("64Mi", 67_108_864), ("2Gi", 2_147_483_648)] {
            assert_eq!(bytes(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn anything_but_one_number_and_one_binary_unit_is_refused() {
        for written in ["", "64", "Mi", "64M", "64MiB", "1.5Gi", "-1Mi", "64 Mi", "99999999999999999Gi"] {
            let message = bytes(written).expect_err(written).to_string();
            assert!(message.contains(&format!("'{written}'")), "{message}");
        }
    }
}
