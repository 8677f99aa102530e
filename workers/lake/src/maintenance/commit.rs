//! [`commit`]: puts a [`Change`] at the end of a table's log, among writers that go on appending.

use snafu::OptionExt;

use super::change::Change;
use super::landed::Landed;
use super::opened::Opened;
use crate::error::{ContendedSnafu, LakeError, LogEntryTornSnafu};
use crate::store::{Created, Store};
use crate::table::head::entry_path;

/// Versions that others may take from us.
const ATTEMPTS: u32 = 1000;

/// Commits a change that was made for a table as it was opened, and returns the version that has it; `None`
/// if nothing was left of it.
///
/// What landed since is looked at first, entry by entry: see [`Change::give_way`]. Files that were made for
/// what is given up are deleted; nobody else knows them.
pub(super) async fn commit(
    store: &Store,
    opened: &Opened,
    change: &mut Change,
) -> Result<Option<u64>, LakeError> {
    let table = &opened.name;
    let mut version = opened.version + 1;
    for _ in 0..ATTEMPTS {
        while let Some(content) = store.read_if_exists(&entry_path(table, version)).await? {
            let landed = Landed::parse(&content);
            let landed =
                landed.context(LogEntryTornSnafu { table, path: store.name(&entry_path(table, version)) })?;
            if change.is(&landed) {
                return Ok(Some(version));
            }
            let given_up = change.give_way(&landed);
            let paths: Vec<String> = given_up.iter().map(|file| format!("{table}/{}", file.path)).collect();
            store.delete_all(&paths).await?;
            version += 1;
        }
        let Some(entry) = change.entry(crate::now_ms()) else { return Ok(None) };
        if store.create(&entry_path(table, version), entry.into()).await? == Created::Created {
            return Ok(Some(version));
        }
    }
    ContendedSnafu { action: "commit to", path: store.name(table), attempts: ATTEMPTS }.fail()
}
