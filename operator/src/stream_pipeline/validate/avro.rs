//! The top level of an Avro schema: a record and the shapes of its fields.
//!
//! Only what the other fields of the resource refer to; `sluice-worker check` reads the schema in full.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    shapes: BTreeMap<String, Shape>,
    names: Vec<String>,
}

/// What a field holds, as far as the resource's own rules need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// A date or a timestamp.
    Time,
    /// A whole number or an enum: a scalar that has one text.
    Scalar,
    /// A value without one text: a boolean, a fraction, bytes, anything nested.
    Other,
}

impl Fields {
    /// What the field of that name holds.
    pub(super) fn shape(&self, name: &str) -> Option<Shape> {
        self.shapes.get(name).copied()
    }

    /// The names in the schema's order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

/// Reads the fields of a record, or says what is wrong with the text.
pub(super) fn record_fields(text: &str) -> Result<Fields, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    if schema.get("type").and_then(Value::as_str) != Some("record") {
        return Err("not an Avro record: its \"type\" must be \"record\"".to_owned());
    }
    if schema.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("the record has no \"name\"".to_owned());
    }
    let fields = schema.get("fields").and_then(Value::as_array).filter(|fields| !fields.is_empty());
    let fields = fields.ok_or("the record has no \"fields\"")?;
    let mut read = Fields::default();
    for (index, field) in fields.iter().enumerate() {
        let name = field.get("name").and_then(Value::as_str).filter(|name| is_avro_name(name));
        let name = name
            .ok_or_else(|| format!("fields[{index}] has no \"name\" of letters, digits and underscores"))?;
        let kind = field.get("type").ok_or_else(|| format!("field '{name}' has no \"type\""))?;
        if read.shapes.insert(name.to_owned(), shape(kind)).is_some() {
            return Err(format!("field '{name}' is there twice"));
        }
        read.names.push(name.to_owned());
    }
    Ok(read)
}

fn is_avro_name(name: &str) -> bool {
    let word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    name.bytes().all(word) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

fn shape(kind: &Value) -> Shape {
    match kind {
        Value::String(name) => primitive(name),
        // A union of null and one other type is that type, nullable.
        Value::Array(branches) => {
            match branches.iter().filter(|branch| *branch != "null").collect::<Vec<_>>()[..] {
                [only] => shape(only),
                _ => Shape::Other,
            }
        }
        Value::Object(keywords) => {
            let logical = keywords.get("logicalType").and_then(Value::as_str).unwrap_or_default();
            if logical == "date" || logical.contains("timestamp-") {
                return Shape::Time;
            }
            if logical == "decimal" {
                return Shape::Other;
            }
            match keywords.get("type") {
                Some(Value::String(name)) if name == "enum" => Shape::Scalar,
                Some(inner) => shape(inner),
                None => Shape::Other,
            }
        }
        _ => Shape::Other,
    }
}

fn primitive(name: &str) -> Shape {
    match name {
        "string" => Shape::Text,
        "int" | "long" => Shape::Scalar,
        _ => Shape::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, record_fields};

    #[test]
    fn the_shapes_of_a_record_are_read_through_unions_and_logical_types() {
        let fields = record_fields(
            r#"{"type":"record","name":"R","fields":[
                {"name":"a","type":"string"},
                {"name":"b","type":["null","long"],"default":null},
                {"name":"c","type":{"type":"long","logicalType":"timestamp-millis"}},
                {"name":"d","type":["null",{"type":"int","logicalType":"date"}]},
                {"name":"e","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
                {"name":"f","type":{"type":"enum","name":"E","symbols":["X"]}},
                {"name":"g","type":{"type":"array","items":"string"}},
                {"name":"h","type":"double"},
                {"name":"i","type":{"type":"string","logicalType":"uuid"}}]}"#,
        )
        .unwrap();
        let shapes: Vec<Shape> = fields.names().iter().map(|name| fields.shape(name).unwrap()).collect();
        use Shape::{Other, Scalar, Text, Time};
        assert_eq!(shapes, [Text, Scalar, Time, Time, Other, Scalar, Other, Other, Text]);
        assert_eq!(fields.shape("z"), None);
    }

    #[test]
    fn a_text_that_is_no_record_is_refused_with_what_is_wrong() {
        for (text, expected) in [
            ("{", "not JSON"),
            ("\"string\"", "not an Avro record"),
            (r#"{"type":"record","fields":[{"name":"a","type":"int"}]}"#, "no \"name\""),
            (r#"{"type":"record","name":"R"}"#, "no \"fields\""),
            (r#"{"type":"record","name":"R","fields":[]}"#, "no \"fields\""),
            (r#"{"type":"record","name":"R","fields":[{"name":"1a","type":"int"}]}"#, "fields[0]"),
            (r#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#, "field 'a' has no \"type\""),
            (
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
                "field 'a' is there twice",
            ),
        ] {
            let message = record_fields(text).expect_err(text);
            assert!(message.contains(expected), "{message}");
        }
    }
}
