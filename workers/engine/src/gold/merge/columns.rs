//! Batches of a snapshot, whose columns are known by their places.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

/// A batch of columns, which are known by their places, with metadata.
pub(super) fn batch<const N: usize>(columns: Vec<ArrayRef>, metadata: [(&str, String); N]) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect();
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let schema = Schema::new_with_metadata(fields, metadata);
    RecordBatch::try_new(Arc::new(schema), columns).expect("the columns have one length")
}

/// Whether columns are of these types.
pub(super) fn has_types(columns: &[ArrayRef], types: &[DataType]) -> bool {
    columns.len() == types.len()
        && columns.iter().zip(types).all(|(column, data_type)| column.data_type().equals_datatype(data_type))
}
