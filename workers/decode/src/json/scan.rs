//! [`Scanner`]: walks JSON text by the letter of RFC 8259 and marks where values are.

use super::strings::{Plainness, skip_string};

/// Where a value stands in the text, and what kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// For strings, what is between the quotes.
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What kind of value a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No value: the object does not have the field.
    Absent,
    Null,
    True,
    False,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Real,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    Array,
    Object,
}

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Byte at which it stops being JSON.
    pub(super) at: usize,
    pub(super) problem: &'static str,
}

/// Walks JSON text from a position.
///
/// The text must be valid UTF-8. Containers are walked without recursion, so depth is no limit.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// The open containers around a position, outermost first.
pub(super) type OpenContainers = Vec<Container>;

/// A container whose end has not been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

impl Token {
    pub(super) const ABSENT: Self = Self { kind: Kind::Absent, start: 0, end: 0 };

    fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start: start as u32, end: end as u32 }
    }

    /// The bytes that the token marks.
    #[inline]
    pub(super) fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..self.end as usize]
    }

    /// The bytes of the whole value, with the quotes of a string.
    pub(super) fn source<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match self.kind {
            Kind::Text | Kind::EscapedText => &text[self.start as usize - 1..=self.end as usize],
            _ => self.of(text),
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Steps over what the caller has looked at.
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What has not been walked yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn malformed<T>(&self, problem: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, problem })
    }

    #[inline]
    pub(super) fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` where it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { self.malformed(problem) }
    }

    /// Walks the name of a field and the colon after it.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Token, Malformed> {
        self.expect(b'"', "expected a field name in quotes")?;
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    /// Walks the colon between a name and its value, and the white space around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Malformed> {
        self.skip_whitespace();
        self.expect(b':', "expected `:` after the field name")?;
        self.skip_whitespace();
        Ok(())
    }

    /// Walks a value; `open` is scratch space.
    #[inline]
    pub(super) fn value(&mut self, open: &mut OpenContainers) -> Result<Token, Malformed> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.container(Kind::Object, open),
            Some(b'[') => self.container(Kind::Array, open),
            _ => self.literal(),
        }
    }

    /// Walks a string whose opening quote has been passed.
    #[inline]
    fn string(&mut self) -> Result<Token, Malformed> {
        let start = self.at;
        let (end, plainness) = skip_string(self.text, start)?;
        self.at = end + 1;
        let kind = match plainness {
            Plainness::Plain => Kind::Text,
            Plainness::Escaped => Kind::EscapedText,
        };
        Ok(Token::new(kind, start, end))
    }

    #[inline]
    fn literal(&mut self) -> Result<Token, Malformed> {
        let (kind, length) = match self.rest() {
            [b't', b'r', b'u', b'e', ..] => (Kind::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Kind::False, 5),
            [b'n', b'u', b'l', b'l', ..] => (Kind::Null, 4),
            _ => return self.malformed("expected a value"),
        };
        let start = self.at;
        self.at += length;
        Ok(Token::new(kind, start, self.at))
    }

    #[inline]
    fn number(&mut self) -> Result<Token, Malformed> {
        let start = self.at;
        let mut kind = Kind::Integer;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            kind = Kind::Real;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            kind = Kind::Real;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // What may follow a number is checked by whoever expects the next token, a digit after a
        // leading zero included.
        Ok(Token::new(kind, start, self.at))
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.malformed("expected a digit") } else { Ok(()) }
    }

    /// Walks an array or object that starts here, to its end.
    fn container(&mut self, kind: Kind, open: &mut OpenContainers) -> Result<Token, Malformed> {
        let start = self.at;
        open.clear();
        self.open_container(open)?;
        while let Some(&container) = open.last() {
            self.skip_whitespace();
            if self.close(container) {
                open.pop();
                continue;
            }
            self.expect(b',', "expected `,` or the end of the array or object")?;
            self.skip_whitespace();
            self.element(container, open)?;
        }
        Ok(Token::new(kind, start, self.at))
    }

    /// Enters the container that starts here, and those that its first elements start with.
    fn open_container(&mut self, open: &mut OpenContainers) -> Result<(), Malformed> {
        loop {
            let container = if self.peek() == Some(b'{') { Container::Object } else { Container::Array };
            self.at += 1;
            self.skip_whitespace();
            if self.close(container) {
                return Ok(());
            }
            open.push(container);
            if container == Container::Object {
                self.name()?;
            }
            match self.peek() {
                Some(b'{' | b'[') => {}
                _ => return self.scalar(),
            }
        }
    }

    /// Walks an element, or enters it where it is a container.
    fn element(&mut self, container: Container, open: &mut OpenContainers) -> Result<(), Malformed> {
        if container == Container::Object {
            self.name()?;
        }
        match self.peek() {
            Some(b'{' | b'[') => self.open_container(open),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
        .map(|_| ())
    }

    fn close(&mut self, container: Container) -> bool {
        self.take(match container {
            Container::Array => b']',
            Container::Object => b'}',
        })
    }
}
