//! Lists of column names: what exists, what is there twice.

use std::collections::BTreeMap;

use super::avro::Fields;
use crate::problem::Faults;

/// Columns that every bronze table has, besides the fields of the schema.
pub(super) const BRONZE: [&str; 7] =
    ["kafka_key", "topic", "partition", "offset", "kafka_timestamp", "processing_time", "processing_date"];
/// The parsed event time, which expressions see and bronze does not have.
pub(super) const EVENT_TIME: &str = "event_time";
/// The column that `bronze.keepValue` adds.
pub(super) const VALUE: &str = "value";

/// Whether expressions and `deduplicate.by` see a column of that name. Without a schema all may be there.
pub(super) fn is_input(name: &str, fields: Option<&Fields>) -> bool {
    BRONZE.contains(&name) || name == EVENT_TIME || fields.is_none_or(|fields| fields.shape(name).is_some())
}

/// Refuses names that differ in case only: most readers of Delta tables do not tell them apart.
pub(super) fn refuse_repeated<'a>(names: impl Iterator<Item = (String, &'a str)>, faults: &mut Faults) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (field, name) in names {
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
            let message = if first == name {
                format!("'{name}' is there twice")
            } else {
                format!("'{name}' and '{first}' differ in case only, which most readers do not see")
            };
            faults.add(field, message, "remove one or give it another name");
        }
    }
}

/// The known names, for the fix of a fault about an unknown one.
pub(super) fn input_names(fields: Option<&Fields>) -> String {
    let mut names: Vec<&str> = fields.map_or(&[][..], Fields::names).iter().map(String::as_str).collect();
    names.push(EVENT_TIME);
    names.extend(BRONZE);
    names.join(", ")
}
