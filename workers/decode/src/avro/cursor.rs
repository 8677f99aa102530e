//! [`Cursor`]: reads the primitives of Avro's binary encoding.

/// How many values that take no bytes a datum may have in its arrays and maps. Their number is only
/// claimed, so that a few bytes could claim any number.
const MAX_EMPTY_ITEMS: usize = 1 << 20;

/// The data is no datum of its writer schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Byte of the message at which the fault was found.
    pub(super) at: usize,
    pub(super) problem: &'static str,
}

/// A block of an array or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) count: usize,
    /// Where the block ends, if it says so.
    pub(super) end: Option<usize>,
}

/// Reads the primitives of a message from a position.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    empty_items: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, empty_items: 0 }
    }

    /// The position in the message.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// A cursor at another position of the same message.
    pub(super) fn moved_to(&self, at: usize) -> Self {
        Self { at, ..self.clone() }
    }

    /// Number of bytes that have not been read.
    #[inline]
    pub(super) fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    #[cold]
    pub(super) fn malformed<T>(&self, problem: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, problem })
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        match self.data[self.at..].get(..count) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => self.malformed("the data ends within a value"),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        match self.data[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.malformed("the data ends within a value"),
        }
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.data.get(self.at) {
            Some(byte @ (0 | 1)) => {
                self.at += 1;
                Ok(*byte == 1)
            }
            Some(_) => self.malformed("a boolean is neither 0 nor 1"),
            None => self.malformed("the data ends within a value"),
        }
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Malformed> {
        let start = self.at;
        let number = self.varint()?;
        // Five bytes are enough for any int.
        match u32::try_from(number) {
            Ok(number) if self.at - start <= 5 => Ok((number >> 1) as i32 ^ -((number & 1) as i32)),
            _ => Err(Malformed { at: start, problem: "an int is outside 32 bits" }),
        }
    }

    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Malformed> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.data.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (place, &byte) in self.data[self.at..].iter().take(10).enumerate() {
            // The tenth byte has room for one bit.
            if place == 9 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.at += place + 1;
                return Ok(number);
            }
        }
        if self.remaining() < 10 {
            self.malformed("the data ends within a value")
        } else {
            self.malformed("a number is longer than 64 bits")
        }
    }

    #[inline]
    pub(super) fn float(&mut self) -> Result<f32, Malformed> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Bytes after their length.
    #[inline]
    pub(super) fn sized_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// Text after its length.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        let text = self.sized_bytes()?;
        if text.is_ascii() || simdutf8::basic::from_utf8(text).is_ok() {
            Ok(text)
        } else {
            Err(Malformed { at: start, problem: "a string is not valid UTF-8" })
        }
    }

    #[inline]
    fn length(&mut self) -> Result<usize, Malformed> {
        let start = self.at;
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok(length),
            Ok(_) => Err(Malformed { at: start, problem: "a length reaches beyond the data" }),
            Err(_) => Err(Malformed { at: start, problem: "a length is negative" }),
        }
    }

    /// The place of a union's branch or an enum's symbol among `count`.
    #[inline]
    pub(super) fn place(&mut self, count: usize, problem: &'static str) -> Result<usize, Malformed> {
        let start = self.at;
        match usize::try_from(self.int()?) {
            Ok(place) if place < count => Ok(place),
            _ => Err(Malformed { at: start, problem }),
        }
    }

    /// The place of a union's branch.
    #[inline]
    pub(super) fn branch(&mut self, count: usize) -> Result<usize, Malformed> {
        self.place(count, "a union has no such branch")
    }

    /// The place of an enum's symbol.
    #[inline]
    pub(super) fn symbol(&mut self, count: usize) -> Result<usize, Malformed> {
        self.place(count, "an enum has no such symbol")
    }

    /// The head of the next block of an array or map whose items take at least `minimum` bytes;
    /// `None` after the last.
    pub(super) fn block(&mut self, minimum: usize) -> Result<Option<Block>, Malformed> {
        let start = self.at;
        let impossible = |problem| Err(Malformed { at: start, problem });
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let end = if count < 0 { Some(self.length()? + self.at) } else { None };
        let Ok(count) = usize::try_from(count.unsigned_abs()) else {
            return impossible("a block has more items than the data can hold");
        };
        if minimum == 0 {
            self.empty_items = self.empty_items.saturating_add(count);
            if self.empty_items > MAX_EMPTY_ITEMS {
                return impossible("a block claims too many items that take no bytes");
            }
        } else if count.saturating_mul(minimum) > self.remaining() {
            return impossible("a block has more items than the data can hold");
        }
        Ok(Some(Block { count, end }))
    }

    /// Checks that a block ended where it said that it would.
    pub(super) fn end_block(&self, block: Block) -> Result<(), Malformed> {
        match block.end {
            Some(end) if end != self.at => self.malformed("a block is not as long as it says"),
            _ => Ok(()),
        }
    }
}
