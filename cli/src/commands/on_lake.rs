//! What the worker does on the lake of a pipeline that runs here, or ran last: only it knows lakes.

use std::path::Path;
use std::process::{Command, ExitCode};

use snafu::{OptionExt, ResultExt};

use crate::args::{StateArguments, WorkerArguments};
use crate::commands::status::choose;
use crate::commands::{CommandError, NoConfigurationSnafu, SeveralPipelinesSnafu, StartWorkerSnafu};
use crate::snapshot::{JobSnapshot, PipelineSnapshot, Snapshot};
use crate::state_directory::StateDirectory;
use crate::worker_program;

/// Runs the worker in the foreground; `words` is its command line for a configuration.
pub(super) fn run(
    name: Option<&str>,
    state: &StateArguments,
    worker: &WorkerArguments,
    words: impl FnOnce(&Path) -> Vec<String>,
) -> Result<ExitCode, CommandError> {
    let snapshot = read(state)?;
    let pipeline = choose_one(&snapshot, name)?;
    run_worker(worker, words(configuration(pipeline)?))
}

/// What runs, or ran last.
pub(super) fn read(state: &StateArguments) -> Result<Snapshot, CommandError> {
    Ok(Snapshot::read(&StateDirectory::new(&state.state)?)?)
}

/// The configuration of a pipeline or a scorer.
pub(super) fn configuration<R>(job: &JobSnapshot<R>) -> Result<&Path, CommandError> {
    job.configuration.as_deref().context(NoConfigurationSnafu { pipeline: job.full_name() })
}

/// Runs the worker in the foreground.
pub(super) fn run_worker(worker: &WorkerArguments, words: Vec<String>) -> Result<ExitCode, CommandError> {
    let worker = worker_program::find(worker.worker.as_deref())?;
    let status = Command::new(&worker).args(words).status().context(StartWorkerSnafu { worker })?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The pipeline of a name, or the only one.
pub(super) fn choose_one<'a>(
    snapshot: &'a Snapshot,
    name: Option<&str>,
) -> Result<&'a PipelineSnapshot, CommandError> {
    match choose(snapshot, name)?.as_slice() {
        [pipeline] => Ok(pipeline),
        several => {
            let names = several.iter().map(|pipeline| pipeline.full_name()).collect::<Vec<_>>();
            SeveralPipelinesSnafu { names }.fail()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::choose_one;
    use crate::commands::CommandError;
    use crate::progress::fixtures;
    use crate::snapshot::Snapshot;

    #[test]
    fn where_there_are_several_pipelines_one_must_be_named() {
        let [one, mut other] = [fixtures::pipeline(), fixtures::pipeline()];
        other.name = "other".to_owned();
        let pipelines = vec![one, other];
        let snapshot = Snapshot {
            started_at_ms: 0,
            taken_at_ms: 0,
            services: vec![],
            generators: vec![],
            pipelines,
            scorers: vec![],
        };
        assert_eq!(choose_one(&snapshot, Some("other")).expect("there is one").name, "other");
        let error = choose_one(&snapshot, None).expect_err("there are two");
        assert!(matches!(&error, CommandError::SeveralPipelines { names } if names.len() == 2), "{error}");
    }
}
