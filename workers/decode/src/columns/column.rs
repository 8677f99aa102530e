//! [`Column`]: the values of one place in the row, growing by one value per row.

use std::mem;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBufferBuilder, Decimal128Array, ListArray, MapArray,
    NullBufferBuilder, PrimitiveArray, StructArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type,
    Int32Type, Int64Type, TimestampMicrosecondType,
};

use super::bytes::{ByteValues, offset, take_offsets};
use crate::schema::{ColumnType, DefaultValue, Slot};

/// The values of one place in the row.
///
/// The `push_*` methods take the column's type for granted: the decoders compile what they push from
/// the schema that the columns are made from.
pub(crate) struct Column {
    nullable: bool,
    nulls: NullBufferBuilder,
    values: Values,
}

enum Values {
    Boolean(BooleanBufferBuilder),
    /// Also dates.
    Int(Vec<i32>),
    /// Also timestamps.
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>),
    /// Text or binary.
    Bytes(ByteValues),
    List(ListValues),
    Map(ListValues, ByteValues),
    Record(Vec<Column>),
}

/// Items of lists, or values of maps, end to end.
struct ListValues {
    offsets: Vec<i32>,
    items: Box<Column>,
}

/// States what every caller guarantees.
const TYPED: &str = "a column is given values of its own type";

macro_rules! values {
    ($column:expr, $variant:ident) => {
        match &mut $column.values {
            Values::$variant(values) => values,
            _ => unreachable!("{TYPED}"),
        }
    };
}

impl Column {
    /// No values of the slot's type.
    pub(crate) fn new(slot: &Slot) -> Self {
        let values = match &slot.column {
            ColumnType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            ColumnType::Int | ColumnType::Date => Values::Int(Vec::new()),
            ColumnType::Long | ColumnType::Timestamp(_) => Values::Long(Vec::new()),
            ColumnType::Float => Values::Float(Vec::new()),
            ColumnType::Double => Values::Double(Vec::new()),
            ColumnType::Decimal(_) => Values::Decimal(Vec::new()),
            ColumnType::Text
            | ColumnType::Bytes
            | ColumnType::Fixed(_)
            | ColumnType::Enum(_)
            | ColumnType::Uuid { .. } => Values::Bytes(ByteValues::new()),
            ColumnType::List(item) => Values::List(ListValues::new(item)),
            ColumnType::Map(value) => Values::Map(ListValues::new(value), ByteValues::new()),
            ColumnType::Record(fields) => {
                Values::Record(fields.iter().map(|field| Self::new(&field.slot)).collect())
            }
        };
        // The bitmap itself is allocated with the first null.
        Self { nullable: slot.nullable, nulls: NullBufferBuilder::new(1024), values }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    #[inline]
    pub(crate) fn push_boolean(&mut self, value: bool) {
        values!(self, Boolean).append(value);
        self.nulls.append_non_null();
    }

    #[inline]
    pub(crate) fn push_int(&mut self, value: i32) {
        values!(self, Int).push(value);
        self.nulls.append_non_null();
    }

    #[inline]
    pub(crate) fn push_long(&mut self, value: i64) {
        values!(self, Long).push(value);
        self.nulls.append_non_null();
    }

    pub(crate) fn push_float(&mut self, value: f32) {
        values!(self, Float).push(value);
        self.nulls.append_non_null();
    }

    #[inline]
    pub(crate) fn push_double(&mut self, value: f64) {
        values!(self, Double).push(value);
        self.nulls.append_non_null();
    }

    pub(crate) fn push_decimal(&mut self, unscaled: i128) {
        values!(self, Decimal).push(unscaled);
        self.nulls.append_non_null();
    }

    /// Appends text, which must be valid UTF-8, or binary.
    #[inline]
    pub(crate) fn push_bytes(&mut self, value: &[u8]) {
        values!(self, Bytes).push(value);
        self.nulls.append_non_null();
    }

    /// Appends the text, which must be valid UTF-8, or the binary that `write` appends.
    pub(crate) fn push_bytes_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        values!(self, Bytes).push_with(write);
        self.nulls.append_non_null();
    }

    /// The column of a list's items; [`Self::end_list`] makes a list of those appended to it.
    pub(crate) fn items(&mut self) -> &mut Column {
        &mut values!(self, List).items
    }

    pub(crate) fn end_list(&mut self) {
        values!(self, List).end();
        self.nulls.append_non_null();
    }

    /// The keys and the column of values of a map; [`Self::end_map`] makes a map of those appended.
    pub(crate) fn entries(&mut self) -> (&mut ByteValues, &mut Column) {
        match &mut self.values {
            Values::Map(values, keys) => (keys, &mut values.items),
            _ => unreachable!("{TYPED}"),
        }
    }

    pub(crate) fn end_map(&mut self) {
        match &mut self.values {
            Values::Map(values, _) => values.end(),
            _ => unreachable!("{TYPED}"),
        }
        self.nulls.append_non_null();
    }

    /// The columns of a record's fields; [`Self::end_record`] makes a record of what each has got.
    pub(crate) fn fields(&mut self) -> &mut [Column] {
        values!(self, Record)
    }

    pub(crate) fn end_record(&mut self) {
        self.nulls.append_non_null();
    }

