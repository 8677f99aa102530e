//! `sluice validate`: everything that can be told about resources without running them.

use std::path::Path;
use std::process::ExitCode;

use sluice_crds::{FraudScorer, StreamPipeline};
use sluice_operator::fraud_scorer;

use crate::args::ValidateArguments;
use crate::checks::{Extent, check};
use crate::commands::CommandError;
use crate::manifest::{self, Located, Named, Origin, Problem};
use crate::site::{Built, Machine, Resolution, anywhere, faulty, pipeline_of, resolve, resolve_scorer};
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
    let directory = std::env::temp_dir().join(format!("sluice-validate-{}", std::process::id()));
    let machine = anywhere(directory.clone());
    for located in &manifests.pipelines {
        let found = match resolve(located, &machine, &mut || 0) {
            Ok(Resolution::Suspended(_)) => Vec::new(),
            Ok(Resolution::Run(resolved)) => findings(&located.origin, &resolved.built, worker.as_deref())?,
            Err(problems) => problems,
        };
        say_if_valid("StreamPipeline", located, &found);
        problems.extend(found);
    }
    for located in &manifests.scorers {
        let found = validate_scorer(located, &manifests.pipelines, &machine, worker.as_deref())?;
        say_if_valid("FraudScorer", located, &found);
        problems.extend(found);
    }
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        tracing::debug!(%error, "there is no temporary directory, or it stays behind");
    }
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say_if_valid<R: Named>(kind: &str, located: &Located<R>, found: &[Problem]) {
    if found.is_empty() {
        let name =
            format!("{}/{}", manifest::namespace(&located.resource), manifest::name(&located.resource));
        println!("{}: {kind} {name} is valid", located.origin);
    }
}

/// Without its pipeline, a scorer can be judged by itself only.
fn validate_scorer(
    located: &Located<FraudScorer>,
    pipelines: &[Located<StreamPipeline>],
    machine: &Machine,
    worker: Option<&Path>,
) -> Result<Vec<Problem>, CommandError> {
    if pipeline_of(&located.resource, pipelines).is_none() {
        print_remark(&format!(
            "{}: columns and rules are not checked: give -f the StreamPipeline '{}', too",
            located.origin, located.resource.spec.pipeline_ref.name
        ));
        let faults = fraud_scorer::validate(&located.resource, None).err().unwrap_or_default();
        return Ok(faulty(&located.origin, faults));
    }
    match resolve_scorer(located, pipelines, machine, &mut || 0) {
        Ok(Resolution::Suspended(_)) => Ok(Vec::new()),
        Ok(Resolution::Run(resolved)) => findings(&located.origin, &resolved.built, worker),
        Err(problems) => Ok(problems),
    }
}

/// What the worker finds in the documents that the resource comes to.
fn findings(origin: &Origin, built: &Built, worker: Option<&Path>) -> Result<Vec<Problem>, CommandError> {
    let Some(worker) = worker else { return Ok(Vec::new()) };
    for (path, text) in &built.documents.texts {
        replace_file(path, text.as_bytes())?;
    }
    let findings = check(worker, &built.documents.check, Extent::Offline)?;
    Ok(findings.into_iter().map(|finding| finding.into_problem(origin)).collect())
}
