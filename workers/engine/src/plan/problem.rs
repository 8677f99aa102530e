//! [`PlanError`]: what is wrong with a configuration, where, and the fix.

use std::fmt;

use crate::expression::Problem;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The field of the resource's `spec`, such as `silver.columns[3].expr`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl PlanError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), fix: fix.into() }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.field, self.message, self.fix)
    }
}

impl std::error::Error for PlanError {}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<PlanError>,
}

impl Problems {
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.found.push(PlanError::new(field, message, fix));
    }

    /// Adds the problem of an expression.
    pub(crate) fn add_of(&mut self, field: impl Into<String>, problem: Problem) {
        self.add(field, problem.message, problem.fix);
    }

    pub(crate) fn all(self) -> Vec<PlanError> {
        self.found
    }

    pub(crate) fn none(self) -> Result<(), Vec<PlanError>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}
