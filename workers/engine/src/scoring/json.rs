//! Rows as JSON objects: every type that a table can hold.
//!
//! | type | JSON |
//! |---|---|
//! | booleans, whole and decimal numbers | as they are |
//! | doubles | the shortest text that is the same double; `null` for NaN and infinities, which JSON lacks |
//! | text | text |
//! | bytes | text of two hexadecimal digits each |
//! | dates, timestamps | text in RFC 3339, UTC |
//! | lists, structs, maps | arrays, objects, arrays of objects of key and value |

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// Writes the rows of a batch as objects.
pub(super) struct Object<'a> {
    /// Each column, with what stands before its value: `{"name":` or `,"name":`.
    columns: Vec<(Vec<u8>, &'a ArrayRef)>,
}

impl<'a> Object<'a> {
    /// An object with a field for each column.
    pub(super) fn new(rows: &'a RecordBatch) -> Self {
        let schema = rows.schema();
        let columns =
            schema.fields().iter().zip(rows.columns()).enumerate().map(|(index, (field, column))| {
                let mut before = vec![if index == 0 { b'{' } else { b',' }];
                write_json(field.name(), &mut before);
                before.push(b':');
                (before, column)
            });
        Self { columns: columns.collect() }
    }

    /// Writes a row, and one more field with a text.
    pub(super) fn write(&self, row: usize, (name, text): (&str, &str), out: &mut Vec<u8>) {
        for (before, column) in &self.columns {
            out.extend_from_slice(before);
            write_value(column, row, out);
        }
        out.push(if self.columns.is_empty() { b'{' } else { b',' });
        write_json(name, out);
        out.push(b':');
        write_json(text, out);
        out.push(b'}');
    }
}

/// Writes one value of a column.
fn write_value(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        return out.extend_from_slice(b"null");
    }
    match column.data_type() {
        DataType::Boolean => write_json(&column.as_boolean().value(row), out),
        DataType::Int8 => write_json(&column.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => write_json(&column.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => write_json(&column.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => write_json(&column.as_primitive::<Int64Type>().value(row), out),
        DataType::Float32 => write_json(&column.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => write_json(&column.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal128(_, _) => {
            out.extend_from_slice(column.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes());
        }
        DataType::Utf8 => write_json(column.as_string::<i32>().value(row), out),
        DataType::Binary => write_bytes(column.as_binary::<i32>().value(row), out),
        DataType::Date32 => write_date(column.as_primitive::<Date32Type>().value(row), out),
        DataType::Timestamp(_, _) => {
            write_timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row), out);
        }
        DataType::List(_) => write_list(&column.as_list::<i32>().value(row), out),
        DataType::Map(_, _) => {
            let entries: ArrayRef = Arc::new(column.as_map().value(row));
            write_list(&entries, out);
        }
        DataType::Struct(_) => write_struct(column, row, out),
        other => unreachable!("a table holds no {other}"),
    }
}

fn write_list(items: &ArrayRef, out: &mut Vec<u8>) {
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        write_value(items, item, out);
    }
    out.push(b']');
}

fn write_struct(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    let fields = column.as_struct();
    out.push(b'{');
    for (index, (name, values)) in fields.column_names().into_iter().zip(fields.columns()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(name, out);
        out.push(b':');
        write_value(values, row, out);
    }
    out.push(b'}');
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    write_json(&text, out);
}

/// Days since 1970 as a date. What the calendar lacks is the number itself.
fn write_date(days: i32, out: &mut Vec<u8>) {
    let seconds = i64::from(days) * 86_400;
    match Timestamp::from_second(seconds) {
        Ok(midnight) => {
            let date: Date = midnight.to_zoned(jiff::tz::TimeZone::UTC).date();
            write_json(&date.to_string(), out);
        }
        Err(_) => write_json(&days, out),
    }
}

/// A time with as many digits of a second as it needs. What the calendar lacks is the number itself.
fn write_timestamp(microseconds: i64, out: &mut Vec<u8>) {
    let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND);
    let nanoseconds = microseconds.rem_euclid(MICROSECONDS_PER_SECOND) as i32 * 1_000;
    match Timestamp::new(seconds, nanoseconds) {
        Ok(timestamp) => write_json(&timestamp.to_string(), out),
        Err(_) => write_json(&microseconds, out),
    }
}

fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("numbers and texts are JSON, and a vector takes all writes");
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
        Int64Array, ListArray, MapBuilder, StringArray, StringBuilder, StructArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;
    use serde_json::{Value, json};

    use super::*;

    /// The first row of these columns, and whether the second is all null.
    fn first(columns: Vec<(&str, ArrayRef)>) -> Value {
        let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let object = Object::new(&rows);
        let mut text = Vec::new();
        object.write(1, ("id", "x"), &mut text);
        let nulls: Value = serde_json::from_slice(&text).expect("the row is JSON");
        let nulls = nulls.as_object().expect("a row is an object");
        assert!(nulls.iter().all(|(name, value)| name == "id" || value.is_null()), "{nulls:?}");
        text.clear();
        object.write(0, ("id", "x"), &mut text);
        serde_json::from_slice(&text).expect("the row is JSON")
    }

    #[test]
    fn every_type_of_a_table_has_its_json_and_null_is_null() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        map.keys().append_value("k");
        map.values().append_value("v");
        map.append(true).and_then(|()| map.append(false)).expect("keys and values");
        let field = Arc::new(Field::new("inner", DataType::Boolean, true));
        let inner: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
        let record = StructArray::from(vec![(field, inner)]);
        let record = StructArray::new(
            record.fields().clone(),
            record.columns().to_vec(),
            Some(vec![true, false].into()),
        );
        let timestamps = TimestampMicrosecondArray::from(vec![Some(-1), None]).with_timezone("UTC");
        let decimals = Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(10, 2);
        let row = first(vec![
            ("boolean", Arc::new(BooleanArray::from(vec![Some(false), None]))),
            ("small", Arc::new(Int8Array::from(vec![Some(-8), None]))),
            ("large", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("single", Arc::new(Float32Array::from(vec![Some(0.1), None]))),
            ("double", Arc::new(Float64Array::from(vec![Some(1e300), None]))),
            ("infinite", Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None]))),
            ("decimal", Arc::new(decimals.expect("10 digits"))),
            ("text", Arc::new(StringArray::from(vec![Some("a\"\n\u{1F600}"), None]))),
            ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0, 255]), None]))),
            ("date", Arc::new(Date32Array::from(vec![Some(-1), None]))),
            ("time", Arc::new(timestamps)),
            ("list", Arc::new(list)),
            ("map", Arc::new(map.finish())),
            ("record", Arc::new(record)),
        ]);
        assert_eq!(
            row,
            json!({
                "boolean": false, "small": -8, "large": i64::MIN, "single": 0.1, "double": 1e300, "infinite": null,
                "decimal": -123.45, "text": "a\"\n\u{1F600}", "bytes": "00ff", "date": "1969-12-31",
                "time": "1969-12-31T23:59:59.999999Z", "list": [1, null], "map": [{"keys": "k", "values": "v"}],
                "record": {"inner": true}, "id": "x"
            })
        );
    }
}
