//! Evaluation: a batch at a time while all goes well, halves of it where rows fail.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::CastOptions;
use arrow::compute::{cast_with_options, concat, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::{Evaluated, Expression, Failure, explain};
use crate::silver::Selection;

/// A cast that overflows fails; it does not give null.
const CAST: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

impl Expression {
    /// The values of the selected rows.
    ///
    /// A row that is not selected cannot fail, and a row that fails does not disturb the others.
    pub(crate) fn evaluate(&self, columns: &[ArrayRef], selection: &Selection) -> Evaluated {
        let inputs: Vec<ArrayRef> = self.inputs.iter().map(|&(_, slot)| Arc::clone(&columns[slot])).collect();
        match self.try_evaluate(&inputs, selection.rows()) {
            Ok(values) => Evaluated { values, failures: Vec::new() },
            Err(_) => self.evaluate_apart(&inputs, selection),
        }
    }

    /// Evaluates the selected rows alone, and finds those that fail.
    fn evaluate_apart(&self, inputs: &[ArrayRef], selection: &Selection) -> Evaluated {
        let rows = UInt32Array::from(selection.indices());
        let inputs: Vec<ArrayRef> = inputs
            .iter()
            .map(|input| take(input, &rows, None).expect("the rows are in the column"))
            .collect();
        let mut halves = Halves { values: Vec::new(), failed: Vec::new() };
        self.halve(&inputs, 0..rows.len(), &mut halves);

        let mut places: Vec<Option<u32>> = vec![None; selection.rows()];
        let mut failed = halves.failed.iter().map(|(index, _)| *index).peekable();
        let mut place = 0;
        for (index, &row) in rows.values().iter().enumerate() {
            if failed.next_if_eq(&index).is_none() {
                places[row as usize] = Some(place);
                place += 1;
            }
        }
        let row_of = |index: usize| rows.value(index) as usize;
        let failures = halves.failed.into_iter().map(|(index, error)| Failure { row: row_of(index), error });
        Evaluated { failures: failures.collect(), values: self.spread(&halves.values, places) }
    }

    /// Evaluates a range of rows, or each half of it where that fails.
    fn halve(&self, inputs: &[ArrayRef], range: Range<usize>, halves: &mut Halves) {
        if range.is_empty() {
            return;
        }
        let slices: Vec<ArrayRef> =
            inputs.iter().map(|input| input.slice(range.start, range.len())).collect();
        match self.try_evaluate(&slices, range.len()) {
            Ok(values) => halves.values.push(values),
            Err(error) if range.len() == 1 => halves.failed.push((range.start, error)),
            Err(_) => {
                let middle = range.start + range.len() / 2;
                self.halve(inputs, range.start..middle, halves);
                self.halve(inputs, middle..range.end, halves);
            }
        }
    }

    /// One column from parts: row `i` gets value number `places[i]`, or null.
    fn spread(&self, parts: &[ArrayRef], places: Vec<Option<u32>>) -> ArrayRef {
        if parts.is_empty() {
            return new_null_array(&self.data_type, places.len());
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let values = concat(&parts).expect("the parts of a column have one type");
        take(&values, &UInt32Array::from(places), None).expect("the places are in the values")
    }

    /// Evaluates all rows, or fails as a whole.
    ///
    /// A panic in a function is a failure too: one row must not stop the stream.
    fn try_evaluate(&self, inputs: &[ArrayRef], rows: usize) -> Result<ArrayRef, String> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), inputs.to_vec(), &options)
            .map_err(|error| error.to_string())?;
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let values = self.physical.evaluate(&batch)?.into_array(rows)?;
            Ok(convert(values, &self.data_type)?)
        }));
        match evaluated {
            Ok(values) => values.map_err(|error| explain::message(&error)),
            Err(panic) => Err(panic_text(panic.as_ref())),
        }
    }
}

struct Halves {
    /// The values of the rows that worked, in order.
    values: Vec<ArrayRef>,
    /// The rows that failed, ascending, and why.
    failed: Vec<(usize, String)>,
}

fn convert(values: ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == data_type { Ok(values) } else { cast_with_options(&values, data_type, &CAST) }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a function panicked: {}", text.unwrap_or("without a text"))
}
