//! The tables `bronze` (every message that decodes) and `silver` (clean rows).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// The table of all messages that decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bronze {
    /// Adds the column `value` with the message's original bytes. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_value: Option<bool>,
}

/// The table of clean, enriched rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Silver {
    /// Rules that a row must meet, evaluated in order: the first that is not TRUE (null included) sends the
    /// row to the table `quarantine`, under its reason. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub require: Vec<Requirement>,
    /// How copies of a row are recognised; a copy stays in bronze only. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<Deduplicate>,
    /// The full list of columns, in order. Expressions see the fields of the schema, `event_time`,
    /// `kafka_key`, `topic`, `partition`, `offset`, `kafka_timestamp`, `processing_time`, `processing_date`,
    /// and the columns before them. `topic`, `partition` and `offset` must be among them: they identify a
    /// row.
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-list-type" = "atomic"))]
    pub columns: Vec<Column>,
    /// Columns by whose values the table's files are laid out in folders, for example `[transaction_date]`.
    /// Choose few values. It cannot be changed once the table exists. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub partition_by: Vec<String>,
}

/// One rule that a silver row must meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The code that the quarantine table shows: one CamelCase word, for example `NonPositiveAmount`.
    #[schemars(schema_with = "text::reason")]
    pub reason: String,
    /// A boolean SQL expression over the fields of the schema and the built-in columns, for example
    /// `amount > 0` or `event_time IS NOT NULL`.
    #[schemars(schema_with = "text::expression")]
    pub expr: String,
}

/// How copies of a row are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deduplicate {
    /// Columns of silver, fields of the schema or built-in columns that together identify a row, for
    /// example `[transaction_id]`.
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub by: Vec<String>,
    /// How long an identity is remembered, in event time, for example `10m`. Each remembered row takes about
    /// 32 bytes of memory.
    #[schemars(schema_with = "text::duration")]
    pub within: String,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Name of the column.
    #[schemars(schema_with = "text::column_name")]
    pub name: String,
    /// SQL expression (DataFusion's dialect, names are case-sensitive as written), for example
    /// `CAST(date_part('hour', event_time) AS INT)`. Default: the column of that name is passed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::expression")]
    pub expr: Option<String>,
}
