//! [`Table`]: one Delta table, and the version up to which its log is known.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use sluice_contract::manifest::{ChainId, Manifest};

use crate::error::LakeError;

/// What a table must look like.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Path below the lake's root: `bronze`, `gold/transactions`.
    pub name: String,
    /// Columns, partition columns included, in order.
    pub schema: SchemaRef,
    /// Names of the partition columns, in order.
    pub partition_by: Vec<String>,
    /// One line for readers of the table.
    pub description: Option<String>,
    /// Delta table properties beyond the ones that every table of Sluice gets.
    pub properties: BTreeMap<String, String>,
}

/// The size of a table, as far as the log's statistics tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStatistics {
    /// Newest version known here.
    pub version: u64,
    /// Rows.
    pub rows: u64,
    /// Live files.
    pub files: u64,
    /// Bytes of the live files.
    pub bytes: u64,
}

/// How [`Table::roll_forward`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolledForward {
    /// The manifest's actions are this new version of the table.
    Committed {
        /// The version.
        version: u64,
    },
    /// They were committed before.
    AlreadyThere {
        /// The version that has them; `None` when its log entry has expired.
        version: Option<u64>,
    },
    /// The manifest has no actions for the table.
    Nothing,
}

/// What [`Table::recover`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Epochs committed that a process before this one had left undone.
    pub redone: Vec<u64>,
    /// Version whose log entry was torn, and has been written again from its manifest.
    pub rebuilt: Option<u64>,
}

/// An open Delta table.
#[derive(Debug)]
pub struct Table {
    spec: TableSpec,
}

impl Table {
    /// Path below the lake's root.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its size now.
    pub fn statistics(&self) -> TableStatistics {
        unimplemented!()
    }

    /// Commits what a manifest holds for this table, unless the table has it. Safe to repeat.
    pub async fn roll_forward(&mut self, manifest: &Manifest) -> Result<RolledForward, LakeError> {
        unimplemented!()
    }

    /// Redoes, in order, every epoch of a chain up to `up_to` that the table lacks.
    ///
    /// Call it once for each table after [`Lake::claim`](crate::Lake::claim), with the claim's manifest.
    pub async fn recover(&mut self, chain: &ChainId, up_to: &Manifest) -> Result<Recovered, LakeError> {
        unimplemented!()
    }

    /// A checkpoint to write in the background, after each 200th version of the table.
    pub fn checkpoint_due(&mut self) -> Option<Checkpoint> {
        unimplemented!()
    }
}

/// A checkpoint of a table's log to be written, off the hot path.
#[derive(Debug)]
pub struct Checkpoint {}

impl Checkpoint {
    /// Writes the checkpoint. A failure costs readers time, never data: warn and go on.
    pub async fn write(self) -> Result<(), LakeError> {
        unimplemented!()
    }
}
