//! [`TextBounds`]: the smallest and the largest text of a column, in a third of the encoder's time.
//!
//! The encoder compares each value with both bounds byte by byte, which costs as much as encoding it. Here
//! the first sixteen bytes decide, as one number, for nearly all values.

use arrow::array::{Array, AsArray, GenericStringArray, OffsetSizeTrait};
use arrow::datatypes::DataType;

/// Bounds are cut to this, to keep the log small.
const KEPT: usize = 32;

/// Bytes that are compared as one number.
const WIDTH: usize = size_of::<u128>();

/// The smallest and the largest text so far, in the order of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextBounds {
    found: Option<Found>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    smallest: Bound,
    largest: Bound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    prefix: u128,
    text: String,
}

impl Bound {
    fn new(prefix: u128, text: &str) -> Self {
        Self { prefix, text: text.to_owned() }
    }

    /// Whether a text is certainly this one: short enough for all of it to be in the number.
    #[inline]
    fn is(&self, prefix: u128, length: usize) -> bool {
        prefix == self.prefix && length == self.text.len() && length <= WIDTH
    }
}

impl TextBounds {
    /// Takes note of the values of an array of text, or of a dictionary of text.
    ///
    /// A dictionary may have values that no row uses: bounds may be too wide.
    pub(super) fn include(&mut self, column: &dyn Array) {
        match column.data_type() {
            DataType::Utf8 => self.include_array(column.as_string::<i32>()),
            DataType::LargeUtf8 => self.include_array(column.as_string::<i64>()),
            DataType::Utf8View => {
                self.include_all(column.as_string_view().iter().flatten());
            }
            DataType::Dictionary(..) => {
                if let Some(dictionary) = column.as_any_dictionary_opt() {
                    self.include(dictionary.values().as_ref());
                }
            }
            _ => {}
        }
    }

    fn include_array<O: OffsetSizeTrait>(&mut self, texts: &GenericStringArray<O>) {
        let (bytes, offsets) = (texts.value_data(), texts.value_offsets());
        for (index, ends) in offsets.windows(2).enumerate() {
            let (start, length) = (ends[0].as_usize(), (ends[1] - ends[0]).as_usize());
            let prefix = prefix(bytes, start, length);
            if self.may_widen(prefix, length) && texts.is_valid(index) {
                self.widen(prefix, texts.value(index));
            }
        }
    }

    fn include_all<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        for text in texts {
            self.widen(prefix(text.as_bytes(), 0, text.len()), text);
        }
    }

    /// Whether a text may lie outside of the bounds, by its first bytes and its length.
    #[inline]
    fn may_widen(&self, prefix: u128, length: usize) -> bool {
        let Some(Found { smallest, largest }) = &self.found else { return true };
        (prefix <= smallest.prefix && !smallest.is(prefix, length))
            || (prefix >= largest.prefix && !largest.is(prefix, length))
    }

    fn widen(&mut self, prefix: u128, text: &str) {
        let Some(Found { smallest, largest }) = &mut self.found else {
            let bound = Bound::new(prefix, text);
            self.found = Some(Found { smallest: bound.clone(), largest: bound });
            return;
        };
        if *text < *smallest.text {
            *smallest = Bound::new(prefix, text);
        } else if *text > *largest.text {
            *largest = Bound::new(prefix, text);
        }
    }

    /// The bounds, cut outwards; `None` without values.
    pub(super) fn cut(&self) -> Option<(String, String)> {
        let Found { smallest, largest } = self.found.as_ref()?;
        Some((cut_down(&smallest.text).to_owned(), cut_up(&largest.text)))
    }
}

/// The first sixteen bytes of a text as a number that compares like them.
///
/// Texts lie end to end: where sixteen bytes follow, they are read at once, and what belongs to the next text
/// is masked out.
#[inline]
fn prefix(bytes: &[u8], start: usize, length: usize) -> u128 {
    let rest = &bytes[start..];
    if let Some(window) = rest.first_chunk::<WIDTH>() {
        let window = u128::from_be_bytes(*window);
        return match length {
            0 => 0,
            WIDTH.. => window,
            _ => window & (u128::MAX << (8 * (WIDTH - length))),
        };
    }
    let mut window = [0; WIDTH];
    window[..length.min(WIDTH)].copy_from_slice(&rest[..length.min(WIDTH)]);
    u128::from_be_bytes(window)
}

