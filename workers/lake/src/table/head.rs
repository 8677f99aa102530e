//! [`Head`]: where a table's log ends, and whether its last entry is whole.

use serde::Deserialize;

use super::log_entry::{Defect, LogEntry};
use crate::error::LakeError;
use crate::store::Store;

/// The end of a table's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The newest version that has a log entry or a checkpoint.
    pub(crate) version: u64,
    /// Whether the newest entry is torn.
    pub(crate) torn: bool,
    /// The newest checkpoint, as far as the log tells.
    pub(crate) checkpoint: Option<u64>,
}

/// The log entry of a version.
pub(crate) fn entry_path(table: &str, version: u64) -> String {
    format!("{}/{}", log_directory(table), entry_file(version))
}

/// The directory of a table's log.
pub(crate) fn log_directory(table: &str) -> String {
    format!("{table}/_delta_log")
}

fn entry_file(version: u64) -> String {
    format!("{version:020}.json")
}

/// The version of a log entry, from its file name.
pub(crate) fn version_of(file_name: &str) -> Option<u64> {
    version_before(file_name, ".json")
}

/// The version of a checkpoint in one file, from its file name.
pub(crate) fn checkpoint_of(file_name: &str) -> Option<u64> {
    version_before(file_name, ".checkpoint.parquet")
}

fn version_before(file_name: &str, suffix: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(suffix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Finds the end of a table's log; `None` if there is no table.
pub(crate) async fn find(store: &Store, table: &str) -> Result<Option<Head>, LakeError> {
    let checkpoint = last_checkpoint(store, table).await?;
    let after = checkpoint.map(entry_file);
    let files = store.list_after(&log_directory(table), after.as_deref()).await?;
    let newest = files.iter().filter_map(|file| version_of(file.location.filename()?)).max();
    let Some(version) = newest else {
        return Ok(checkpoint.map(|version| Head { version, torn: false, checkpoint }));
    };
    let content = store.read(&entry_path(table, version)).await?;
    let torn = matches!(LogEntry::parse(&content), Err(Defect::Torn));
    Ok(Some(Head { version, torn, checkpoint }))
}

/// The version that `_last_checkpoint` names. The file is only a hint: one that cannot be read is none.
async fn last_checkpoint(store: &Store, table: &str) -> Result<Option<u64>, LakeError> {
    #[derive(Deserialize)]
    struct LastCheckpoint {
        version: u64,
    }
    let content = store.read_if_exists(&format!("{}/_last_checkpoint", log_directory(table))).await?;
    let last = content.and_then(|content| serde_json::from_slice::<LastCheckpoint>(&content).ok());
    Ok(last.map(|last| last.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_log_entries_have_a_version() {
        assert_eq!(version_of("00000000000000000012.json"), Some(12));
        for other in [
            "_last_checkpoint",
            "00000000000000000012.checkpoint.parquet",
            "00000000000000000012.00000000000000000014.compacted.json",
            "12.json",
        ] {
            assert_eq!(version_of(other), None, "{other}");
        }
        assert_eq!(checkpoint_of("00000000000000000012.checkpoint.parquet"), Some(12));
        assert_eq!(checkpoint_of("00000000000000000012.checkpoint.0000000001.0000000002.parquet"), None);
    }
}
