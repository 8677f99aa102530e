//! [`Chain`]: the manifests of one shard, in order, each created once.

use std::time::Duration;

use sluice_contract::manifest::{ChainId, Manifest, Writer};

use crate::error::LakeError;

/// How an attempt to take a chain over ended.
#[derive(Debug)]
pub enum Claim {
    /// The chain is ours until another process claims it.
    Won {
        /// The chain, for the epochs to come.
        chain: Chain,
        /// The claim just written: positions, state and the tables' last epochs of the newest manifest
        /// before it; empty for a fresh chain (epoch 0).
        manifest: Manifest,
    },
    /// A process of a newer deployment holds the chain.
    HeldByNewer {
        /// Who holds it.
        writer: Writer,
    },
}

/// How an attempt to append an epoch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The epoch is decided: roll it forward.
    Created,
    /// Another process has the epoch. This one must stop.
    Lost {
        /// Who has it.
        by: Writer,
    },
}

/// The newest manifest of a chain, as a sign that its writer lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// Who wrote it.
    pub writer: Writer,
    /// Its epoch. One that grows between two looks proves life whatever the clocks say.
    pub epoch: u64,
    /// How long ago it was stored, by the storage's clock and ours.
    pub age: Duration,
}

/// A claimed chain.
#[derive(Debug)]
pub struct Chain {
    id: ChainId,
}

impl Chain {
    /// Which chain it is.
    pub fn id(&self) -> &ChainId {
        &self.id
    }

    /// The epoch that the next manifest must have.
    pub fn next_epoch(&self) -> u64 {
        unimplemented!()
    }

    /// Creates the manifest of the next epoch: the commit point.
    ///
    /// After an error nothing is decided: append the same manifest again, not another one.
    pub async fn append(&mut self, manifest: &Manifest) -> Result<Appended, LakeError> {
        unimplemented!()
    }

    /// Who wrote the chain last, and when.
    pub async fn last_sign_of_life(&self) -> Result<SignOfLife, LakeError> {
        unimplemented!()
    }
}
