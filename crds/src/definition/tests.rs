//! The definitions as an API server would judge them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Definition, definitions, of};
use crate::{FraudScorer, ModelDeployment, StreamPipeline};

/// Every schema of a document, with its path.
fn schemas(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    found.push((path.to_owned(), schema.clone()));
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            schemas(&format!("{path}.{name}"), property, found);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword) {
            schemas(&format!("{path}[]"), inner, found);
        }
    }
}

fn schemas_of(definition: &Definition) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    schemas("", &definition.schema(), &mut found);
    assert!(found.len() > 100, "the walk found {} schemas", found.len());
    found
}

/// The schemas of all kinds.
fn all_schemas() -> Vec<(String, Value)> {
    let definitions = definitions();
    assert_eq!(definitions.len(), 3);
    definitions.iter().flat_map(schemas_of).collect()
}

/// The spec is the user's; `status` holds the API's own types, too.
fn spec_schemas() -> impl Iterator<Item = (String, Value)> {
    all_schemas().into_iter().filter(|(path, _)| path.starts_with(".spec"))
}

#[test]
fn the_written_files_are_current() {
    for definition in definitions() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&definition.file_name);
        let current = fs::read_to_string(&path).unwrap_or_default();
        assert!(current == definition.yaml(), "{} is stale: run crdgen", path.display());
    }
}

#[test]
fn a_definition_fits_into_a_client_side_apply() {
    for definition in definitions() {
        let size = definition.yaml().len();
        assert!(size < 200_000, "{} has {size} bytes", definition.file_name);
    }
}

#[test]
fn a_resource_that_was_not_seen_yet_does_not_pass_for_finished() {
    for definition in definitions() {
        let schema = definition.schema();
        assert_eq!(schema["properties"]["status"]["default"]["observedGeneration"], -1);
    }
}

#[test]
fn every_schema_is_structural() {
    for (path, schema) in all_schemas() {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema"));
        for forbidden in ["oneOf", "anyOf", "allOf", "not", "$ref", "const", "nullable", "definitions"] {
            assert!(!keywords.contains_key(forbidden), "{path} has {forbidden}");
        }
        let is_typed = keywords.contains_key("type") || keywords.contains_key("x-kubernetes-int-or-string");
        assert!(is_typed, "{path} has no type");
        assert!(
            !(keywords.contains_key("properties") && keywords.contains_key("additionalProperties")),
            "{path} has both properties and additionalProperties"
        );
    }
}

#[test]
fn numbers_are_whole_and_in_formats_that_an_api_server_knows() {
    for (path, schema) in all_schemas() {
        assert_ne!(schema["type"], "number", "{path} is a float");
        if let Some(format) = schema["format"].as_str() {
            assert!(["int32", "int64", "date-time"].contains(&format), "{path} has format {format}");
        }
    }
}

#[test]
fn lists_and_texts_of_the_spec_are_bounded() {
    for (path, schema) in spec_schemas() {
        match schema["type"].as_str() {
            Some("array") => {
                assert!(schema["maxItems"].is_u64(), "{path} has no maxItems");
                assert!(schema["x-kubernetes-list-type"].is_string(), "{path} has no list type");
            }
            // Kubernetes itself bounds the values of labels, annotations and node selectors.
            Some("string") if !path.ends_with("[]") || schema.get("maxLength").is_some() => {
                let is_bounded = schema["maxLength"].is_u64() || schema["enum"].is_array();
                assert!(is_bounded, "{path} has no maxLength");
            }
            _ => {}
        }
    }
}

#[test]
fn no_rule_has_a_reason_under_which_an_api_server_hides_the_message() {
    for (path, schema) in all_schemas() {
        let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        for rule in rules {
            assert_ne!(rule["reason"], "FieldValueDuplicate", "{path}: only the value would be printed");
        }
    }
}

#[test]
fn every_field_is_explained() {
    for (path, schema) in all_schemas() {
        if path.is_empty() || path.ends_with("[]") {
            continue;
        }
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.len() > 10, "{path} is not explained");
        assert!(!description.contains('\n'), "{path} has line breaks");
    }
}

#[test]
fn list_items_have_no_defaults_that_a_git_diff_would_show() {
    for (path, schema) in spec_schemas() {
        assert!(schema.get("default").is_none(), "{path} has a default");
    }
}

/// The columns that `kubectl get` shows: always, and with `-o wide`.
fn columns(definition: &Definition) -> [Vec<&str>; 2] {
    let columns = definition.resource.spec.versions[0].additional_printer_columns.as_ref().unwrap();
    let named = |wide: bool| -> Vec<&str> {
        let chosen = columns.iter().filter(|column| (column.priority.unwrap_or(0) > 0) == wide);
        chosen.map(|column| column.name.as_str()).collect()
    };
    [named(false), named(true)]
}

#[test]
fn the_columns_of_kubectl_get_are_those_of_the_documentation() {
    let expected: [[&[&str]; 2]; 3] = [
        [
            &["Ready", "Reason", "Replicas", "Lag", "Freshness", "Layers", "Age"],
            &["LastCommit", "Sync", "Message"],
        ],
        [
            &["Ready", "Reason", "Replicas", "Model", "P99", "Lag", "Age"],
            &["AlertRate", "Rules", "Shadow", "Message"],
        ],
        [
            &["Ready", "Phase", "Stable", "Canary", "Weight", "Step", "Verdict", "Age"],
            &["Reason", "Samples", "Next", "Trained", "Variants", "Suspended", "Message"],
        ],
    ];
    let kinds = [of::<StreamPipeline>(), of::<FraudScorer>(), of::<ModelDeployment>()];
    for (definition, expected) in kinds.iter().zip(expected) {
        assert_eq!(columns(definition), expected, "{}", definition.file_name);
    }
}

#[test]
fn kinds_have_short_names_of_their_own_and_one_category() {
    let definitions = definitions();
    let names = definitions.iter().map(|definition| &definition.resource.spec.names);
    let short: Vec<&str> =
        names.clone().flat_map(|names| names.short_names.iter().flatten()).map(String::as_str).collect();
    assert_eq!(short, ["stpl", "fscr", "mdpl"]);
    for names in names {
        assert_eq!(names.categories.as_deref(), Some(&["sluice".to_owned()][..]));
    }
}

#[test]
fn columns_selectors_and_the_scale_subresource_read_fields_that_exist() {
    for definition in definitions() {
        let paths: Vec<String> = schemas_of(&definition).into_iter().map(|(path, _)| path).collect();
        let version = &definition.resource.spec.versions[0];
        let columns = version.additional_printer_columns.as_ref().unwrap();
        let mut read: Vec<&str> = columns.iter().map(|column| column.json_path.as_str()).collect();
        let scale =
            version.subresources.as_ref().and_then(|subresources| subresources.scale.as_ref()).unwrap();
        read.extend([scale.spec_replicas_path.as_str(), scale.status_replicas_path.as_str()]);
        read.extend(scale.label_selector_path.as_deref());
        read.extend(version.selectable_fields.iter().flatten().map(|field| field.json_path.as_str()));
        for path in read.into_iter().filter(|path| !path.starts_with(".metadata")) {
            let field = path.replace("[?(@.type==\"Ready\")]", "[]");
            assert!(paths.contains(&field), "{path} is not in the schema of {}", definition.file_name);
        }
    }
}
