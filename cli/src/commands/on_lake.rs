//! What the worker does on the lake of what runs here, or ran last: only it knows lakes.

use std::path::Path;
use std::process::{Command, ExitCode};

use snafu::{OptionExt, ResultExt};

use crate::args::{StateArguments, WorkerArguments};
use crate::commands::{
    CommandError, NoConfigurationSnafu, NoSuchPipelineSnafu, SeveralSnafu, StartWorkerSnafu,
};
use crate::snapshot::{JobSnapshot, Snapshot};
use crate::state_directory::StateDirectory;
use crate::worker_program;

/// Whose configuration the worker gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Pipeline,
    Scorer,
}

/// Runs the worker in the foreground; `words` is its command line for a configuration.
pub(super) fn run(
    (subject, name): (Subject, Option<&str>),
    state: &StateArguments,
    worker: &WorkerArguments,
    words: impl FnOnce(&Path) -> Vec<String>,
) -> Result<ExitCode, CommandError> {
    let snapshot = read(state)?;
    let configuration = match subject {
        Subject::Pipeline => configuration(choose_one(&snapshot.pipelines, name)?)?,
        Subject::Scorer => configuration(choose_one(&snapshot.scorers, name)?)?,
    };
    run_worker(worker, words(configuration))
}

/// What runs, or ran last.
pub(super) fn read(state: &StateArguments) -> Result<Snapshot, CommandError> {
    Ok(Snapshot::read(&StateDirectory::new(&state.state)?)?)
}

/// The configuration of a pipeline or a scorer.
pub(super) fn configuration<R>(job: &JobSnapshot<R>) -> Result<&Path, CommandError> {
    job.configuration.as_deref().context(NoConfigurationSnafu { name: job.full_name() })
}

/// Runs the worker in the foreground.
pub(super) fn run_worker(worker: &WorkerArguments, words: Vec<String>) -> Result<ExitCode, CommandError> {
    let worker = worker_program::find(worker.worker.as_deref())?;
    let status = Command::new(&worker).args(words).status().context(StartWorkerSnafu { worker })?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The only one, or that of a name, which may be `namespace/name`.
pub(super) fn choose_one<'a, R>(
    jobs: &'a [JobSnapshot<R>],
    name: Option<&str>,
) -> Result<&'a JobSnapshot<R>, CommandError> {
    let chosen: Vec<_> = jobs.iter().filter(|job| name.is_none_or(|name| job.is_called(name))).collect();
    let names = |jobs: &[&JobSnapshot<R>]| jobs.iter().map(|job| job.full_name()).collect::<Vec<_>>();
    match chosen[..] {
        [job] => Ok(job),
        [] => {
            let names = names(&jobs.iter().collect::<Vec<_>>());
            NoSuchPipelineSnafu { name: name.unwrap_or_default(), names }.fail()
        }
        _ => SeveralSnafu { names: names(&chosen) }.fail(),
    }
}

#[cfg(test)]
mod tests {
    use super::choose_one;
    use crate::commands::CommandError;
    use crate::progress::fixtures;

    #[test]
    fn where_there_are_several_one_must_be_named() {
        let [one, mut other] = [fixtures::pipeline(), fixtures::pipeline()];
        other.name = "other".to_owned();
        let pipelines = [one, other];
        for name in ["other", "default/other"] {
            assert_eq!(choose_one(&pipelines, Some(name)).expect("there is one").name, "other");
        }
        let error = choose_one(&pipelines, None).expect_err("there are two");
        assert!(matches!(&error, CommandError::Several { names } if names.len() == 2), "{error}");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let error = choose_one(&[fixtures::scorer()], Some("other")).expect_err("it is not there");
        assert!(error.to_string().contains("default/shop"), "{error}");
    }
}
