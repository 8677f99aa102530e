//! The canonical text of an Avro schema: equal texts mean the same schema, whatever the spelling.
//!
//! This is not Avro's Parsing Canonical Form, which drops defaults, logical types and documentation: two
//! versions that differ in a default are two schemas for a registry. Only the spelling is levelled:
//!
//! | as sent | canonical |
//! |---|---|
//! | `{"type": "string"}` | `"string"` |
//! | `"name": "A", "namespace": "x"`, or an inherited namespace | `"name": "x.A"` |
//! | a reference `"A"` inside namespace `x` | `"x.A"` |
//! | `"order": "ascending"`, empty `aliases` | absent |
//! | any order of keys, any white space | keys sorted, no white space |

use std::borrow::Cow;

use serde_json::{Map, Value};

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The canonical text of a schema that is known to be valid.
pub(crate) fn canonical_text(schema: &Value) -> String {
    let mut text = String::new();
    write_sorted(&canonical_schema(schema, ""), &mut text);
    text
}

fn canonical_schema(schema: &Value, namespace: &str) -> Value {
    match schema {
        Value::String(name) => Value::String(qualified(name, namespace).into_owned()),
        Value::Array(branches) => {
            Value::Array(branches.iter().map(|branch| canonical_schema(branch, namespace)).collect())
        }
        Value::Object(attributes) => canonical_object(attributes, namespace),
        other => other.clone(),
    }
}

fn canonical_object(attributes: &Map<String, Value>, namespace: &str) -> Value {
    let kind = attributes.get("type");
    let is_definition = matches!(kind.and_then(Value::as_str), Some("record" | "error" | "enum" | "fixed"));
    let full_name = is_definition.then(|| definition_name(attributes, namespace)).flatten();
    let inner_namespace = match &full_name {
        Some(name) => name.rsplit_once('.').map_or("", |(namespace, _)| namespace),
        None => namespace,
    };
    let mut canonical = Map::new();
    for (key, value) in attributes {
        let value = match (key.as_str(), value) {
            ("name", _) if full_name.is_some() => {
                full_name.as_ref().map_or(Value::Null, |name| Value::String(name.clone()))
            }
            ("namespace", _) if is_definition => continue,
            ("aliases", Value::Array(aliases)) if aliases.is_empty() => continue,
            ("type", Value::String(_)) if is_definition => value.clone(),
            ("type" | "items" | "values", _) => canonical_schema(value, inner_namespace),
            ("fields", Value::Array(fields)) if is_definition => {
                Value::Array(fields.iter().map(|field| canonical_field(field, inner_namespace)).collect())
            }
            _ => value.clone(),
        };
        canonical.insert(key.clone(), value);
    }
    // `{"type": X}` and nothing else says no more than `X`.
    if canonical.len() == 1
        && let Some(kind) = canonical.remove("type")
    {
        return kind;
    }
    Value::Object(canonical)
}

fn canonical_field(field: &Value, namespace: &str) -> Value {
    let Value::Object(attributes) = field else { return field.clone() };
    let mut canonical = Map::new();
    for (key, value) in attributes {
        let value = match (key.as_str(), value) {
            ("type", _) => canonical_schema(value, namespace),
            ("order", Value::String(order)) if order == "ascending" => continue,
            ("aliases", Value::Array(aliases)) if aliases.is_empty() => continue,
            _ => value.clone(),
        };
        canonical.insert(key.clone(), value);
    }
    Value::Object(canonical)
}

/// The full name that a record, enum or fixed defines.
fn definition_name(attributes: &Map<String, Value>, namespace: &str) -> Option<String> {
    let name = attributes.get("name")?.as_str()?;
    let namespace = attributes.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    Some(qualified(name, namespace).into_owned())
}

fn qualified<'a>(name: &'a str, namespace: &str) -> Cow<'a, str> {
    let is_complete = name.contains('.') || namespace.is_empty() || PRIMITIVES.contains(&name);
    // `array` and `map` are no names; they appear where a `type` attribute is walked.
    if is_complete || name == "array" || name == "map" {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{namespace}.{name}"))
    }
}

/// JSON without white space and with sorted keys, however `serde_json`'s maps are ordered.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(attributes) => {
            let mut entries: Vec<_> = attributes.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (position, (key, value)) in entries.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write_sorted(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_sorted(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical_text;

    fn canonical(text: &str) -> String {
        canonical_text(&serde_json::from_str(text).expect("valid JSON"))
    }

    #[test]
    fn white_space_and_key_order_do_not_matter() {
        let one = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}"#;
        let two = r#"{ "name": "A", "fields": [ {"type": "int", "name": "a"} ], "type": "record" }"#;
        assert_eq!(canonical(one), canonical(two));
    }

    #[test]
    fn namespaces_are_joined_with_names_and_references() {
        let split =
            r#"{"type":"record","name":"A","namespace":"x","fields":[{"name":"next","type":["null","A"]}]}"#;
        let joined = r#"{"type":"record","name":"x.A","fields":[{"name":"next","type":["null","x.A"]}]}"#;
        assert_eq!(canonical(split), canonical(joined));
    }

    #[test]
    fn wrapped_primitives_are_unwrapped_unless_they_carry_more() {
        assert_eq!(canonical(r#"{"type":"string"}"#), r#""string""#);
        assert_ne!(canonical(r#"{"type":"long","logicalType":"timestamp-micros"}"#), r#""long""#);
    }

    #[test]
    fn a_default_makes_another_schema() {
        let without = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}"#;
        let with = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"int","default":1}]}"#;
        assert_ne!(canonical(without), canonical(with));
    }

    #[test]
    fn a_field_that_is_called_type_or_fields_is_left_alone() {
        let schema = r#"{"type":"record","name":"A","namespace":"x","fields":[
            {"name":"type","type":"string","default":"int"},{"name":"fields","type":{"type":"array","items":"int"}}]}"#;
        assert_eq!(
            canonical(schema),
            r#"{"fields":[{"default":"int","name":"type","type":"string"},{"name":"fields","type":{"items":"int","type":"array"}}],"name":"x.A","type":"record"}"#
        );
    }
}
