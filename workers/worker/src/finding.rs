//! [`Finding`]: one thing that is wrong with a configuration, where, and the fix.

use std::fmt;

use serde::Serialize;
use sluice_engine::PlanError;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The field of the resource's `spec`, such as `silver.columns[3].expr`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    /// A finding at a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), fix: fix.into() }
    }
}

impl From<PlanError> for Finding {
    fn from(error: PlanError) -> Self {
        Self { field: error.field, message: error.message, fix: error.fix }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.field, self.message, self.fix)
    }
}
