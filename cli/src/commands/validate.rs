//! `sluice validate`: everything that can be told about resources without running them.

use std::path::Path;
use std::process::ExitCode;

use sluice_crds::StreamPipeline;

use crate::args::ValidateArguments;
use crate::checks::{Extent, check};
use crate::commands::CommandError;
use crate::manifest::{self, Located, Problem};
use crate::site::{Resolution, Resolved, resolve_anywhere};
use crate::state_directory::replace_file;
use crate::terminal::print_remark;
use crate::worker_program;

pub(super) fn run(arguments: &ValidateArguments) -> Result<ExitCode, CommandError> {
    let manifests = manifest::read(&arguments.files.filenames)?;
    manifests.remarks.iter().for_each(|remark| print_remark(remark));
    let mut problems = manifests.problems;
    let worker = match worker_program::find(arguments.worker.worker.as_deref()) {
        Ok(worker) => Some(worker),
        Err(error) if arguments.worker.worker.is_some() => return Err(error.into()),
        Err(error) => {
            print_remark(&format!("expressions are not checked: {error}"));
            None
        }
    };
    for located in &manifests.pipelines {
        let found = match resolve_anywhere(located) {
            Ok(Resolution::Suspended) => Vec::new(),
            Ok(Resolution::Run(resolved)) => match &worker {
                Some(worker) => findings(located, &resolved, worker)?,
                None => Vec::new(),
            },
            Err(problems) => problems,
        };
        if found.is_empty() {
            let name =
                format!("{}/{}", manifest::namespace(&located.resource), manifest::name(&located.resource));
            println!("{}: StreamPipeline {name} is valid", located.origin);
        }
        problems.extend(found);
    }
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the worker finds in the configuration that the resource comes to.
fn findings(
    located: &Located<StreamPipeline>,
    resolved: &Resolved,
    worker: &Path,
) -> Result<Vec<Problem>, CommandError> {
    let directory = std::env::temp_dir().join(format!("sluice-validate-{}", std::process::id()));
    let configuration = directory.join("config.json");
    replace_file(&configuration, resolved.configuration().as_bytes())?;
    let findings = check(worker, &configuration, Extent::Offline);
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        tracing::debug!(%error, "a temporary directory stays behind");
    }
    Ok(findings?.into_iter().map(|finding| finding.into_problem(&located.origin)).collect())
}
