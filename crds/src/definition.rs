//! The CustomResourceDefinitions as they are installed, made from the Rust types.
//!
//! What the derive cannot say is added here: the default of `status`, by which a resource that the operator
//! has not seen yet does not pass for finished. What an API server would not take is removed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{FraudScorer, ModelDeployment, StreamPipeline};

/// One kind's definition and the file that it is written to, beside this crate's manifest.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Name of the file: `<group>_<plural>.yaml`.
    pub file_name: String,
    /// The definition.
    pub resource: CustomResourceDefinition,
}

impl Definition {
    /// The text of the file.
    pub fn yaml(&self) -> String {
        let body = serde_yaml::to_string(&self.resource).expect("a definition has string keys only");
        format!("# Generated from crds/src by `cargo run -p sluice-crds --bin crdgen`: do not edit.\n{body}")
    }

    /// The schema of the resource's current version, as JSON.
    pub fn schema(&self) -> Value {
        let version = self.resource.spec.versions.first().expect("a definition has a version");
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        serde_json::to_value(schema.expect("a derived definition has a schema"))
            .expect("a schema has string keys only")
    }
}

/// The definitions of all kinds.
pub fn definitions() -> Vec<Definition> {
    vec![stream_pipeline(), of::<FraudScorer>(), of::<ModelDeployment>()]
}

/// The definition of `StreamPipeline`.
pub fn stream_pipeline() -> Definition {
    of::<StreamPipeline>()
}

/// The definition of one kind.
pub fn of<K: CustomResourceExt>() -> Definition {
    finish(K::crd())
}

fn finish(mut resource: CustomResourceDefinition) -> Definition {
    for version in &mut resource.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let schema = schema.expect("a derived definition has a schema");
        let mut document = serde_json::to_value(&*schema).expect("a schema has string keys only");
        make_plain(&mut document);
        if let Some(status) = document.pointer_mut("/properties/status") {
            status["default"] = json!({"observedGeneration": -1});
        }
        *schema = serde_json::from_value(document).expect("only known keywords were touched");
    }
    Definition { file_name: format!("{}_{}.yaml", resource.spec.group, resource.spec.names.plural), resource }
}

/// Removes `nullable`: a null is then dropped by the API server, and `has()` in a rule means what it says.
/// Unwraps descriptions, which the terminal of `kubectl explain` wraps again.
fn make_plain(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.remove("nullable");
            if let Some(Value::String(description)) = keywords.get_mut("description") {
                *description = description.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
            }
            keywords.values_mut().for_each(make_plain);
        }
        Value::Array(values) => values.iter_mut().for_each(make_plain),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
