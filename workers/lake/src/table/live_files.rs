//! [`LiveFiles`]: which files a table consists of, for commits that remove some of them.
//!
//! Delta lets anybody remove any path: a `remove` of a file that is no longer live changes nothing, and the
//! rows that were to go stay. So who removes follows what is live, version by version.

use std::collections::{BTreeMap, HashMap};

use deltalake::DeltaTable;

use super::log_entry::LogEntry;
use crate::error::LakeError;

/// A live file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveFile {
    /// Bytes, as the log says.
    pub(super) bytes: i64,
    /// Rows, as the log says.
    pub(super) rows: i64,
    /// Values of the partition columns.
    pub(super) partition_values: BTreeMap<String, Option<String>>,
}

/// The live files of a table at one version, by their path below the table's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveFiles(HashMap<String, LiveFile>);

impl LiveFiles {
    /// The live files of a table as it was read.
    pub(super) fn of(loaded: &DeltaTable, table: &str) -> Result<Self, LakeError> {
        let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
        let files = state.log_data().into_iter().map(|file| {
            let live = LiveFile {
                bytes: file.size(),
                rows: file.num_records().map_or(0, |rows| rows as i64),
                partition_values: file.partition_values_map().into_iter().collect(),
            };
            (file.path().into_owned(), live)
        });
        Ok(Self(files.collect()))
    }

    /// Follows the log by one entry.
    pub(super) fn absorb(&mut self, entry: &LogEntry) {
        for path in &entry.removed {
            self.0.remove(path);
        }
        self.0.extend(entry.added.iter().cloned());
    }

    /// What is known of a file; `None` if it is not live.
    pub(super) fn get(&self, path: &str) -> Option<&LiveFile> {
        self.0.get(path)
    }

    /// Their paths, in no order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: i64) -> LiveFile {
        LiveFile { bytes: 100 * rows, rows, partition_values: BTreeMap::new() }
    }

    #[test]
    fn a_file_is_live_from_the_entry_that_adds_it_to_the_one_that_removes_it() {
        let mut live = LiveFiles::default();
        let added = vec![("a".to_owned(), file(1)), ("b".to_owned(), file(2))];
        live.absorb(&LogEntry { added, ..LogEntry::default() });
        assert_eq!(live.get("b"), Some(&file(2)));
        let entry = LogEntry {
            added: vec![("c".to_owned(), file(3))],
            removed: vec!["b".to_owned()],
            ..LogEntry::default()
        };
        live.absorb(&entry);
        assert_eq!(live.get("b"), None);
        let mut paths: Vec<&str> = live.paths().collect();
        paths.sort_unstable();
        assert_eq!(paths, ["a", "c"]);
    }
}
