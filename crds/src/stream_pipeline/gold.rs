//! The windowed tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// One windowed table: aggregates of the silver rows of each window and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldTable {
    /// Name of the table below `gold/`, for example `transactions`.
    #[schemars(schema_with = "text::table_name")]
    pub name: String,
    /// The windows, aligned to the epoch in UTC.
    pub window: Window,
    /// Silver columns that a row of the table stands for, for example `[merchant, country]`. A null is a
    /// value of its own. Default: none, one row for each window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub group_by: Vec<String>,
    /// The measures, in order: SQL aggregates over silver columns, and expressions over earlier measures.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub measures: Vec<Measure>,
    /// When rows are published, and how late they may still change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit: Option<Emit>,
}

/// The windows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Length of a window, for example `10m`.
    #[schemars(schema_with = "text::duration")]
    pub size: String,
    /// Distance of the starts of two windows, for example `5m` for windows that overlap. It must divide
    /// `size`. Default: `size`, windows that do not overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub slide: Option<String>,
}

/// One measure of a gold table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// Name of the column.
    #[schemars(schema_with = "text::column_name")]
    pub name: String,
    /// A SQL aggregate over silver columns, for example `count(*) FILTER (WHERE is_fraud)`, or an expression
    /// over earlier measures, for example `100.0 * fraud_count / transaction_count`.
    #[schemars(schema_with = "text::expression")]
    pub expr: String,
}

/// When rows of a gold table are published, and how late they may still change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Emit {
    /// How often an open window is published. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub every: Option<String>,
    /// How far the watermark of a row's own partition may be beyond the end of a window for the row to count
    /// in it. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub allowed_lateness: Option<String>,
    /// How long the state of a final window is kept, so that a partition that was silent can still correct
    /// it; later corrections are computed again from silver. Default: `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub correct_for: Option<String>,
}
