//! `crdgen` writes the files that are made of Rust types: the CustomResourceDefinitions beside this crate's manifest,
//! and the reference of metrics. `crdgen --check` fails when one of the files is not what it would write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sluice_contract::metrics::page;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            eprintln!("usage: crdgen [--check]");
            return ExitCode::from(2);
        }
    };
    let mut stale = false;
    for (path, text) in generated() {
        if check {
            if fs::read_to_string(&path).is_ok_and(|current| current == text) {
                continue;
            }
            eprintln!("{} is stale: run `cargo run -p sluice-crds --bin crdgen`", path.display());
            stale = true;
        } else if let Err(error) = fs::write(&path, text) {
            eprintln!("failed to write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if stale { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Every file, with its text.
fn generated() -> Vec<(PathBuf, String)> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.parent().expect("the crate is a folder of the repository");
    let definitions = sluice_crds::definition::definitions();
    let mut files: Vec<(PathBuf, String)> = definitions
        .iter()
        .map(|definition| (crate_folder.join(&definition.file_name), definition.yaml()))
        .collect();
    files.push((root.join(page::PATH), page::text()));
    files
}
