//! What keeps a resource from being acted on: faults of its own, and things that it refers to.

use std::fmt;

/// A fault of a resource. It stands until the resource changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path of the field: `spec.gold[1].window.slide`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.field, self.message, self.fix)
    }
}

/// Something that a resource refers to and that is not there. It may come at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Path of the field that refers to it.
    pub field: String,
    /// What is missing.
    pub message: String,
    /// What to do about it, at this site.
    pub fix: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.field, self.message, self.fix)
    }
}

/// Faults in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<Invalid>,
}

impl Faults {
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.found.push(Invalid { field: field.into(), message: message.into(), fix: fix.into() });
    }

    pub(crate) fn into_found(self) -> Vec<Invalid> {
        self.found
    }
}
