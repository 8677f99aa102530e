//! Rows of tables, read portion by portion, in the order of the topic.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, FieldRef, Int32Type, Int64Type};
use arrow::error::ArrowError;
use sluice_lake::{Reader, TableSpec};
use snafu::ResultExt;

use super::error::{ColumnsSnafu, LakeSnafu, ReplayError};
use super::range::Extents;

/// Where a row comes from: partition and offset.
pub(super) type Position = (i32, i64);

/// The rows of a table in some ranges, in order. `None` without rows.
pub(super) async fn read(
    reader: &Reader,
    spec: &TableSpec,
    ranges: &Extents,
) -> Result<Option<RecordBatch>, ReplayError> {
    together(&portions(reader, &spec.name, ranges).await?, spec).context(ColumnsSnafu)
}

/// The rows of a table in some ranges, in order, portion by portion.
pub(super) async fn portions(
    reader: &Reader,
    table: &str,
    ranges: &Extents,
) -> Result<Vec<RecordBatch>, ReplayError> {
    reader.rows(&select(table, ranges)).await.context(LakeSnafu)
}

fn select(table: &str, ranges: &Extents) -> String {
    format!("SELECT * FROM \"{table}\" WHERE {} ORDER BY \"partition\", \"offset\"", within("", ranges))
}

/// The condition that a row is in some ranges. `alias` is that of its table, with a dot, if it has one.
pub(super) fn within(alias: &str, ranges: &Extents) -> String {
    let within = ranges.iter().map(|(partition, range)| {
        format!(
            "({alias}\"partition\" = {partition} AND {alias}\"offset\" >= {} AND {alias}\"offset\" < {})",
            range.start, range.end
        )
    });
    let within: Vec<String> = within.collect();
    if within.is_empty() { "false".to_owned() } else { format!("({})", within.join(" OR ")) }
}

/// Batches as one, in the columns of a table.
pub(super) fn together(batches: &[RecordBatch], spec: &TableSpec) -> Result<Option<RecordBatch>, ArrowError> {
    let batches = batches.iter().filter(|batch| batch.num_rows() > 0);
    let fitted = batches.map(|batch| fitted(batch, spec)).collect::<Result<Vec<_>, _>>()?;
    if fitted.is_empty() {
        return Ok(None);
    }
    concat_batches(&spec.schema, &fitted).map(Some)
}

/// Rows in the columns of a table, as they read once they have been stored: whatever physical types a reader chose,
/// with nulls for columns that are not there.
///
/// Delta knows no empty text as the value of a partition column: it is null.
fn fitted(rows: &RecordBatch, spec: &TableSpec) -> Result<RecordBatch, ArrowError> {
    let column = |field: &FieldRef| -> Result<ArrayRef, ArrowError> {
        let Some(column) = rows.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), rows.num_rows()));
        };
        let column = cast(column, field.data_type())?;
        if field.data_type() == &DataType::Utf8 && spec.partition_by.contains(field.name()) {
            let texts = column.as_string::<i32>().iter().map(|text| text.filter(|text| !text.is_empty()));
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
        Ok(column)
    };
    let columns = spec.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(&spec.schema), columns)
}

/// Where each row comes from.
pub(super) fn positions(rows: &RecordBatch) -> Result<Vec<Position>, ArrowError> {
    let column =
        |name: &str, data_type: &DataType| cast(rows.column(rows.schema().index_of(name)?), data_type);
    let (partitions, offsets) = (column("partition", &DataType::Int32)?, column("offset", &DataType::Int64)?);
    let partitions = partitions.as_primitive::<Int32Type>().values().iter().copied();
    Ok(partitions.zip(offsets.as_primitive::<Int64Type>().values().iter().copied()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{Array as _, Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn a_portion_is_asked_for_by_partition_and_offset_and_comes_in_order() {
        let sql = select("fraud/x", &Extents::from([(0, 5..10), (3, 0..1)]));
        let expected = "SELECT * FROM \"fraud/x\" WHERE ((\"partition\" = 0 AND \"offset\" >= 5 AND \"offset\" < 10) OR \
                        (\"partition\" = 3 AND \"offset\" >= 0 AND \"offset\" < 1)) ORDER BY \"partition\", \"offset\"";
        assert_eq!(sql, expected);
        assert_eq!(within("b.", &Extents::new()), "false");
    }

    #[test]
    fn rows_read_as_they_are_stored() {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = vec![
            field("partition", DataType::Int32),
            field("offset", DataType::Int64),
            field("country", DataType::Utf8),
            field("city", DataType::Utf8),
            field("new", DataType::Float64),
        ];
        let spec = TableSpec {
            name: "silver".to_owned(),
            schema: Arc::new(Schema::new(fields)),
            partition_by: vec!["country".to_owned()],
            description: None,
            properties: BTreeMap::new(),
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("country", Arc::new(StringViewArray::from(vec![Some(""), Some("DE"), None]))),
            ("offset", Arc::new(Int64Array::from(vec![4, 5, 6]))),
            ("partition", Arc::new(Int32Array::from(vec![1, 1, 1]))),
            ("city", Arc::new(StringViewArray::from(vec![Some(""), Some("x"), None]))),
        ];
        let read = together(&[RecordBatch::try_from_iter(columns).unwrap()], &spec).unwrap().unwrap();
        assert_eq!(read.schema(), spec.schema);
        let texts = |column: usize| read.column(column).as_string::<i32>().iter().collect::<Vec<_>>();
        assert_eq!(texts(2), [None, Some("DE"), None]);
        assert_eq!(texts(3), [Some(""), Some("x"), None]);
        assert_eq!(read.column(4).null_count(), 3);
        assert_eq!(positions(&read).unwrap(), [(1, 4), (1, 5), (1, 6)]);
        assert_eq!(together(&[], &spec).unwrap(), None);
    }
}
