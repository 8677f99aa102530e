//! [`Rows`]: the columns of a batch while it is being decoded, one row at a time, with rollback.
//!
//! A message appends to the columns as it is read. When it turns out to be faulty, every column is cut
//! back to where the row began; nothing is copied twice and nothing is allocated per row.

mod bytes;
mod column;

use std::borrow::Cow;
use std::mem;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

pub(crate) use column::Column;

use crate::{Decoded, Refusal, RowSchema};

/// The rows of a batch so far, and the messages that became none.
pub(crate) struct Rows {
    schema: SchemaRef,
    /// One per field of the schema.
    pub(crate) columns: Vec<Column>,
    messages: Vec<u32>,
    refused: Vec<Refusal>,
}

impl Rows {
    /// No rows of `schema`.
    pub(crate) fn new(schema: &RowSchema) -> Self {
        Self {
            schema: SchemaRef::clone(schema.arrow()),
            columns: schema.fields().iter().map(|field| Column::new(&field.slot)).collect(),
            messages: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Ends the row: each column has got its value.
    pub(crate) fn accept(&mut self, message: usize) {
        self.messages.push(message as u32);
    }

    /// Drops what the message has appended since the last row.
    pub(crate) fn refuse(&mut self, message: usize, reason: &'static str, detail: String) {
        self.drop_unfinished_row();
        self.refused.push(Refusal { message, reason: Cow::Borrowed(reason), detail });
    }

    fn drop_unfinished_row(&mut self) {
        let rows = self.messages.len();
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.refused.clear();
        self.drop_unfinished_row();
    }

    /// Takes the rows and begins anew.
    pub(crate) fn finish(&mut self) -> Decoded {
        let arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .map(|(column, field)| column.finish(field.data_type()))
            .collect();
        let rows = RecordBatch::try_new(SchemaRef::clone(&self.schema), arrays)
            .expect("each column has one value per row, of its field's type");
        Decoded { rows, messages: mem::take(&mut self.messages), refused: mem::take(&mut self.refused) }
    }
}
