//! The example manifests, for tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kube::CustomResourceExt;
use kube::core::cel::{ValidationErrors, validate_cel, validate_cel_update};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The folder with an example in each of its folders.
fn examples_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples")
}

/// Names of all examples.
pub(crate) fn example_names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(examples_directory())
        .expect("the examples are there")
        .map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The StreamPipeline of an example, as JSON.
pub(crate) fn example(name: &str) -> Value {
    example_file(&format!("{name}/pipeline.yaml"))
}

/// The first document of a file below the folder of examples, as JSON.
pub(crate) fn example_file(path: &str) -> Value {
    let text = fs::read_to_string(examples_directory().join(path)).expect("the example is there");
    let mut documents = serde_yaml::Deserializer::from_str(&text);
    let document = documents.next().expect("the file has a document");
    Value::deserialize(document).expect("an example is YAML")
}

/// What a resource needs for its CEL rules to run.
pub(crate) trait Resource: CustomResourceExt + DeserializeOwned + Serialize {}

impl<K: CustomResourceExt + DeserializeOwned + Serialize> Resource for K {}

/// Messages of the rules that refuse a document.
pub(crate) fn refusals<K: Resource>(document: Value) -> Vec<String> {
    let resource: K = serde_json::from_value(document).expect("the change keeps the types");
    messages(validate_cel(&resource))
}

/// Messages of the rules that refuse a change of a resource.
pub(crate) fn change_refusals<K: Resource>(old: &Value, pointer: &str, value: Value) -> Vec<String> {
    let parse = |document: Value| -> K { serde_json::from_value(document).expect("it parses") };
    messages(validate_cel_update(&parse(changed(old, pointer, value)), &parse(old.clone())))
}

fn messages(outcome: Result<(), ValidationErrors>) -> Vec<String> {
    let errors = outcome.err().map(ValidationErrors::into_vec);
    errors.unwrap_or_default().into_iter().map(|error| error.message).collect()
}

/// Messages of all rules below a schema.
pub(crate) fn rule_messages(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_rule_messages(schema, &mut found);
    found
}

fn collect_rule_messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            let rules = keywords.get("x-kubernetes-validations").and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                let message = rule["message"].as_str();
                found.insert(message.unwrap_or_else(|| panic!("{rule} has no message")).to_owned());
            }
            keywords.values().for_each(|value| collect_rule_messages(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_rule_messages(value, found)),
        _ => {}
    }
}

/// The document with the value at a JSON pointer set; `Null` removes it.
pub(crate) fn changed(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer starts with a slash");
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is in the example")) {
        Value::Object(fields) if value.is_null() => {
            fields.remove(name);
        }
        Value::Object(fields) => {
            fields.insert(name.to_owned(), value);
        }
        Value::Array(items) => items[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("{parent} has no parts"),
    }
    document
}
