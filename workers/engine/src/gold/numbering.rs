//! [`Numbering`]: the different values of a column, numbered.
//!
//! Group keys and what is counted distinctly are compared and hashed once for a value here; all else works with
//! their numbers.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, SchemaRef};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::tables::nullable;

/// Numbers the values of a column from 0, in the order in which they first come. Null is a value.
pub(crate) struct Numbering {
    values: Box<dyn GroupValues>,
}

impl fmt::Debug for Numbering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Numbering({} values)", self.values.len())
    }
}

impl Numbering {
    /// A numbering of values of a type that can identify a row.
    pub(crate) fn new(data_type: &DataType) -> Self {
        let schema: SchemaRef = Arc::new(Schema::new(vec![nullable("value", data_type.clone())]));
        let values = new_group_values(schema, &GroupOrdering::None);
        Self { values: values.expect("the plan checked that the type can be grouped") }
    }

    /// The number of each value of a column.
    pub(crate) fn number(&mut self, column: &ArrayRef) -> Vec<usize> {
        let mut numbers = Vec::with_capacity(column.len());
        let numbered = self.values.intern(&[canonical_floats(column)], &mut numbers);
        numbered.expect("the column is of the type that was planned");
        numbers
    }

    /// All values by their numbers; it then starts anew.
    pub(crate) fn take(&mut self) -> ArrayRef {
        let values = self.values.emit(EmitTo::All).expect("values that were put in come out");
        self.values.clear_shrink(0);
        values.into_iter().next().expect("one column was put in")
    }
}

/// Both zeros are one value, and so are all NaNs: which of them came first must not be seen.
fn canonical_floats(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary(canonical) as Float64Array)
        }
        DataType::Float32 => {
            let canonical = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary(canonical) as Float32Array)
        }
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_in_which_they_first_come_and_null_is_one() {
        let mut numbering = Numbering::new(&DataType::Utf8);
        let column = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        assert_eq!(numbering.number(&column(vec![Some("b"), None, Some("a"), Some("b")])), [0, 1, 2, 0]);
        assert_eq!(numbering.number(&column(vec![Some("a"), Some(""), None])), [2, 3, 1]);
        assert_eq!(&numbering.take(), &column(vec![Some("b"), None, Some("a"), Some("")]));
        assert_eq!(numbering.number(&column(vec![Some("a")])), [0], "it starts anew");
    }

    #[test]
    fn zeros_are_one_value_and_so_are_nans() {
        let mut numbering = Numbering::new(&DataType::Float64);
        let column: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, 0.0, f64::NAN, -f64::NAN, 1.5]));
        assert_eq!(numbering.number(&column), [0, 0, 1, 1, 2]);
        let values = numbering.take();
        let values = values.as_primitive::<Float64Type>();
        assert!(values.value(0).is_sign_positive() && values.value(1).is_nan());
    }
}
