//! Finds the worker program: where the user says, beside this program, or in the PATH.

use std::env;
use std::path::{Path, PathBuf};

use snafu::{OptionExt, Snafu, ensure};

const NAME: &str = "sluice-worker";

/// Why there is no worker.
#[derive(Debug, Snafu)]
pub(crate) enum WorkerProgramError {
    #[snafu(display("failed to find the worker: --worker {} is no program", path.display()))]
    NotAProgram { path: PathBuf },
    #[snafu(display(
        "failed to find the worker: {NAME} is neither beside this program nor in the PATH; build it with \
         `cargo build --workspace`, or give --worker PATH"
    ))]
    NotFound,
}

/// The absolute path of the worker.
pub(crate) fn find(chosen: Option<&Path>) -> Result<PathBuf, WorkerProgramError> {
    if let Some(path) = chosen {
        ensure!(path.is_file(), NotAProgramSnafu { path });
        return Ok(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    }
    let beside = env::current_exe().ok().map(|program| program.with_file_name(NAME));
    let in_path = env::var_os("PATH").unwrap_or_default();
    let candidates =
        beside.into_iter().chain(env::split_paths(&in_path).map(|directory| directory.join(NAME)));
    candidates.into_iter().find(|path| path.is_file()).context(NotFoundSnafu)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::find;

    #[test]
    fn a_worker_that_is_not_there_is_named() {
        let error = find(Some(Path::new("/no/such/worker"))).expect_err("not there");
        assert!(error.to_string().contains("/no/such/worker"), "{error}");
    }

    #[test]
    fn a_chosen_worker_is_taken() {
        assert_eq!(find(Some(Path::new("/bin/sh"))).expect("there"), Path::new("/bin/sh"));
    }
}
