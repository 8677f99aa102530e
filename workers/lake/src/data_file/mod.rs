//! Parquet files of a table: encoding, statistics, partition values. No I/O.

mod bucket;
mod merged;
mod partition;
mod properties;
mod statistics;
mod text_bounds;
mod writer;

use bytes::Bytes;
use sluice_contract::manifest::AddedFile;

pub use bucket::Bucket;
pub(crate) use merged::MergedFile;
pub use writer::TableWriter;

/// A Parquet file in memory, complete.
#[derive(Clone, Debug)]
pub struct FinishedFile {
    /// Content.
    pub bytes: Bytes,
    /// What the Delta log will say of it.
    pub file: AddedFile,
}

#[cfg(test)]
mod tests;
