//! [`admit`]: the checks that an API server makes, for documents that never meet one.
//!
//! The same definition is the source of both: types, required and unknown fields, limits and list keys by a
//! walk over the schema, then the CEL rules.

use std::collections::BTreeSet;
use std::fmt;

use kube::CustomResourceExt;
use kube::core::cel::validate_cel;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{StreamPipeline, definition};

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field: `spec.silver.columns[3].name`. Empty for the document as a whole.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.field, self.message)
        }
    }
}

/// Admits a document as a StreamPipeline, or says everything that is wrong with it.
pub fn admit(document: &Value) -> Result<StreamPipeline, Vec<Violation>> {
    admit_as(document)
}

/// Admits a document as a resource of one kind, or says everything that is wrong with it.
pub fn admit_as<K>(document: &Value) -> Result<K, Vec<Violation>>
where
    K: CustomResourceExt + DeserializeOwned + Serialize,
{
    let mut document = document.clone();
    drop_nulls(&mut document);
    let definition = definition::of::<K>();
    let mut violations = Vec::new();
    check_envelope(&definition.resource.spec.names.kind, &document, &mut violations);
    Walk { violations: &mut violations }.check(&definition.schema(), &document, "");
    if !violations.is_empty() {
        return Err(violations);
    }
    let resource: K = serde_json::from_value(document)
        .map_err(|error| vec![Violation { field: String::new(), message: error.to_string() }])?;
    match validate_cel(&resource) {
        Ok(()) => Ok(resource),
        Err(errors) => Err(errors
            .into_vec()
            .into_iter()
            .map(|error| Violation { field: error.field_path, message: error.message })
            .collect()),
    }
}

/// An API server drops a null where the schema does not allow it.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Fields of the document that the API server's own types describe, and no schema names.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What the schema leaves to the API server's own types.
fn check_envelope(kind: &str, document: &Value, violations: &mut Vec<Violation>) {
    let mut expect = |field: &str, expected: &str| {
        let found = document.get(field).and_then(Value::as_str).unwrap_or_default();
        if found != expected {
            violations.push(Violation {
                field: field.to_owned(),
                message: format!("must be '{expected}', not '{found}'"),
            });
        }
    };
    expect("apiVersion", &format!("{}/{}", crate::GROUP, crate::VERSION));
    expect("kind", kind);
    if document.pointer("/metadata/name").and_then(Value::as_str).is_none() {
        violations.push(Violation {
            field: "metadata.name".to_owned(),
            message: "is missing: give the resource a name".to_owned(),
        });
    }
}

struct Walk<'a> {
    violations: &'a mut Vec<Violation>,
}

impl Walk<'_> {
    fn refuse(&mut self, field: &str, message: String) {
        self.violations.push(Violation { field: field.to_owned(), message });
    }

    fn check(&mut self, schema: &Value, value: &Value, path: &str) {
        let flag = |keyword: &str| schema.get(keyword).and_then(Value::as_bool).unwrap_or(false);
        if flag("x-kubernetes-int-or-string") {
            if !value.is_i64() && !value.is_string() {
                self.refuse(path, format!("must be an integer or a text, not {}", describe(value)));
            }
            return;
        }
        let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        if !has_type(wanted, value) {
            self.refuse(path, format!("must be {}, not {}", article(wanted), describe(value)));
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            self.refuse(path, format!("must be one of {}, not {}", list(allowed), describe(value)));
        }
        match value {
            Value::Object(fields) => self.check_object(schema, fields, path),
            Value::Array(items) => self.check_array(schema, items, path),
            Value::String(text) => self.check_length(schema, text.chars().count(), path),
            Value::Number(number) => self.check_range(schema, number.as_f64().unwrap_or_default(), path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn check_object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        let no_properties = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&no_properties);
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for name in required.iter().filter_map(Value::as_str).filter(|name| !fields.contains_key(*name)) {
            self.refuse(&join(path, name), "is missing".to_owned());
        }
        let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let fields = fields.iter().filter(|(name, _)| !path.is_empty() || !ENVELOPE.contains(&name.as_str()));
        for (name, field) in fields {
            let field_path = join(path, name);
            match properties.get(name).or_else(|| schema.get("additionalProperties")) {
                Some(field_schema) if field_schema.is_object() => {
                    self.check(field_schema, field, &field_path);
                }
                _ if open => {}
                _ => {
                    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                    self.refuse(&field_path, format!("is not a field; there are {}", known.join(", ")));
                }
            }
        }
    }

    fn check_array(&mut self, schema: &Value, items: &[Value], path: &str) {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        if let Some(least) = limit("minItems").filter(|least| (items.len() as u64) < *least) {
            self.refuse(path, format!("must have at least {least} items, not {}", items.len()));
        }
        if let Some(most) = limit("maxItems").filter(|most| (items.len() as u64) > *most) {
            self.refuse(path, format!("must have at most {most} items, not {}", items.len()));
        }
        if let Some(item_schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.check(item_schema, item, &format!("{path}[{index}]"));
            }
        }
        let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let Some(keys) = keys else { return };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let identity: Vec<String> =
                keys.iter().filter_map(Value::as_str).map(|key| item[key].to_string()).collect();
            if !seen.insert(identity.clone()) {
                self.refuse(&format!("{path}[{index}]"), format!("{} is there twice", identity.join(", ")));
            }
        }
    }

    fn check_length(&mut self, schema: &Value, length: usize, path: &str) {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        if let Some(least) = limit("minLength").filter(|least| (length as u64) < *least) {
            self.refuse(path, format!("must have at least {least} characters, not {length}"));
        }
        if let Some(most) = limit("maxLength").filter(|most| (length as u64) > *most) {
            self.refuse(path, format!("must have at most {most} characters, not {length}"));
        }
    }

    fn check_range(&mut self, schema: &Value, number: f64, path: &str) {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            self.refuse(path, format!("must be at least {least}, not {number}"));
        }
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            self.refuse(path, format!("must be at most {most}, not {number}"));
        }
    }
}

fn has_type(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn article(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text (in quotes)",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("'{text}'"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(|value| value.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
