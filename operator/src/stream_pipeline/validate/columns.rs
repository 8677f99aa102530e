//! The columns that Sluice adds, and those that expressions see.

use super::avro::Fields;

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

/// The known names, for the fix of a fault about an unknown one.
pub(super) fn input_names(fields: Option<&Fields>) -> String {
    let mut names: Vec<&str> = fields.map_or(&[][..], Fields::names).iter().map(String::as_str).collect();
    names.push(EVENT_TIME);
    names.extend(BRONZE);
    names.join(", ")
}
