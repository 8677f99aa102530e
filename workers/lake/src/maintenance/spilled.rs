//! Which files of windows that the merge took out of memory nobody needs any more. Reads only.
//!
//! The base of the merge says which windows are out of memory, and since which epoch. Whatever a process spilled up to
//! the base's epoch, the base has it in memory or knows the newest file of it; what came later is of a base to be.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use sluice_contract::manifest::MERGE;

use super::MaintenancePolicy;
use super::chains::ChainEnd;
use crate::chain::names;
use crate::error::LakeError;
use crate::store::Store;

/// When windows were spilled: the generation and the epoch of the merge.
type At = (u64, u64);

/// The files that have had their day.
pub(super) async fn superfluous(
    store: &Store,
    ends: &[ChainEnd],
    policy: &MaintenancePolicy,
) -> Result<Vec<String>, LakeError> {
    let chains = ends.iter().filter(|end| end.id.job == MERGE);
    let Some(newest) = chains.max_by_key(|end| end.id.generation) else { return Ok(Vec::new()) };
    let Some(base) = &newest.newest.state.base else { return Ok(Vec::new()) };
    let base = (newest.id.generation, base.epoch);
    let directory = names::spilled_directory(MERGE);
    let mut found = std::pin::pin!(store.walk(&directory)?);
    let mut windows: BTreeMap<(String, i64), Vec<File>> = BTreeMap::new();
    while let Some(file) = found.try_next().await? {
        let Some((chain, epoch, table, start_us)) = names::of_spilled(&file.path) else { continue };
        let (name, at) = ((table.to_owned(), start_us), (chain.generation, epoch));
        windows.entry(name).or_default().push(File { at, stored_at_ms: file.stored_at_ms, path: file.path });
    }
    let before_ms = policy.before_ms(policy.spilled_kept);
    Ok(windows.into_values().flat_map(|files| superfluous_of(files, base, before_ms)).collect())
}

/// A file of some windows.
#[derive(Debug)]
struct File {
    at: At,
    stored_at_ms: i64,
    path: String,
}

/// Of the files of the same windows, those that are older than the one that a base knows, and those that were stored
/// before corrections had to come.
fn superfluous_of(files: Vec<File>, base: At, before_ms: i64) -> impl Iterator<Item = String> {
    let known = files.iter().map(|file| file.at).filter(|at| *at <= base).max();
    let is_superfluous = move |file: &File| Some(file.at) < known || file.stored_at_ms < before_ms;
    files.into_iter().filter(is_superfluous).map(|file| file.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superfluous_at(base: At, before_ms: i64) -> Vec<String> {
        let file = |generation, epoch, stored_at_ms| File {
            at: (generation, epoch),
            stored_at_ms,
            path: format!("{generation}/{epoch}"),
        };
        let files = vec![file(0, 9, 10), file(1, 5, 20), file(1, 9, 30)];
        superfluous_of(files, base, before_ms).collect()
    }

    #[test]
    fn the_file_that_the_base_knows_and_those_after_it_stay() {
        assert_eq!(superfluous_at((1, 9), 0), ["0/9", "1/5"]);
        assert_eq!(superfluous_at((2, 0), 0), ["0/9", "1/5"], "a generation begins with all that is known");
        assert_eq!(superfluous_at((1, 8), 0), ["0/9"]);
        assert_eq!(superfluous_at((1, 0), 0), Vec::<String>::new());
        assert_eq!(superfluous_at((0, 3), 0), Vec::<String>::new(), "they are all of bases to be");
    }

    #[test]
    fn what_was_spilled_before_corrections_had_to_come_goes() {
        assert_eq!(superfluous_at((1, 0), 20), ["0/9"]);
        assert_eq!(superfluous_at((1, 0), 31), ["0/9", "1/5", "1/9"]);
    }
}
