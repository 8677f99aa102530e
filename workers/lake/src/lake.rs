//! [`Lake`]: the root; opens chains and tables, and keeps files.

use std::sync::Arc;

use bytes::Bytes;
use sluice_contract::config::{Owner, Storage};
use sluice_contract::manifest::{AddedFile, ChainId, StateFile, Writer};

use crate::chain::{Claim, SignOfLife};
use crate::data_file::FinishedFile;
use crate::error::LakeError;
use crate::generation::Generation;
use crate::identity::{Identity, TopicIdentity};
use crate::table::{Table, TableSpec};

/// A lake that has been opened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<()>,
}

impl Lake {
    /// Opens the storage, and proves that a name can be created there only once.
    ///
    /// A `file://` directory that does not exist is created. Credentials of other storage come from the
    /// environment.
    pub async fn open(storage: &Storage) -> Result<Self, LakeError> {
        unimplemented!()
    }

    /// The URI of the root, without trailing slash.
    pub fn uri(&self) -> &str {
        unimplemented!()
    }

    /// Checks whose lake this is; the first caller's from then on.
    ///
    /// Fails with [`LakeError::LakeOwned`] and [`LakeError::TopicRecreated`]; `adopt`, if it is the lake's
    /// id, takes the lake over with its present owner and topic.
    pub async fn identify(
        &self,
        owner: &Owner,
        topic: &TopicIdentity,
        adopt: Option<&str>,
    ) -> Result<Identity, LakeError> {
        unimplemented!()
    }

    /// The current generation of a job, with its number; `wanted` if the job has none yet.
    ///
    /// What is stored wins over `wanted`: use the returned reader schema. Another number of shards is
    /// [`LakeError::ShardsChanged`].
    pub async fn generation(&self, job: &str, wanted: &Generation) -> Result<(u64, Generation), LakeError> {
        unimplemented!()
    }

    /// Takes a chain over, unless a newer deployment holds it.
    pub async fn claim(
        &self,
        chain: ChainId,
        writer: Writer,
        configuration: &str,
    ) -> Result<Claim, LakeError> {
        unimplemented!()
    }

    /// Who wrote a chain last, and when; `None` for a chain without manifests.
    pub async fn sign_of_life(&self, chain: &ChainId) -> Result<Option<SignOfLife>, LakeError> {
        unimplemented!()
    }

    /// Opens a table; creates it if it is absent, and adds missing nullable columns at its end.
    pub async fn open_table(&self, spec: &TableSpec) -> Result<Table, LakeError> {
        unimplemented!()
    }

    /// Makes data files of a table durable, all at once. They are not visible before their epoch.
    pub async fn persist(
        &self,
        table: &str,
        files: Vec<FinishedFile>,
    ) -> Result<Vec<AddedFile>, LakeError> {
        unimplemented!()
    }

    /// Makes a state file durable, under a new name.
    pub async fn put_state(
        &self,
        chain: &ChainId,
        epoch: u64,
        bytes: Vec<u8>,
    ) -> Result<StateFile, LakeError> {
        unimplemented!()
    }

    /// Reads a file by its path relative to the root.
    pub async fn read(&self, path: &str) -> Result<Bytes, LakeError> {
        unimplemented!()
    }
}
