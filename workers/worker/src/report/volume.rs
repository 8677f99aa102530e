//! How much there is: what was written to a table ([`Written`]), and the state ([`StateSize`]).

use sluice_contract::manifest::{AddedFile, StateFiles};
use sluice_engine::MemorySize;

/// What this process has written to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Data files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Written {
    /// Counts more files.
    pub fn add(&mut self, files: &[AddedFile]) {
        self.files += files.len() as u64;
        self.bytes += files.iter().map(|file| file.size).sum::<u64>();
    }
}

/// How large the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSize {
    /// In main memory.
    pub memory: MemorySize,
    /// Files that a restart would read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl StateSize {
    /// Of what is in memory, and of the files that the newest manifest names.
    pub fn new(memory: MemorySize, files: &StateFiles) -> Self {
        let all = || files.base.iter().chain(&files.deltas);
        Self { memory, files: all().count() as u64, bytes: all().map(|file| file.bytes).sum() }
    }
}
