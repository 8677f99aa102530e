//! What a topic's partitions are made of: record batches, as producers sent them, in segment
//! files.
//!
//! [`batch`] reads a batch's header and [`records`] the timestamps inside; [`segment`] is one file
//! of batches with its [`index`], [`summary`] what is stored beside a finished one, [`recovery`]
//! how both are read at the start; [`producers`] recognises repeated batches, [`retention`]
//! decides what has expired, and [`partition`] puts it all together.

pub(crate) mod batch;
pub(crate) mod index;
pub(crate) mod partition;
pub(crate) mod producers;
pub(crate) mod records;
pub(crate) mod recovery;
pub(crate) mod retention;
pub(crate) mod segment;
pub(crate) mod summary;

use std::{io, path::PathBuf};

use snafu::Snafu;

/// Why a partition's files cannot be read or written.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum LogError {
    /// A file or directory cannot be created, opened or read.
    #[snafu(display("failed to read \"{}\"", path.display()))]
    ReadLog {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written: most often the disk is full.
    #[snafu(display("failed to write \"{}\"", path.display()))]
    WriteLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
pub(crate) mod fixtures;
