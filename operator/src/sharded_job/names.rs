//! The names of everything that is made for a job: `<name>-<kind short>-<role>[-n]`.
//!
//! Names are functions of the resource alone, so that a repeated pass finds what an earlier one made. A
//! resource's name has at most 40 characters, a child's at most 63.

use super::kind::JobKind;
use crate::digest;

/// The Deployment of one shard.
pub fn deployment(kind: &JobKind, name: &str, shard: u32) -> String {
    child(kind, name, &format!("{}-{shard}", kind.role))
}

/// The Service, the PodDisruptionBudget and the NetworkPolicy of all shards.
pub fn workers(kind: &JobKind, name: &str) -> String {
    child(kind, name, kind.role)
}

/// The CronJob of the upkeep: at most 52 characters, for its Jobs have eleven more.
pub fn upkeep(kind: &JobKind, name: &str) -> String {
    child(kind, name, "upkeep")
}

/// The ServiceAccount of the workers.
pub fn service_account(kind: &JobKind, name: &str) -> String {
    child(kind, name, "worker")
}

/// The ConfigMap with the configuration of this digest.
pub fn config_map(kind: &JobKind, name: &str, digest: &str) -> String {
    child(kind, name, &format!("config-{}", &digest[..10]))
}

/// The ConfigMap with a document that workers read again while they work.
pub fn hot(kind: &JobKind, name: &str, document: &str) -> String {
    child(kind, name, document)
}

/// The ConfigMap with such a document for its check with a configuration, by a digest over both.
pub fn candidate(kind: &JobKind, name: &str, document: &str, digest: &str) -> String {
    child(kind, name, &format!("{document}-{}", &digest[..10]))
}

/// The Job that checks the configuration of this digest before any worker gets it.
pub fn check(kind: &JobKind, name: &str, digest: &str) -> String {
    child(kind, name, &format!("check-{}", &digest[..10]))
}

/// The Job of a replay, and what its pods find each other by. Its own name would be too long for some: those of pods
/// end in their number.
pub fn replay(kind: &JobKind, name: &str, replay: &str) -> String {
    child(kind, name, &format!("replay-{}", digest::of_text(replay, 7)))
}

fn child(kind: &JobKind, name: &str, role: &str) -> String {
    format!("{name}-{}-{role}", kind.short)
}