/// The beginning of a text: at most as large.
fn cut_down(text: &str) -> &str {
    &text[..text.floor_char_boundary(KEPT)]
}

/// A short text that is at least as large: the beginning, with its last character replaced by the next one.
fn cut_up(text: &str) -> String {
    if text.len() <= KEPT {
        return text.to_owned();
    }
    let mut kept = cut_down(text).to_owned();
    while let Some(last) = kept.pop() {
        // Surrogates are no characters: the range steps over them.
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return kept;
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, LargeStringArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn of(arrays: &[ArrayRef]) -> Option<(String, String)> {
        let mut bounds = TextBounds::default();
        for array in arrays {
            bounds.include(array.as_ref());
        }
        bounds.cut()
    }

    #[expect(clippy::unnecessary_wraps, reason = "what it is compared with is optional")]
    fn pair(smallest: &str, largest: &str) -> Option<(String, String)> {
        Some((smallest.to_owned(), largest.to_owned()))
    }

    #[test]
    fn all_forms_of_text_are_compared_over_all_batches() {
        let values = vec![Some("merchant 7"), None, Some("merchant 10"), Some("")];
        let dictionary: DictionaryArray<Int32Type> = values.iter().copied().collect();
        let forms: [ArrayRef; 4] = [
            Arc::new(StringArray::from(values.clone())),
            Arc::new(LargeStringArray::from(values.clone())),
            Arc::new(StringViewArray::from(values)),
            Arc::new(dictionary),
        ];
        let later: ArrayRef = Arc::new(StringArray::from(vec!["merchant 8", "merchant"]));
        for form in forms {
            assert_eq!(of(std::slice::from_ref(&form)), pair("", "merchant 7"));
            assert_eq!(of(&[form, Arc::clone(&later)]), pair("", "merchant 8"));
        }
        assert_eq!(of(&[Arc::new(StringArray::from(vec![None::<&str>]))]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_order_is_that_of_the_bytes_whatever_the_first_sixteen_say() {
        let texts = [
            "ab\0",
            "ab",
            "",
            "ab\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "0123456789abcdef",
            "0123456789abcdefg",
            "0123456789abcde",
            "ü",
            "🦀",
            "z",
        ];
        for (index, left) in texts.iter().enumerate() {
            for right in &texts[index..] {
                let expected = pair(left.min(right), left.max(right));
                assert_eq!(of(&[Arc::new(StringArray::from(vec![*left, *right]))]), expected);
                assert_eq!(of(&[Arc::new(StringArray::from(vec![*right, *left]))]), expected);
            }
        }
    }

    #[test]
    fn long_texts_are_cut_outwards_between_characters() {
        let of_one = |text: &str| of(&[Arc::new(StringArray::from(vec![text]))]).unwrap();
        for text in [
            "x".repeat(33),
            "ü".repeat(40),
            format!("{}{}", "y".repeat(31), "🦀".repeat(9)),
            "\u{D7FF}".repeat(20),
        ] {
            let (smallest, largest) = of_one(&text);
            assert!(smallest <= text && text <= largest, "{smallest} {text} {largest}");
            assert!(smallest.len() <= 32 && largest.len() <= 35, "{largest}");
        }
        assert_eq!(of_one(&"x".repeat(32)).1, "x".repeat(32));
        assert_eq!(cut_up(&"\u{D7FF}".repeat(20)).chars().last(), Some('\u{E000}'));
        let highest = "\u{10FFFF}".repeat(20);
        assert_eq!(of_one(&highest).1, highest, "there is no shorter one that is as large");
        let nearly = format!("a{highest}");
        assert_eq!(of_one(&nearly).1, "b");
    }
}
