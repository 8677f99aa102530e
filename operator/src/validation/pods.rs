//! The part `spec.podTemplate`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;
use sluice_crds::pod_template::{PodTemplate, Resources, TaintEffect, TolerationOperator};

use super::syntax::{validate_annotations, validate_key, validate_label_value, validate_labels};
use crate::labels;
use crate::problem::Faults;
use crate::sharded_job::Pods;

pub(crate) fn validate_pods(template: Option<&PodTemplate>, faults: &mut Faults) -> Pods {
    let template = template.cloned().unwrap_or_default();
    let reserved = [labels::PREFIX, "app.kubernetes.io/"];
    refuse_reserved("spec.podTemplate.labels", &template.labels, &reserved, faults);
    refuse_reserved("spec.podTemplate.annotations", &template.annotations, &reserved[..1], faults);
    validate_labels("spec.podTemplate.labels", &template.labels, faults);
    validate_annotations("spec.podTemplate.annotations", &template.annotations, faults);
    validate_labels("spec.podTemplate.nodeSelector", &template.node_selector, faults);
    validate_tolerations(&template.tolerations, faults);
    let account_annotations = &template.service_account_annotations;
    validate_annotations("spec.podTemplate.serviceAccountAnnotations", account_annotations, faults);
    if template.service_account_name.is_some() && !template.service_account_annotations.is_empty() {
        faults.add(
            "spec.podTemplate.serviceAccountAnnotations",
            "the operator does not touch a ServiceAccount that exists already",
            "annotate that ServiceAccount yourself, or remove serviceAccountName",
        );
    }
    Pods {
        labels: template.labels,
        annotations: template.annotations,
        resources: match &template.resources {
            Some(resources) => validate_resources(resources, faults),
            None => default_resources(),
        },
        node_selector: template.node_selector,
        tolerations: template.tolerations.iter().map(toleration).collect(),
        affinity: template.affinity.and_then(|affinity| validate_affinity(affinity, faults)),
        image_pull_secrets: template
            .image_pull_secrets
            .into_iter()
            .map(|reference| LocalObjectReference { name: reference.name })
            .collect(),
        service_account: template.service_account_name,
        service_account_annotations: template.service_account_annotations,
        priority_class: template.priority_class_name,
    }
}

fn refuse_reserved(field: &str, entries: &BTreeMap<String, String>, prefixes: &[&str], faults: &mut Faults) {
    for key in entries.keys() {
        if let Some(prefix) = prefixes.iter().find(|prefix| key.starts_with(**prefix)) {
            faults.add(
                format!("{field}.{key}"),
                format!("keys below {prefix} belong to the operator"),
                "choose another key",
            );
        }
    }
}

fn default_resources() -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_owned());
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            ("cpu".to_owned(), quantity("250m")),
            ("memory".to_owned(), quantity("512Mi")),
        ])),
        limits: Some(BTreeMap::from([("memory".to_owned(), quantity("2Gi"))])),
        ..ResourceRequirements::default()
    }
}

fn validate_resources(resources: &Resources, faults: &mut Faults) -> ResourceRequirements {
    let mut quantities = |name: &str, entries: &BTreeMap<String, IntOrString>| {
        let mut read = BTreeMap::new();
        for (resource, amount) in entries {
            let text = match amount {
                IntOrString::Int(number) => number.to_string(),
                IntOrString::String(text) => text.clone(),
            };
            if !is_quantity(&text) {
                faults.add(
                    format!("spec.podTemplate.resources.{name}.{resource}"),
                    format!("'{text}' is not a quantity"),
                    "write a number with a unit of Kubernetes, such as 500m, 2 or 1Gi",
                );
            }
            read.insert(resource.clone(), Quantity(text));
        }
        (!read.is_empty()).then_some(read)
    };
    ResourceRequirements {
        requests: quantities("requests", &resources.requests),
        limits: quantities("limits", &resources.limits),
        ..ResourceRequirements::default()
    }
}

/// A positive decimal number and a suffix of Kubernetes.
fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 14] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let number = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = text.split_at(number);
    number.parse::<f64>().is_ok() && SUFFIXES.contains(&suffix)
}

fn toleration(toleration: &sluice_crds::pod_template::Toleration) -> Toleration {
    let effect = toleration.effect.map(|effect| match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    });
    let operator = toleration.operator.map(|operator| match operator {
        TolerationOperator::Equal => "Equal",
        TolerationOperator::Exists => "Exists",
    });
    Toleration {
        key: toleration.key.clone(),
        operator: operator.map(str::to_owned),
        value: toleration.value.clone(),
        effect: effect.map(str::to_owned),
        toleration_seconds: toleration.toleration_seconds,
    }
}

fn validate_tolerations(tolerations: &[sluice_crds::pod_template::Toleration], faults: &mut Faults) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let field = |name: &str| format!("spec.podTemplate.tolerations[{index}].{name}");
        if let Some(key) = toleration.key.as_deref().filter(|key| !key.is_empty()) {
            validate_key(&field("key"), key, faults);
        }
        if let Some(value) = &toleration.value {
            validate_label_value(&field("value"), value, faults);
        }
    }
}

fn validate_affinity(affinity: Value, faults: &mut Faults) -> Option<Affinity> {
    const FIELD: &str = "spec.podTemplate.affinity";
    const FIX: &str = "write it as in a pod's spec.affinity";
    let read: Affinity = match serde_json::from_value(affinity.clone()) {
        Ok(read) => read,
        Err(error) => {
            faults.add(FIELD, format!("not an affinity: {error}"), FIX);
            return None;
        }
    };
    // What Kubernetes does not know it would leave out without a word.
    let understood = serde_json::to_value(&read).unwrap_or_default();
    if let Some(unknown) = unknown_field(&affinity, &understood) {
        faults.add(format!("{FIELD}{unknown}"), "an affinity has no such field", FIX);
    }
    Some(read)
}

/// Path of the first field that is written and not understood: `.nodeAffinitty`.
fn unknown_field(written: &Value, understood: &Value) -> Option<String> {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => written.iter().find_map(|(name, value)| {
            if value.is_null() {
                return None;
            }
            let inner = understood.get(name).map_or(Some(String::new()), |known| unknown_field(value, known));
            inner.map(|inner| format!(".{name}{inner}"))
        }),
        (Value::Array(written), Value::Array(understood)) => {
            let mut pairs = written.iter().zip(understood).enumerate();
            pairs.find_map(|(index, (written, understood))| {
                unknown_field(written, understood).map(|inner| format!("[{index}]{inner}"))
            })
        }
        _ => None,
    }
}
