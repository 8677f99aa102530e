//! What is stored beside a finished segment, so that a start need not read it: its index and the
//! state of the producers at its end.
//!
//! A summary is a convenience: one that is missing, damaged or of another length is ignored and
//! the segment read instead.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{index::Index, producers::Producers};
use crate::journal::{parse_line, replace_file, write_line};

/// The facts about a finished segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The segment's bytes.
    pub(crate) length: u64,
    /// The offset that follows its last record.
    pub(crate) next_offset: i64,
    /// Where its batches start.
    pub(crate) index: Index,
    /// The producers after its last record.
    pub(crate) producers: Producers,
}

impl Summary {
    /// Stores the summary of a segment.
    pub(crate) fn store(&self, segment: &Path) -> io::Result<()> {
        let mut line = Vec::new();
        write_line(&mut line, self);
        replace_file(&segment.with_extension("summary"), &line).map(drop)
    }

    /// The summary of a segment of this length, if there is one to rely on.
    pub(crate) fn load(segment: &Path, length: u64) -> Option<Self> {
        let line = fs::read(segment.with_extension("summary")).ok()?;
        parse_line(&line).filter(|summary: &Self| summary.length == length)
    }
}
