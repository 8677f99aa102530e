//! What earns a row points, and what the sum is called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// A rule that adds points to the score of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoringRule {
    /// Name of the rule, as the column `reasons` lists it, for example `high_amount`.
    #[schemars(schema_with = "text::rule_name")]
    pub name: String,
    /// A boolean SQL expression over the silver columns, for example `amount > 5000` or
    /// `country IN ('Nigeria', 'Russia')`. Where it is null the rule does not fire.
    #[schemars(schema_with = "text::expression")]
    pub when: String,
    /// Points that are added where it is true.
    #[schemars(range(min = 1, max = 10_000))]
    pub points: i32,
}

/// A rule that adds points when a key comes too often in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Velocity {
    /// Name of the rule, for example `velocity`. The table's column `<name>_count` holds the count.
    #[schemars(schema_with = "text::rule_name")]
    pub name: String,
    /// The silver column that is counted by, for example `user_id`. It must be the pipeline's
    /// `source.kafka.keyColumn`: only then are all rows of a key in one partition.
    #[schemars(schema_with = "text::column_name")]
    pub key: String,
    /// How far back rows of the key are counted, in event time, both ends included, for example `30m`.
    #[schemars(schema_with = "text::duration")]
    pub window: String,
    /// How far behind the watermark rows are remembered; older ones are forgotten. At least `window`.
    /// Default: twice the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub keep: Option<String>,
    /// The rule fires where the count, the row itself included, is more than this: with 5, at the sixth.
    #[schemars(range(min = 1, max = 100_000))]
    pub more_than: i32,
    /// Points that are added where it fires.
    #[schemars(range(min = 1, max = 10_000))]
    pub points: i32,
}

/// The name of a range of the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// Name of the level, for example `CRITICAL`.
    #[schemars(schema_with = "text::level_name")]
    pub name: String,
    /// The least score of the level. One level must have 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_score: i32,
}
