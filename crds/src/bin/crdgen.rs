//! `crdgen` writes the CustomResourceDefinitions beside this crate's manifest; `crdgen --check` fails when one
//! of the files is not what it would write.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
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
    for definition in sluice_crds::definition::definitions() {
        let path = directory.join(&definition.file_name);
        let text = definition.yaml();
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
