//! SQL expressions: compiled once, evaluated a batch at a time, failing a row at a time.
//!
//! Compilation ([`Compiler`]) refuses whatever could make results depend on anything but the row: clocks,
//! random numbers, other rows. Evaluation ([`Expression::evaluate`]) gives each row the value that it
//! would have alone: where a batch fails, it is halved until the failing rows stand alone.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::PhysicalExpr;
use std::fmt;
use std::sync::Arc;

mod aggregate;
mod calendar;
mod check;
mod compile;
mod evaluate;
mod explain;
mod scope;
mod storable;
#[cfg(test)]
mod tests;

pub(crate) use aggregate::{Call, Computation, Measure, MeasureScope};
pub(crate) use compile::Compiler;
pub(crate) use scope::Scope;
pub(crate) use storable::{canonical, storable};

/// Why an expression cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) fix: String,
    /// The column that the scope does not have, if that is the problem.
    pub(crate) unknown_column: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into(), unknown_column: None }
    }
}

/// A compiled expression.
#[derive(Clone)]
pub(crate) struct Expression {
    sql: String,
    /// Name and slot of each column that it reads, in the order of `schema`.
    inputs: Vec<(String, usize)>,
    schema: SchemaRef,
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    /// The slot of the column that it is, if it is nothing else.
    column: Option<usize>,
    /// Its value, if that is the same for all rows.
    constant: Option<ScalarValue>,
}

impl Expression {
    /// The text that it was compiled from.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// Name and slot of each column that it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.inputs.iter().map(|(name, slot)| (name.as_str(), *slot))
    }

    /// The type of its values.
    pub(crate) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// The slot of the column that it is, if it is nothing else.
    pub(crate) fn as_column(&self) -> Option<usize> {
        self.column
    }

    /// Its value, if that is the same for all rows.
    pub(crate) fn as_constant(&self) -> Option<&ScalarValue> {
        self.constant.as_ref()
    }

    /// The expression, with its values converted to another type.
    pub(crate) fn converted_to(self, data_type: DataType) -> Self {
        Self { data_type, ..self }
    }
}

/// Two expressions are the same if they compute the same from the same columns.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.inputs == other.inputs && self.data_type == other.data_type && self.physical.eq(&other.physical)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Expression({})", self.sql)
    }
}

/// The values of an expression on a batch.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// One value for each row of the batch; null, or without meaning, for rows that failed or were not
    /// selected.
    pub(crate) values: ArrayRef,
    /// The selected rows that failed, ascending.
    pub(crate) failures: Vec<Failure>,
}

/// A row on which an expression failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    pub(crate) error: String,
}
