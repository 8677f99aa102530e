//! Numbers in text: integers within range, decimals without loss.

use crate::schema::Decimal;

/// The value of an integer literal (an optional minus sign and digits); `None` beyond 64 bits.
pub(super) fn integer(literal: &[u8]) -> Option<i64> {
    let (negative, digits) = match literal {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Eighteen digits cannot overflow.
    if digits.len() <= 18 {
        let magnitude = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Some(if negative { -magnitude } else { magnitude });
    }
    digits.iter().try_fold(0i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        let value = value.checked_mul(10)?;
        if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
    })
}

/// The unscaled value of a number in plain notation: an optional minus sign, digits, and optionally a
/// point and digits. `None` where it is in another notation or the type cannot hold it exactly.
pub(super) fn decimal(text: &[u8], decimal: &Decimal) -> Option<i128> {
    let (negative, magnitude) = match text {
        [b'-', magnitude @ ..] => (true, magnitude),
        magnitude => (false, magnitude),
    };
    let (whole, fraction) = match memchr::memchr(b'.', magnitude) {
        Some(point) => (&magnitude[..point], Some(&magnitude[point + 1..])),
        None => (magnitude, None),
    };
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_number(whole) || !fraction.is_none_or(is_number) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let scale = usize::from(decimal.scale);
    let (kept, surplus) = fraction.split_at(fraction.len().min(scale));
    if surplus.iter().any(|&digit| digit != b'0') {
        return None;
    }
    let padding = std::iter::repeat_n(&b'0', scale - kept.len());
    let unscaled = whole.iter().chain(kept).chain(padding).try_fold(0i128, |value, digit| {
        let value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        decimal.holds(value).then_some(value)
    })?;
    Some(if negative { -unscaled } else { unscaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_to_both_ends_of_64_bits() {
        for (literal, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("7", Some(7)),
            ("-17", Some(-17)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("100000000000000000000000000000000000000000", None),
        ] {
            assert_eq!(integer(literal.as_bytes()), expected, "{literal}");
        }
    }

    #[test]
    fn decimals_fit_exactly_or_not_at_all() {
        let five_two = Decimal { precision: 5, scale: 2, fixed: None };
        for (text, expected) in [
            ("0", Some(0)),
            ("-0.00", Some(0)),
            ("1", Some(100)),
            ("1.5", Some(150)),
            ("1.50", Some(150)),
            ("1.500000", Some(150)),
            ("-999.99", Some(-99_999)),
            ("007.25", Some(725)),
            ("0000000000000000000000000000000000000000000000000001", Some(100)),
            ("1000", None),
            ("999.999", None),
            ("1.505", None),
            ("1e2", None),
            ("1.", None),
            (".5", None),
            ("+1", None),
            ("--1", None),
            ("-", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1,5", None),
            ("1.2.3", None),
            ("NaN", None),
            ("0x10", None),
            ("１", None),
        ] {
            assert_eq!(decimal(text.as_bytes(), &five_two), expected, "{text}");
        }
        let widest = Decimal { precision: 38, scale: 38, fixed: None };
        let nines = "9".repeat(38);
        assert_eq!(decimal(format!("0.{nines}").as_bytes(), &widest), Some(10i128.pow(38) - 1));
        assert_eq!(decimal(b"1", &widest), None);
        let whole = Decimal { precision: 38, scale: 0, fixed: None };
        assert_eq!(decimal(format!("-{nines}").as_bytes(), &whole), Some(1 - 10i128.pow(38)));
        assert_eq!(decimal(format!("{nines}9").as_bytes(), &whole), None);
        assert_eq!(decimal(format!("{nines}.0").as_bytes(), &whole), Some(10i128.pow(38) - 1));
    }
}
