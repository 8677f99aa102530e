//! The table that `kubectl get` prints, from the printer columns of the definition. Pure.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::progress::format::table;

/// The lines of a table with a row for each resource. Columns of a priority above 0 are for wide tables.
pub(crate) fn render(
    definition: &CustomResourceDefinition,
    resources: &[Value],
    wide: bool,
    now: Timestamp,
) -> Vec<String> {
    let columns =
        definition.spec.versions.first().and_then(|version| version.additional_printer_columns.as_ref());
    let columns: Vec<&CustomResourceColumnDefinition> =
        columns.into_iter().flatten().filter(|column| wide || column.priority.unwrap_or(0) == 0).collect();
    let mut header = vec!["NAMESPACE".to_owned(), "NAME".to_owned()];
    header.extend(columns.iter().map(|column| column.name.to_uppercase()));
    let mut rows = vec![header];
    for resource in resources {
        let field = |pointer: &str| text(resource.pointer(pointer));
        let mut row = vec![field("/metadata/namespace"), field("/metadata/name")];
        row.extend(columns.iter().map(|column| cell(column, resource, now)));
        rows.push(row);
    }
    table(&rows, &[])
}

fn cell(column: &CustomResourceColumnDefinition, resource: &Value, now: Timestamp) -> String {
    let found = find(resource, &column.json_path);
    match (column.type_.as_str(), found.and_then(Value::as_str)) {
        ("date", Some(time)) => time.parse().map_or_else(|_| "<invalid>".to_owned(), |time| age(now, time)),
        _ => text(found),
    }
}

/// The value at a path of names and of filters `[?(@.name=="value")]`: what printer columns use of JSONPath.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = value;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let (condition, after) = filter.split_once(")]")?;
            let (name, wanted) = condition.split_once("==")?;
            let wanted = wanted.trim_matches('"');
            value = value
                .as_array()?
                .iter()
                .find(|item| item.get(name).and_then(Value::as_str) == Some(wanted))?;
            rest = after;
        } else {
            let path = rest.strip_prefix('.')?;
            let end = path.find(['.', '[']).unwrap_or(path.len());
            value = value.get(&path[..end])?;
            rest = &path[end..];
        }
    }
    Some(value)
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The time since then, as kubectl writes it.
fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = Duration::try_from(now.duration_since(then)).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{}m{}s", seconds / 60, seconds % 60),
        120..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::{age, find, render};

    #[test]
    fn paths_with_filters_are_followed() {
        let value = json!({"status": {"conditions": [{"type": "A", "status": "x"}, {"type": "Ready", "status": "y"}]}});
        assert_eq!(find(&value, ".status.conditions[?(@.type==\"Ready\")].status"), Some(&json!("y")));
        assert_eq!(find(&value, ".status.conditions[?(@.type==\"B\")].status"), None);
        assert_eq!(find(&value, ".status.lag"), None);
    }

    #[test]
    fn ages_are_written_as_kubectl_does() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, text) in
            [(5, "5s"), (119, "119s"), (150, "2m30s"), (3_000, "50m"), (36_000, "10h"), (259_200, "3d")]
        {
            assert_eq!(age(now, now - SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_columns_are_those_of_the_definition() {
        let definition = sluice_crds::definition::stream_pipeline().resource;
        let resource = json!({
            "metadata": {"namespace": "default", "name": "shop", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "reason": "Running", "message": "m"}],
                "replicaSummary": "2/2", "lag": 12, "freshness": "2.1s", "layers": "b✓ s✓ g-"
            }
        });
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60);
        let lines = render(&definition, std::slice::from_ref(&resource), false, now);
        assert_eq!(
            lines,
            [
                "NAMESPACE  NAME  READY  REASON   REPLICAS  LAG  FRESHNESS  LAYERS    AGE",
                "default    shop  True   Running  2/2       12   2.1s       b✓ s✓ g-  60s",
            ]
        );
        assert!(render(&definition, &[resource], true, now)[0].ends_with("LASTCOMMIT  SYNC  MESSAGE"));
    }
}
