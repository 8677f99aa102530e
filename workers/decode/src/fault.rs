//! [`Fault`]: what is wrong with one value of a message that is well-formed as a whole.

use sluice_contract::reasons;

/// A value that does not fit its place in the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `MissingField` or `WrongType`.
    pub(crate) reason: &'static str,
    /// Where, from the row inwards, as `location.lat` or `readings[3]`.
    path: String,
    /// What was found and what was expected.
    problem: String,
}

impl Fault {
    /// A value that is absent, or null, where one is needed.
    pub(crate) fn missing(problem: impl Into<String>) -> Box<Self> {
        Box::new(Self { reason: reasons::MISSING_FIELD, path: String::new(), problem: problem.into() })
    }

    /// A value of another type, or outside its type's range.
    pub(crate) fn wrong_type(problem: impl Into<String>) -> Box<Self> {
        Box::new(Self { reason: reasons::WRONG_TYPE, path: String::new(), problem: problem.into() })
    }

    /// The same fault as seen from the record that holds the value as field `name`.
    pub(crate) fn in_field(mut self: Box<Self>, name: &str) -> Box<Self> {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    /// The same fault as seen from the list that holds the value at `index`.
    pub(crate) fn in_item(mut self: Box<Self>, index: usize) -> Box<Self> {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }

    /// The same fault as seen from the map that holds the value under `key`.
    pub(crate) fn in_entry(mut self: Box<Self>, key: &str) -> Box<Self> {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[\"{}\"]{separator}{}", clipped(key), self.path);
        self
    }

    /// The text of a refusal.
    pub(crate) fn detail(&self) -> String {
        if self.path.is_empty() { self.problem.clone() } else { format!("{}: {}", self.path, self.problem) }
    }
}

/// The beginning of a text that may be long.
pub(crate) fn clipped(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
