//! The names of everything that is made for a pipeline: `<name>-<kind short>-<role>[-n]`.
//!
//! Names are functions of the resource alone, so that a repeated pass finds what an earlier one made. A
//! resource's name has at most 40 characters, a child's at most 63.

const SHORT: &str = "stpl";

/// The Deployment of one shard.
pub fn ingest_deployment(pipeline: &str, shard: u32) -> String {
    format!("{pipeline}-{SHORT}-ingest-{shard}")
}

/// The Service, the PodDisruptionBudget and the NetworkPolicy of all shards.
pub fn ingest(pipeline: &str) -> String {
    format!("{pipeline}-{SHORT}-ingest")
}

/// The CronJob of the upkeep: at most 52 characters, for its Jobs have eleven more.
pub fn upkeep(pipeline: &str) -> String {
    format!("{pipeline}-{SHORT}-upkeep")
}

/// The ServiceAccount of the workers.
pub fn service_account(pipeline: &str) -> String {
    format!("{pipeline}-{SHORT}-worker")
}

/// The ConfigMap whose content has this digest.
pub fn config_map(pipeline: &str, digest: &str) -> String {
    format!("{pipeline}-{SHORT}-config-{}", &digest[..10])
}

/// The Job that checks the configuration of this digest before any worker gets it.
pub fn check(pipeline: &str, digest: &str) -> String {
    format!("{pipeline}-{SHORT}-check-{}", &digest[..10])
}