    /// Appends null, or in a column that has no nulls any value: a faulty row is dropped, and a field
    /// of a record that is null is not looked at.
    pub(crate) fn push_null(&mut self) {
        self.nulls.append(!self.nullable);
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Int(values) => values.push(0),
            Values::Long(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Double(values) => values.push(0.0),
            Values::Decimal(values) => values.push(0),
            Values::Bytes(values) => values.push(&[]),
            Values::List(values) | Values::Map(values, _) => values.end(),
            Values::Record(fields) => fields.iter_mut().for_each(Self::push_null),
        }
    }

    /// Appends a field's default.
    pub(crate) fn push_default(&mut self, value: &DefaultValue) {
        match value {
            DefaultValue::Null => self.push_null(),
            DefaultValue::Boolean(value) => self.push_boolean(*value),
            DefaultValue::Int(value) => self.push_int(*value),
            DefaultValue::Long(value) => self.push_long(*value),
            DefaultValue::Float(value) => self.push_float(*value),
            DefaultValue::Double(value) => self.push_double(*value),
            DefaultValue::Bytes(value) => self.push_bytes(value),
            DefaultValue::Decimal(value) => self.push_decimal(*value),
            DefaultValue::List(items) => {
                let column = self.items();
                for item in items {
                    column.push_default(item);
                }
                self.end_list();
            }
            DefaultValue::Map(entries) => {
                let (keys, values) = self.entries();
                for (key, value) in entries {
                    keys.push(key.as_bytes());
                    values.push_default(value);
                }
                self.end_map();
            }
            DefaultValue::Record(values) => {
                self.fields().iter_mut().zip(values).for_each(|(field, value)| field.push_default(value));
                self.end_record();
            }
        }
    }

    /// Cuts the column back to its first `len` values.
    ///
    /// It may hold parts of one more value: the fields of a record, the items of a list.
    pub(super) fn truncate(&mut self, len: usize) {
        self.nulls.truncate(len);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(len),
            Values::Int(values) => values.truncate(len),
            Values::Long(values) => values.truncate(len),
            Values::Float(values) => values.truncate(len),
            Values::Double(values) => values.truncate(len),
            Values::Decimal(values) => values.truncate(len),
            Values::Bytes(values) => values.truncate(len),
            Values::List(values) => {
                values.truncate(len);
            }
            Values::Map(values, keys) => {
                let entries = values.truncate(len);
                keys.truncate(entries);
            }
            Values::Record(fields) => fields.iter_mut().for_each(|field| field.truncate(len)),
        }
    }

    /// Takes the values as an array of `data_type`, the one that the schema gives for this column.
    pub(super) fn finish(&mut self, data_type: &DataType) -> ArrayRef {
        let len = self.len();
        let nulls = self.nulls.finish();
        match (&mut self.values, data_type) {
            (Values::Boolean(values), _) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            (Values::Int(values), DataType::Date32) => primitive::<Date32Type>(values, nulls),
            (Values::Int(values), _) => primitive::<Int32Type>(values, nulls),
            (Values::Long(values), DataType::Timestamp(..)) => {
                let array = PrimitiveArray::<TimestampMicrosecondType>::new(take(values), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            (Values::Long(values), _) => primitive::<Int64Type>(values, nulls),
            (Values::Float(values), _) => primitive::<Float32Type>(values, nulls),
            (Values::Double(values), _) => primitive::<Float64Type>(values, nulls),
            (Values::Decimal(values), _) => {
                let array: Decimal128Array = PrimitiveArray::<Decimal128Type>::new(take(values), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            (Values::Bytes(values), DataType::Utf8) => values.finish_text(nulls),
            (Values::Bytes(values), _) => values.finish_binary(nulls),
            (Values::List(values), DataType::List(item)) => {
                let offsets = take_offsets(&mut values.offsets);
                Arc::new(ListArray::new(
                    Arc::clone(item),
                    offsets,
                    values.items.finish(item.data_type()),
                    nulls,
                ))
            }
            (Values::Map(values, keys), DataType::Map(entry, ordered)) => {
                let DataType::Struct(parts) = entry.data_type() else { unreachable!("{TYPED}") };
                let arrays = vec![keys.finish_text(None), values.items.finish(parts[1].data_type())];
                let entries = StructArray::new(parts.clone(), arrays, None);
                let offsets = take_offsets(&mut values.offsets);
                Arc::new(MapArray::new(Arc::clone(entry), offsets, entries, nulls, *ordered))
            }
            (Values::Record(columns), DataType::Struct(fields)) => {
                let finish = |(column, field): (&mut Self, &Arc<arrow::datatypes::Field>)| {
                    column.finish(field.data_type())
                };
                let arrays: Vec<_> = columns.iter_mut().zip(fields).map(finish).collect();
                debug_assert!(arrays.iter().all(|array| array.len() == len));
                Arc::new(StructArray::new(fields.clone(), arrays, nulls))
            }
            _ => unreachable!("{TYPED}"),
        }
    }
}

impl ListValues {
    fn new(item: &Slot) -> Self {
        Self { offsets: vec![0], items: Box::new(Column::new(item)) }
    }

    fn end(&mut self) {
        self.offsets.push(offset(self.items.len()));
    }

    /// Cuts the lists back to the first `len` and returns the number of their items.
    fn truncate(&mut self, len: usize) -> usize {
        self.offsets.truncate(len + 1);
        let items = self.offsets[len] as usize;
        self.items.truncate(items);
        items
    }
}

fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(take(values), nulls))
}

fn take<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    // The next batch is about as large as this one.
    let fresh = Vec::with_capacity(values.len());
    ScalarBuffer::from(mem::replace(values, fresh))
}
