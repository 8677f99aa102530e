//! Asks the worker what is wrong with a configuration, before one runs on it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use snafu::{ResultExt, Snafu};

use crate::manifest::{Origin, Problem};

/// Why the worker could not be asked.
#[derive(Debug, Snafu)]
pub(crate) enum CheckError {
    #[snafu(display("failed to start {}: {source}", worker.display()))]
    Start { worker: PathBuf, source: io::Error },
    #[snafu(display(
        "failed to run {} {}: it does not print findings; is it of this release?\n{output}",
        worker.display(), arguments.join(" ")
    ))]
    Output { worker: PathBuf, arguments: Vec<String>, output: String },
}

/// Something that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Finding {
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) fix: String,
}

impl Finding {
    /// The finding as a problem of the resource that the configuration was made from. Its field is one of
    /// the configuration, whose parts have the names that they have in the resource.
    pub(crate) fn into_problem(self, origin: &Origin) -> Problem {
        let Self { field, message, fix } = self;
        // A scorer's configuration has that of its pipeline inside.
        let (field, message) = match field.strip_prefix("pipeline.") {
            Some(field) => {
                ("spec.pipelineRef.name".to_owned(), format!("its spec.{field}: {message}; {fix}"))
            }
            None => (format!("spec.{field}"), format!("{message}; {fix}")),
        };
        Problem { origin: origin.clone(), field, message }
    }
}

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What the text tells: schema and expressions.
    Offline,
    /// Kafka, registry and storage, too.
    All,
}

/// Everything that is wrong with the documents that a check's command line names. Blocks while the worker looks
/// at them.
pub(crate) fn check(worker: &Path, arguments: &[String], extent: Extent) -> Result<Vec<Finding>, CheckError> {
    let mut command = Command::new(worker);
    command.args(arguments).arg("--json").stdin(Stdio::null());
    if extent == Extent::Offline {
        command.arg("--offline");
    }
    let output = command.output().context(StartSnafu { worker })?;
    serde_json::from_slice(&output.stdout).map_err(|_| CheckError::Output {
        worker: worker.to_owned(),
        arguments: arguments.to_vec(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{CheckError, Extent, Finding, check};

    fn program(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("worker");
        // Another process writes it: were the file open for writing here, a child that another test starts
        // at this moment would inherit it, and the kernel refuses to run what somebody may write.
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(script)
            .status()
            .expect("runs a shell");
        assert!(written.success(), "the program was not written");
        path
    }

    fn arguments() -> Vec<String> {
        ["check", "--config", "c.json"].map(str::to_owned).to_vec()
    }

    #[test]
    fn findings_are_read_and_the_worker_is_asked_what_was_meant() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let script = r#"printf '[{"field":"f","message":"%s","fix":"x"}]' "$*"; exit 1"#;
        let worker = program(directory.path(), script);
        let found = check(&worker, &arguments(), Extent::Offline).expect("asked");
        let message = "check --config c.json --json --offline".to_owned();
        assert_eq!(found, [Finding { field: "f".to_owned(), message, fix: "x".to_owned() }]);
    }

    #[test]
    fn another_program_is_told_apart() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let worker = program(directory.path(), "echo what >&2; exit 1");
        let error = check(&worker, &arguments(), Extent::All).expect_err("no findings");
        assert!(matches!(&error, CheckError::Output { output, .. } if output == "what"), "{error}");
    }
}
