//! [`Fault`]: what is wrong with one value of a message that is well-formed as a whole.

use sluice_contract::reasons;

use crate::schema::Slot;

/// A value that does not fit its place in the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(Box<Parts>);

// Behind a pointer, so that the results of the hot path stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    /// `MissingField` or `WrongType`.
    reason: &'static str,
    /// Where, from the row inwards, as `location.lat` or `readings[3]`.
    path: String,
    /// What was found and what was expected.
    problem: String,
}

impl Fault {
    /// A value that is absent, or null, where one is needed.
    pub(crate) fn missing(problem: impl Into<String>) -> Self {
        Self::new(reasons::MISSING_FIELD, problem.into())
    }

    /// A value of another type, or outside its type's range.
    pub(crate) fn wrong_type(problem: impl Into<String>) -> Self {
        Self::new(reasons::WRONG_TYPE, problem.into())
    }

    fn new(reason: &'static str, problem: String) -> Self {
        Self(Box::new(Parts { reason, path: String::new(), problem }))
    }

    /// The same fault as seen from the record that holds the value as field `name`.
    pub(crate) fn in_field(self, name: &str) -> Self {
        self.within(name)
    }

    /// The same fault as seen from the list that holds the value at `index`.
    pub(crate) fn in_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// The same fault as seen from the map that holds the value under `key`.
    pub(crate) fn in_entry(self, key: &str) -> Self {
        self.within(&format!("[\"{}\"]", clipped(key)))
    }

    fn within(mut self, outer: &str) -> Self {
        let inner = &self.0.path;
        let separator = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        self.0.path = format!("{outer}{separator}{inner}");
        self
    }

    /// `MissingField` or `WrongType`.
    pub(crate) fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// The text of a refusal.
    pub(crate) fn detail(&self) -> String {
        let Parts { path, problem, .. } = &*self.0;
        if path.is_empty() { problem.clone() } else { format!("{path}: {problem}") }
    }
}

/// The problem of a null in a place that has none.
pub(crate) fn unexpected_null(slot: &Slot) -> String {
    format!("null, expected {}", slot.column.expected())
}

/// The beginning of a text that may be long.
pub(crate) fn clipped(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
