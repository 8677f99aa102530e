//! Where scores and alerts go, and what a model adds to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::text;

/// The Delta table of scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreTable {
    /// Name of the table below `fraud/` in the pipeline's lake, for example `transactions`. It cannot be
    /// changed.
    #[schemars(schema_with = "text::table_name")]
    pub name: String,
    /// Silver columns that the table takes over, in order. The scores follow: `fraud_score`,
    /// `fraud_score_unlabelled`, `risk_level`, `risk_level_unlabelled`, `requires_review`,
    /// `is_high_velocity`, a count for each velocity rule, `reasons`, `rule_set`, `model_probability`,
    /// `model_version`, `model_variant`, `processing_time`, `topic`, `partition`, `offset`; last the columns
    /// of `partitionBy` that are not among them.
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub columns: Vec<String>,
    /// Columns by whose values the table's files are laid out in folders, for example
    /// `[transaction_date, risk_level]`. It cannot be changed once the table exists. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub partition_by: Vec<String>,
}

/// The column that holds the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    /// A boolean silver column, for example `is_fraud`. If a rule reads it, the condition
    /// `LabelUsedInScoring` says what follows from that.
    #[schemars(schema_with = "text::column_name")]
    pub column: String,
}

/// The topic of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alerts {
    /// Name of a topic in the pipeline's Kafka cluster, for example `fraud.alerts`. An alert is one JSON
    /// object with the columns of the table and `alert_id`; its key is the pipeline's key column. The topic
    /// must be there.
    #[schemars(schema_with = "text::topic")]
    pub topic: String,
    /// The lowest level that raises an alert: the name of one of `levels`, for example `HIGH`.
    #[schemars(schema_with = "text::level_name")]
    pub alert_at: String,
}

/// The model that adds a probability to each row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoringModel {
    /// The ModelDeployment in this namespace whose versions score, by its weights. As long as it has no
    /// version yet, rules score alone (condition `ModelAvailable`).
    pub model_deployment_ref: LocalReference,
    /// The probability from which on a row raises an alert whatever its level is, in quotes, for example
    /// `"0.9"`. Default: the level alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::ratio")]
    pub alert_above: Option<String>,
}
