//! The pure steps stay pure: no client, no clock, no runtime.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixture::repository_root;

/// The steps that are not pure.
const IMPURE: [&str; 3] = ["observe.rs", "pass.rs", "reconcile.rs"];
/// The folders of kinds, and of what they share.
const FOLDERS: [&str; 4] = ["stream_pipeline", "fraud_scorer", "sharded_job", "validation"];
/// What all kinds share and is pure.
const SHARED: [&str; 15] = [
    "apply/child.rs",
    "apply/fields.rs",
    "conditions.rs",
    "digest.rs",
    "labels.rs",
    "network.rs",
    "pod_trouble/mod.rs",
    "problem.rs",
    "reports/trimmed.rs",
    "requeue.rs",
    "restarts.rs",
    "rounding.rs",
    "site.rs",
    "strimzi.rs",
    "transitions.rs",
];

/// The source files of the pure steps, without their tests.
fn pure_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("snapshots") {
            pure_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
            && !IMPURE.iter().any(|name| path.ends_with(name))
        {
            found.push(path);
        }
    }
}

#[test]
fn no_pure_file_names_a_client_a_clock_or_a_runtime() {
    let source = repository_root().join("operator/src");
    let mut files = Vec::new();
    for folder in FOLDERS {
        pure_files(&source.join(folder), &mut files);
    }
    files.extend(SHARED.map(|name| source.join(name)));
    assert!(files.len() > 50, "the walk found {} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is text");
        for word in
            ["Client", "Api<", "async ", ".await", "SystemTime", "Instant", "std::fs", "std::env", "tokio"]
        {
            assert!(!text.contains(word), "{} mentions {word}", file.display());
        }
    }
}
