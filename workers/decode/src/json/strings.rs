//! JSON strings: finding their end, checking and undoing their escapes.

use super::scan::Malformed;

/// Whether a string stands in the text as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plainness {
    Plain,
    Escaped,
}

/// Walks the string that starts at `start`, after its quote: where its closing quote is, and whether
/// it has escapes.
#[inline]
pub(super) fn skip_string(text: &[u8], start: usize) -> Result<(usize, Plainness), Malformed> {
    let at = next_special(text, start);
    match text.get(at) {
        Some(b'"') => Ok((at, Plainness::Plain)),
        _ => skip_escaped(text, at).map(|end| (end, Plainness::Escaped)),
    }
}

/// The next quote, backslash or control character; the end of the text if there is none.
#[inline]
fn next_special(text: &[u8], start: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    const CONTROL_END: u64 = ONES * 0x20;
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    let mut at = start;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // Each byte's high bit: set where the byte is special. A borrow can set a bit falsely only
        // above a byte that is special itself, and only the lowest is looked at.
        let word = u64::from_le_bytes(*chunk);
        let quotes = word ^ QUOTES;
        let backslashes = word ^ BACKSLASHES;
        let special = (word.wrapping_sub(CONTROL_END) & !word)
            | (quotes.wrapping_sub(ONES) & !quotes)
            | (backslashes.wrapping_sub(ONES) & !backslashes);
        let special = special & HIGHS;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Walks on from the first special character, which is not the closing quote.
#[cold]
fn skip_escaped(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => at = skip_escape(text, at)?,
            Some(_) => {
                return Err(Malformed { at, problem: "a control character in a string must be escaped" });
            }
            None => return Err(Malformed { at, problem: "the string does not end" }),
        }
        at = next_special(text, at);
    }
}

/// Walks the escape whose backslash is at `at`.
fn skip_escape(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match code_point(text, at) {
            Some((_, end)) => Ok(end),
            None => {
                Err(Malformed { at, problem: "expected four hexadecimal digits that are no lone surrogate" })
            }
        },
        _ => Err(Malformed { at, problem: "there is no such escape" }),
    }
}

/// Reads the `\u` escape at `at`, or the two of a surrogate pair: the character, and where it ends.
fn code_point(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = code_unit(text, at)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, at + 6));
    }
    let second = code_unit(text, at + 6)?;
    let paired = first < 0xdc00 && (0xdc00..0xe000).contains(&second);
    let character = char::from_u32(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff))?;
    paired.then_some((character, at + 12))
}

fn code_unit(text: &[u8], at: usize) -> Option<u32> {
    let &[b'\\', b'u', ref digits @ ..] = text.get(at..at + 6)? else { return None };
    digits.iter().try_fold(0, |unit, &digit| Some(unit * 16 + char::from(digit).to_digit(16)?))
}

/// Appends what the string means. The string must have passed [`skip_string`].
pub(super) fn unescape(string: &[u8], target: &mut Vec<u8>) {
    let mut rest = string;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(backslash);
        target.extend_from_slice(plain);
        let (character, length) = match escape.get(1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => code_point(escape, 0).expect("the escape has been checked"),
            // A quote, a backslash or a slash stands for itself.
            other => (other.map_or('\\', |&byte| char::from(byte)), 2),
        };
        target.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[length..];
    }
    target.extend_from_slice(rest);
}
