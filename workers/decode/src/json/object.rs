//! Walking an object and marking the value of each field of a record.

use super::scan::{Kind, Malformed, OpenContainers, Scanner, Token};
use super::strings::unescape;
use crate::schema::Fields;

/// Names beyond this number, and longer ones, are not remembered.
const REMEMBERED_NAMES: usize = 64;
const REMEMBERED_BYTES: usize = 64;

/// Memory that walking needs, kept from one object to the next.
#[derive(Default)]
pub(super) struct WalkScratch {
    pub(super) open: OpenContainers,
    name: Vec<u8>,
}

/// What stood before each value of the last message: producers write the same names in the same order and
/// spacing, so that one comparison finds a name, its colon, and the field, whether the schema has it or not.
#[derive(Default)]
pub(super) struct Habit {
    names: Vec<Remembered>,
}

/// A name as it stands in the text, from its quote up to the value.
#[derive(Default)]
struct Remembered {
    text: Vec<u8>,
    /// The same, eight bytes at a time: comparing them here costs less than calling who compares bytes.
    words: Vec<Word>,
    /// The place of its field; `None`: the schema does not have it.
    place: Option<usize>,
}

/// Eight bytes, of which only those in the mask count.
struct Word {
    bytes: u64,
    mask: u64,
}

impl Remembered {
    fn new(text: &[u8], place: Option<usize>) -> Self {
        let word = |chunk: &[u8]| {
            let (mut bytes, mut mask) = ([0; 8], [0; 8]);
            bytes[..chunk.len()].copy_from_slice(chunk);
            mask[..chunk.len()].fill(u8::MAX);
            Word { bytes: u64::from_le_bytes(bytes), mask: u64::from_le_bytes(mask) }
        };
        Self { text: text.to_owned(), words: text.chunks(8).map(word).collect(), place }
    }

    /// Whether it comes next.
    #[inline]
    fn begins(&self, rest: &[u8]) -> bool {
        match rest.get(..8 * self.words.len()) {
            Some(window) => {
                let found = window.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
                found.zip(&self.words).all(|(found, word)| (found ^ word.bytes) & word.mask == 0)
            }
            None => rest.starts_with(&self.text),
        }
    }
}

impl Habit {
    /// Steps over the name if it is the one that was there last time.
    #[inline]
    fn follow(&self, number: usize, scanner: &mut Scanner<'_>) -> Option<&Remembered> {
        let remembered = self.names.get(number)?;
        if remembered.text.is_empty() || !remembered.begins(scanner.rest()) {
            return None;
        }
        scanner.advance(remembered.text.len());
        // This time there may be more of it.
        scanner.skip_whitespace();
        Some(remembered)
    }

    #[cold]
    fn remember(&mut self, number: usize, text: &[u8], place: Option<usize>) {
        if number >= REMEMBERED_NAMES || text.len() > REMEMBERED_BYTES {
            return;
        }
        if self.names.len() <= number {
            self.names.resize_with(number + 1, Remembered::default);
        }
        self.names[number] = Remembered::new(text, place);
    }
}

/// Walks the object of a message as [`walk_object`] does, by the habit of the messages before.
pub(super) fn walk_message(
    scanner: &mut Scanner<'_>,
    fields: &Fields,
    tokens: &mut [Token],
    habit: &mut Habit,
    scratch: &mut WalkScratch,
) -> Result<(), Malformed> {
    let mut number = 0;
    walk_members(scanner, tokens, scratch, |scanner, likely, scratch| {
        let place = if let Some(remembered) = habit.follow(number, scanner) {
            remembered.place
        } else {
            let rest = scanner.rest();
            let place = walk_name(scanner, fields, likely, scratch)?;
            habit.remember(number, &rest[..rest.len() - scanner.rest().len()], place);
            place
        };
        number += 1;
        Ok(place)
    })
}

/// Walks the object at the scanner and puts the last value of each of `fields` into `tokens`, which
/// has one place per field.
pub(super) fn walk_object(
    scanner: &mut Scanner<'_>,
    fields: &Fields,
    tokens: &mut [Token],
    scratch: &mut WalkScratch,
) -> Result<(), Malformed> {
    walk_members(scanner, tokens, scratch, |scanner, likely, scratch| {
        walk_name(scanner, fields, likely, scratch)
    })
}

/// Walks the members of an object; `walk_name` is given the place that comes next in the schema's order.
#[inline]
fn walk_members<'a>(
    scanner: &mut Scanner<'a>,
    tokens: &mut [Token],
    scratch: &mut WalkScratch,
    mut walk_name: impl FnMut(&mut Scanner<'a>, usize, &mut WalkScratch) -> Result<Option<usize>, Malformed>,
) -> Result<(), Malformed> {
    scanner.expect(b'{', "expected an object")?;
    scanner.skip_whitespace();
    if scanner.take(b'}') {
        return Ok(());
    }
    // Most producers write the fields in the schema's order.
    let mut likely = 0;
    loop {
        let place = walk_name(scanner, likely, scratch)?;
        let token = scanner.value(&mut scratch.open)?;
        if let Some(place) = place {
            tokens[place] = token;
            likely = place + 1;
        }
        scanner.skip_whitespace();
        if !scanner.take(b',') {
            return scanner.expect(b'}', "expected `,` or `}` after the field");
        }
        scanner.skip_whitespace();
    }
}

/// Walks a field's name and the colon after it: the place of the field, if the record has it.
#[inline]
fn walk_name(
    scanner: &mut Scanner<'_>,
    fields: &Fields,
    likely: usize,
    scratch: &mut WalkScratch,
) -> Result<Option<usize>, Malformed> {
    if let Some(field) = fields.get(likely)
        && let Some(rest) = scanner.rest().strip_prefix(b"\"")
        && let Some([b'"', ..]) = rest.strip_prefix(field.name.as_bytes())
    {
        scanner.advance(field.name.len() + 2);
        scanner.colon()?;
        return Ok(Some(likely));
    }
    let name = scanner.name()?;
    if name.kind == Kind::Text {
        return Ok(fields.place(name.of(scanner.text())));
    }
    scratch.name.clear();
    unescape(name.of(scanner.text()), &mut scratch.name);
    Ok(fields.place(&scratch.name))
}
