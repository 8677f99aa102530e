//! The syntax of labels and annotations, which Kubernetes checks only when a pod is made: too late to name the
//! field. Source: Kubernetes' documentation, "Labels and Selectors" and "Annotations", syntax and character set.

use std::collections::BTreeMap;

use crate::problem::Faults;

const LONGEST_NAME: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Refuses keys that no annotation may have.
pub(super) fn validate_annotations(field: &str, entries: &BTreeMap<String, String>, faults: &mut Faults) {
    for key in entries.keys() {
        validate_key(&format!("{field}.{key}"), key, faults);
    }
}

/// Refuses keys and values that no label may have.
pub(super) fn validate_labels(field: &str, entries: &BTreeMap<String, String>, faults: &mut Faults) {
    validate_annotations(field, entries, faults);
    for (key, value) in entries {
        validate_label_value(&format!("{field}.{key}"), value, faults);
    }
}

/// Refuses what is no key of a label, an annotation or a taint.
pub(super) fn validate_key(field: &str, key: &str, faults: &mut Faults) {
    let is_key = match key.split_once('/') {
        Some((prefix, name)) => is_prefix(prefix) && is_name(name),
        None => is_name(key),
    };
    if !is_key {
        faults.add(
            field,
            format!("'{key}' is not a key"),
            "write up to 63 letters, digits, '-', '_' and '.', perhaps after a DNS name and a '/'",
        );
    }
}

/// Refuses what is no value of a label or a taint.
pub(super) fn validate_label_value(field: &str, value: &str, faults: &mut Faults) {
    if !value.is_empty() && !is_name(value) {
        faults.add(
            field,
            format!("'{value}' is not a value of a label"),
            "write up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
        );
    }
}

fn is_name(text: &str) -> bool {
    let is_alphanumeric = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
    text.len() <= LONGEST_NAME
        && is_alphanumeric(text.chars().next())
        && is_alphanumeric(text.chars().next_back())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}

fn is_prefix(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.starts_with('-')
            && !part.ends_with('-')
            && !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= LONGEST_PREFIX && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(check: impl FnOnce(&mut Faults)) -> usize {
        let mut faults = Faults::default();
        check(&mut faults);
        faults.into_found().len()
    }

    #[test]
    fn a_key_is_a_name_perhaps_below_a_dns_name() {
        for key in ["team", "example.com/team", "a", "A_b.c-1", "kubernetes.io/os"] {
            assert_eq!(faults(|faults| validate_key("f", key, faults)), 0, "{key}");
        }
        let long = "x".repeat(64);
        for key in ["", "a b", "-a", "a-", "a/b/c", "/a", "a/", "Example.com/a", "a..b/c", &long] {
            assert_eq!(faults(|faults| validate_key("f", key, faults)), 1, "{key}");
        }
    }

    #[test]
    fn a_value_of_a_label_may_be_empty_and_one_of_an_annotation_is_any_text() {
        let entries = |value: &str| BTreeMap::from([("team".to_owned(), value.to_owned())]);
        for (value, found) in [("", 0), ("blue", 0), ("two words", 1), ("end-", 1)] {
            assert_eq!(faults(|faults| validate_labels("f", &entries(value), faults)), found, "{value}");
            assert_eq!(faults(|faults| validate_annotations("f", &entries(value), faults)), 0, "{value}");
        }
    }
}
