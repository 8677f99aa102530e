//! Which shards get their new pods now. Pure.
//!
//! | the shard | the others | |
//! |---|---|---|
//! | has no Deployment, or the one it should have | – | applied |
//! | has another one, and is not ready | – | applied: it has nothing to lose |
//! | has another one, and is ready | all ready | the first of them is restarted, if there is a slot |
//! | has another one, and is ready | one is not | waits |
//!
//! So a bad change stops at the first shard, and its reversal mends that shard at once.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;

/// How a shard's Deployment compares with the one that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// There is none.
    Absent,
    /// Its pods are as they should be.
    Current {
        /// Whether its worker is ready.
        ready: bool,
    },
    /// Its pods must be replaced.
    Outdated {
        /// Whether its worker is ready.
        ready: bool,
    },
}

/// What happens to the shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// These are applied.
    pub apply: BTreeSet<u32>,
    /// This one is restarted, though it works, if there is a slot.
    pub restart: Option<u32>,
    /// These wait for the others.
    pub waiting: BTreeSet<u32>,
}

impl Rollout {
    /// Whether some shards still have earlier pods.
    pub fn is_under_way(&self) -> bool {
        self.restart.is_some() || !self.waiting.is_empty()
    }
}

/// The next step of a rollout.
pub fn next(shards: &BTreeMap<u32, ShardState>) -> Rollout {
    let mut rollout = Rollout::default();
    let all_ready = shards.values().all(|state| {
        matches!(
            state,
            ShardState::Absent | ShardState::Current { ready: true } | ShardState::Outdated { ready: true }
        )
    });
    for (&shard, state) in shards {
        match state {
            ShardState::Absent | ShardState::Current { .. } | ShardState::Outdated { ready: false } => {
                rollout.apply.insert(shard);
            }
            ShardState::Outdated { ready: true } if all_ready && rollout.restart.is_none() => {
                rollout.restart = Some(shard);
            }
            ShardState::Outdated { ready: true } => {
                rollout.waiting.insert(shard);
            }
        }
    }
    rollout
}

/// Whether a Deployment has finished what its spec asks for, and its pod is ready.
pub fn is_ready(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    status.observed_generation >= deployment.metadata.generation
        && status.replicas == Some(1)
        && status.updated_replicas == Some(1)
        && status.ready_replicas == Some(1)
}

#[cfg(test)]
mod tests;
