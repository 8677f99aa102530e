//! What goes on beside the stream: scaling, maintenance of the tables, and the warehouse.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::text;

/// A number of shards that follows the lag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.min <= self.max").message("min must not be above max").field_path(".min")
)]
pub struct Autoscaling {
    /// The least number of shards.
    #[schemars(range(min = 1, max = 128))]
    pub min: i32,
    /// The largest number of shards. More than the topic has partitions are never started.
    #[schemars(range(min = 1, max = 128))]
    pub max: i32,
    /// The time in which a backlog shall be worked off; it decides how many shards there are. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub drain_within: Option<String>,
}

/// Upkeep of the tables, by a CronJob: compaction, checkpoints, removal of what no table needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// When it runs, as five cron fields in UTC. Default: `17 * * * *`, once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::cron_schedule")]
    pub schedule: Option<String>,
    /// How long old versions of bronze, silver and quarantine can be read. Default: `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub retention: Option<String>,
}

/// Tables copied to a relational warehouse, by a CronJob: an exactly-once sync to PostgreSQL, then dbt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warehouse {
    /// The database that the tables are copied to.
    pub postgres: Postgres,
    /// When it runs, as five cron fields in `timeZone`. Default: `0 */6 * * *`, every six hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::cron_schedule")]
    pub schedule: Option<String>,
    /// Zone of the schedule, by its name in the time zone database. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::time_zone")]
    pub time_zone: Option<String>,
    /// The tables to copy, for example `[silver, gold/transactions, fraud/transactions]`.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub tables: Vec<TablePath>,
    /// The dbt project to build after each sync. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbt: Option<Dbt>,
}

/// Path of a table in the lake: `bronze`, `silver`, `quarantine`, `gold/<name>` or `fraud/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct TablePath(#[schemars(schema_with = "text::table_path")] pub String);

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// Secret whose keys are the names of libpq's environment variables: `PGHOST`, `PGPORT`, `PGDATABASE`,
    /// `PGUSER`, `PGPASSWORD`, `PGSSLMODE`.
    pub secret_ref: LocalReference,
}

/// A dbt project in an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dbt {
    /// Image with dbt and the project, for example `ghcr.io/sluice/dbt:0.1.0`.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// Target of the project's profile. Default: `prod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub target: Option<String>,
}
