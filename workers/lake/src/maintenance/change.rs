//! [`Change`]: what maintenance wants to commit to a table, and how it gives way to others. Pure.

use serde_json::{Value, json};
use sluice_contract::manifest::AddedFile;

use super::compact::plan::LiveFile;
use super::landed::Landed;
use crate::table::log_entry::{ENGINE, MetadataAction, lines};

/// One file in the place of several.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    pub(super) replaced: Vec<LiveFile>,
    pub(super) file: AddedFile,
}

/// What maintenance wants to commit.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Larger files in the place of smaller ones, with the same rows.
    Compaction(Vec<Rewrite>),
    /// Table properties; `None` once somebody else has redefined the table.
    Properties(Option<Box<MetadataAction>>),
}

impl Change {
    /// Gives up what an entry that landed before makes wrong, and returns the files that were made for it.
    ///
    /// Rows that others appended concern nobody. A file that another writer has removed must not come back
    /// in ours, and a table with another definition is looked at again by the next run.
    pub(super) fn give_way(&mut self, landed: &Landed) -> Vec<AddedFile> {
        match self {
            Self::Compaction(rewrites) => {
                let is_outdated = |rewrite: &Rewrite| {
                    landed.redefines
                        || rewrite.replaced.iter().any(|file| landed.removed.contains(&file.path))
                };
                rewrites.extract_if(.., |rewrite| is_outdated(rewrite)).map(|rewrite| rewrite.file).collect()
            }
            Self::Properties(properties) => {
                if landed.redefines {
                    *properties = None;
                }
                Vec::new()
            }
        }
    }

    /// Whether the entry is this very change: its answer was lost when it landed.
    pub(super) fn is(&self, landed: &Landed) -> bool {
        match self {
            Self::Compaction(rewrites) => {
                rewrites.first().is_some_and(|rewrite| landed.added.contains(&rewrite.file.path))
            }
            Self::Properties(_) => false,
        }
    }

    /// The text of the log entry; `None` if nothing is left of the change.
    pub(super) fn entry(&self, now_ms: i64) -> Option<String> {
        match self {
            Self::Compaction(rewrites) if rewrites.is_empty() => None,
            Self::Compaction(rewrites) => Some(compaction_entry(rewrites, now_ms)),
            Self::Properties(metadata) => {
                metadata.as_ref().map(|metadata| properties_entry(metadata, now_ms))
            }
        }
    }
}

/// Files come before those they replace: whoever saw half of the entry would see rows twice, not never.
fn compaction_entry(rewrites: &[Rewrite], now_ms: i64) -> String {
    let replaced = || rewrites.iter().flat_map(|rewrite| &rewrite.replaced);
    let added_bytes: u64 = rewrites.iter().map(|rewrite| rewrite.file.size).sum();
    let removed_bytes: u64 = replaced().map(|file| file.bytes).sum();
    let mut actions = vec![json!({"commitInfo": {
        "timestamp": now_ms,
        "operation": "OPTIMIZE",
        "operationParameters": {"predicate": "[]", "auto": "true"},
        "operationMetrics": {
            "numAddedFiles": rewrites.len().to_string(),
            "numRemovedFiles": replaced().count().to_string(),
            "numAddedBytes": added_bytes.to_string(),
            "numRemovedBytes": removed_bytes.to_string(),
        },
        "isBlindAppend": false,
        "engineInfo": ENGINE,
    }})];
    actions.extend(rewrites.iter().map(|rewrite| added(&rewrite.file)));
    actions.extend(rewrites.iter().flat_map(|rewrite| {
        let values = &rewrite.file.partition_values;
        rewrite.replaced.iter().map(move |file| {
            json!({"remove": {
                "path": file.path,
                "deletionTimestamp": now_ms,
                "dataChange": false,
                "extendedFileMetadata": true,
                "partitionValues": values,
                "size": file.bytes,
            }})
        })
    }));
    lines(&actions)
}

fn added(file: &AddedFile) -> Value {
    json!({"add": {
        "path": file.path,
        "partitionValues": file.partition_values,
        "size": file.size,
        "modificationTime": file.modification_time_ms,
        "dataChange": false,
        "stats": file.stats,
    }})
}

fn properties_entry(metadata: &MetadataAction, now_ms: i64) -> String {
    lines(&[
        json!({"commitInfo": {
            "timestamp": now_ms,
            "operation": "SET TBLPROPERTIES",
            "operationParameters": {"properties": json!(metadata.configuration).to_string()},
            "isBlindAppend": true,
            "engineInfo": ENGINE,
        }}),
        json!({"metaData": metadata}),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    fn rewrite(replaced: &[&str], path: &str) -> Rewrite {
        let live = |path: &&str| LiveFile {
            path: (*path).to_owned(),
            bytes: 10,
            rows: Some(1),
            modified_ms: 0,
            partition: vec![None],
        };
        let file = AddedFile {
            path: path.to_owned(),
            size: 15,
            rows: 2,
            partition_values: BTreeMap::from([("day".to_owned(), None)]),
            modification_time_ms: 7,
            stats: "{\"numRecords\":2}".to_owned(),
        };
        Rewrite { replaced: replaced.iter().map(live).collect(), file }
    }

    fn removes(path: &str) -> Landed {
        Landed { removed: HashSet::from([path.to_owned()]), ..Landed::default() }
    }

    #[test]
    fn a_rewrite_gives_way_to_whoever_removed_one_of_its_files_and_to_nobody_else() {
        let both = || Change::Compaction(vec![rewrite(&["a", "b"], "ab"), rewrite(&["c", "d"], "cd")]);
        let mut change = both();
        let appended = Landed { added: HashSet::from(["e".to_owned()]), ..Landed::default() };
        assert_eq!(change.give_way(&appended), []);
        assert_eq!(change.give_way(&removes("x")), []);
        let given_up: Vec<String> =
            change.give_way(&removes("c")).into_iter().map(|file| file.path).collect();
        assert_eq!(given_up, ["cd"]);
        let entry = change.entry(5).unwrap();
        assert!(entry.contains("\"ab\"") && !entry.contains("\"cd\""), "{entry}");
        assert_eq!(change.give_way(&removes("a")).len(), 1);
        assert_eq!(change.entry(5), None);
        let redefined = Landed { redefines: true, ..Landed::default() };
        assert_eq!(both().give_way(&redefined).len(), 2);
    }

    #[test]
    fn an_entry_of_a_compaction_changes_no_data() {
        let entry = Change::Compaction(vec![rewrite(&["a", "b"], "ab")]).entry(5).unwrap();
        let actions: Vec<Value> = entry.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<String> =
            actions.iter().map(|action| action.as_object().unwrap().keys().next().unwrap().clone()).collect();
        assert_eq!(kinds, ["commitInfo", "add", "remove", "remove"]);
        for action in &actions[1..] {
            let content = action.as_object().unwrap().values().next().unwrap();
            assert_eq!(content["dataChange"], json!(false));
            assert_eq!(content["partitionValues"], json!({"day": null}));
        }
        let landed = Landed::parse(entry.as_bytes()).unwrap();
        assert!(Change::Compaction(vec![rewrite(&["a", "b"], "ab")]).is(&landed));
        assert!(!Change::Compaction(vec![rewrite(&["a", "b"], "other")]).is(&landed));
    }
}
