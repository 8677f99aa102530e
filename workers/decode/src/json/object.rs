//! Walking an object and marking the value of each field of a record.

use super::scan::{Kind, Malformed, OpenContainers, Scanner, Token};
use super::strings::unescape;
use crate::schema::Fields;

/// Memory that walking needs, kept from one object to the next.
#[derive(Default)]
pub(super) struct WalkScratch {
    pub(super) open: OpenContainers,
    name: Vec<u8>,
}

/// Walks the object at the scanner and puts the last value of each of `fields` into `tokens`, which
/// has one place per field.
pub(super) fn walk_object(
    scanner: &mut Scanner<'_>,
    fields: &Fields,
    tokens: &mut [Token],
    scratch: &mut WalkScratch,
) -> Result<(), Malformed> {
    scanner.expect(b'{', "expected an object")?;
    scanner.skip_whitespace();
    if scanner.take(b'}') {
        return Ok(());
    }
    // Most producers write the fields in the schema's order.
    let mut likely = 0;
    loop {
        let place = walk_name(scanner, fields, likely, scratch)?;
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
