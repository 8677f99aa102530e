//! Checks that a request has the shape of its API before it is decoded.
//!
//! The decoder believes an array's count and takes memory for it before it has seen a single
//! element, so that a few bytes could ask for more than the machine has. Here every element must
//! be there, and their number is bounded, whatever the request claims. Bytes behind the last field
//! are ignored, as Kafka does: librdkafka sends some with a request for all topics' metadata.

use bytes::Buf as _;
use snafu::{OptionExt as _, Snafu, ensure};

/// The most elements of all arrays of one request.
const ELEMENT_LIMIT: usize = 100_000;

/// A field of a request, and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    kind: Kind,
    since: i16,
    until: i16,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Numbers and the like, of this many bytes together.
    Fixed(usize),
    /// A text, perhaps null.
    Text,
    /// Bytes, perhaps null.
    Bytes,
    /// An array of structures.
    Array(&'static [Field]),
    /// An array of numbers of this many bytes, or of texts if that is 0.
    List(usize),
}

/// Numbers, truth values and ids of this many bytes together.
pub(crate) const fn fixed(bytes: usize) -> Field {
    field(Kind::Fixed(bytes))
}

/// A text.
pub(crate) const fn text() -> Field {
    field(Kind::Text)
}

/// Bytes.
pub(crate) const fn bytes() -> Field {
    field(Kind::Bytes)
}

/// An array of structures.
pub(crate) const fn array(fields: &'static [Field]) -> Field {
    field(Kind::Array(fields))
}

/// An array of numbers of this many bytes, or of texts if that is 0.
pub(crate) const fn list(bytes: usize) -> Field {
    field(Kind::List(bytes))
}

const fn field(kind: Kind) -> Field {
    Field { kind, since: 0, until: i16::MAX }
}

impl Field {
    /// The field exists from this version on.
    pub(crate) const fn since(self, version: i16) -> Self {
        Self { since: version, ..self }
    }

    /// The field exists up to this version.
    pub(crate) const fn until(self, version: i16) -> Self {
        Self { until: version, ..self }
    }
}

/// How a request deviates from its API's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Snafu)]
pub(crate) enum ShapeFault {
    #[snafu(display("it ends before its fields do"))]
    TooShort,
    #[snafu(display("a length is out of range"))]
    Length,
    #[snafu(display("it has more than {ELEMENT_LIMIT} elements"))]
    TooManyElements,
}

/// Checks the body of a request. `flexible` tells whether this version has compact lengths and
/// tagged fields.
pub(crate) fn check(shape: &[Field], version: i16, flexible: bool, body: &[u8]) -> Result<(), ShapeFault> {
    let mut walk = Walk { left: body, version, flexible, elements: 0 };
    walk.structure(shape)
}

struct Walk<'body> {
    left: &'body [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), ShapeFault> {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.value(field.kind)?;
            }
        }
        if self.flexible {
            let tags = self.unsigned_varint()?;
            for _ in 0..tags {
                self.unsigned_varint()?;
                let length = self.unsigned_varint()?;
                self.skip(length as usize)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind) -> Result<(), ShapeFault> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let length = if self.flexible {
                    self.compact_length()?
                } else {
                    length(self.left.try_get_i16().ok().context(TooShortSnafu)?.into())?
                };
                self.skip(length)
            }
            Kind::Bytes => {
                let length = self.length()?;
                self.skip(length)
            }
            Kind::Array(fields) => {
                for _ in 0..self.count()? {
                    self.element()?;
                    self.structure(fields)?;
                }
                Ok(())
            }
            Kind::List(bytes) => {
                for _ in 0..self.count()? {
                    self.element()?;
                    self.value(if bytes == 0 { Kind::Text } else { Kind::Fixed(bytes) })?;
                }
                Ok(())
            }
        }
    }

    fn element(&mut self) -> Result<(), ShapeFault> {
        self.elements += 1;
        ensure!(self.elements <= ELEMENT_LIMIT, TooManyElementsSnafu);
        Ok(())
    }

    fn count(&mut self) -> Result<usize, ShapeFault> {
        self.length()
    }

    /// The length of bytes or the count of an array; null counts as none.
    fn length(&mut self) -> Result<usize, ShapeFault> {
        if self.flexible {
            self.compact_length()
        } else {
            length(self.left.try_get_i32().ok().context(TooShortSnafu)?)
        }
    }

    fn compact_length(&mut self) -> Result<usize, ShapeFault> {
        Ok((self.unsigned_varint()? as usize).saturating_sub(1))
    }

    fn unsigned_varint(&mut self) -> Result<u32, ShapeFault> {
        let mut value = 0_u64;
        for position in 0..5 {
            let byte = self.left.try_get_u8().ok().context(TooShortSnafu)?;
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok().context(LengthSnafu);
            }
        }
        LengthSnafu.fail()
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ShapeFault> {
        self.left = self.left.get(bytes..).context(TooShortSnafu)?;
        Ok(())
    }
}

fn length(length: i32) -> Result<usize, ShapeFault> {
    match length {
        -1 => Ok(0),
        length => usize::try_from(length).ok().context(LengthSnafu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [Field; 2] = [text(), array(&[fixed(4), list(0).since(2)])];

    #[test]
    fn a_well_formed_request_passes_in_each_version() {
        let body = b"\0\x02ab\0\0\0\x01\0\0\0\x07";
        assert_eq!(check(&SHAPE, 1, false, body), Ok(()));
        let body = b"\0\x02ab\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\x01c";
        assert_eq!(check(&SHAPE, 2, false, body), Ok(()));
        let flexible = b"\x03ab\x02\0\0\0\x07\x02\x02c\0\x01\x05\x01x";
        assert_eq!(check(&SHAPE, 2, true, flexible), Ok(()));
    }

    #[test]
    fn a_claimed_count_without_elements_is_too_short() {
        assert_eq!(check(&SHAPE, 1, false, b"\0\x02ab\x7f\xff\xff\xff\0\0\0\x07"), Err(ShapeFault::TooShort));
        assert_eq!(check(&SHAPE, 1, true, b"\x03ab\xff\xff\xff\xff\x0f"), Err(ShapeFault::TooShort));
    }

    #[test]
    fn a_negative_length_other_than_null_and_a_long_number_are_out_of_range() {
        assert_eq!(check(&SHAPE, 1, false, b"\xff\xfe"), Err(ShapeFault::Length));
        assert_eq!(check(&SHAPE, 1, false, b"\xff\xff\xff\xff\xff\xff"), Ok(()));
        assert_eq!(check(&SHAPE, 1, true, b"\xff\xff\xff\xff\xff\x01"), Err(ShapeFault::Length));
    }

    #[test]
    fn what_follows_the_fields_is_ignored() {
        assert_eq!(check(&SHAPE, 1, false, b"\0\0\0\0\0\0!!"), Ok(()));
    }

    #[test]
    fn more_elements_than_any_client_sends_are_refused() {
        let mut body = b"\0\0".to_vec();
        body.extend_from_slice(&200_000_i32.to_be_bytes());
        body.resize(body.len() + 200_000 * 4, 0);
        assert_eq!(check(&SHAPE, 1, false, &body), Err(ShapeFault::TooManyElements));
    }
}
