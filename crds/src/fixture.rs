//! The example manifests, for tests.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
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
    let path = examples_directory().join(name).join("pipeline.yaml");
    let text = fs::read_to_string(&path).expect("an example has a pipeline.yaml");
    let mut documents = serde_yaml::Deserializer::from_str(&text);
    let document = documents.next().expect("the file has a document");
    Value::deserialize(document).expect("an example is YAML")
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
