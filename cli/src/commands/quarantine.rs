//! `sluice quarantine`: refused messages of a pipeline that runs here, or ran last. The worker does the work, since
//! only it knows lakes.

use std::path::Path;
use std::process::{Command, ExitCode};

use snafu::{OptionExt, ResultExt};

use crate::args::{QuarantineArguments, QuarantineCommand, ShowArguments, StatusOutput};
use crate::commands::status::choose;
use crate::commands::{CommandError, NoConfigurationSnafu, SeveralPipelinesSnafu, StartWorkerSnafu};
use crate::snapshot::{PipelineSnapshot, Snapshot};
use crate::state_directory::StateDirectory;
use crate::worker_program;

pub(super) fn run(command: &QuarantineCommand) -> Result<ExitCode, CommandError> {
    let (verb, arguments, limit) = match command {
        QuarantineCommand::List(arguments) => ("list", arguments, None),
        QuarantineCommand::Show(ShowArguments { quarantine, limit }) => ("show", quarantine, *limit),
        QuarantineCommand::Replay(arguments) => ("replay", arguments, None),
    };
    let snapshot = Snapshot::read(&StateDirectory::new(&arguments.state.state)?)?;
    let pipeline = choose_one(&snapshot, arguments.name.as_deref())?;
    let configuration =
        pipeline.configuration.as_ref().context(NoConfigurationSnafu { pipeline: pipeline.full_name() })?;
    let worker = worker_program::find(arguments.worker.worker.as_deref())?;
    let status = Command::new(&worker)
        .args(words(verb, configuration, arguments, limit))
        .status()
        .context(StartWorkerSnafu { worker })?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose_one<'a>(snapshot: &'a Snapshot, name: Option<&str>) -> Result<&'a PipelineSnapshot, CommandError> {
    match choose(snapshot, name)?.as_slice() {
        [pipeline] => Ok(pipeline),
        several => {
            let names = several.iter().map(|pipeline| pipeline.full_name()).collect::<Vec<_>>();
            SeveralPipelinesSnafu { names }.fail()
        }
    }
}

/// The command line of the worker.
fn words(
    verb: &str,
    configuration: &Path,
    arguments: &QuarantineArguments,
    limit: Option<u32>,
) -> Vec<String> {
    let output = match arguments.output {
        StatusOutput::Text => "table",
        StatusOutput::Json => "json",
    };
    let mut words = vec!["quarantine".to_owned(), verb.to_owned()];
    let options = [
        ("config", Some(configuration.to_string_lossy().into_owned())),
        ("output", Some(output.to_owned())),
        ("stage", arguments.stage.clone()),
        ("reason", arguments.reason.clone()),
        ("partition", arguments.partition.map(|partition| partition.to_string())),
        ("offset", arguments.offset.map(|offset| offset.to_string())),
        ("since", arguments.since.clone()),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    // With `=` a value may begin with a dash.
    words.extend(options.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?))));
    words
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::Parser;

    use super::{choose_one, words};
    use crate::args::{Arguments, Command, QuarantineCommand};
    use crate::commands::CommandError;
    use crate::progress::fixtures;
    use crate::snapshot::Snapshot;

    #[test]
    fn the_worker_is_told_what_was_asked_for() {
        let line =
            ["sluice", "quarantine", "show", "orders", "--reason", "Bad", "--partition", "3", "--limit", "5"];
        let Command::Quarantine(QuarantineCommand::Show(show)) = Arguments::parse_from(line).command else {
            panic!("it is `quarantine show`");
        };
        assert_eq!(show.quarantine.name.as_deref(), Some("orders"));
        assert_eq!(show.quarantine.state.state, PathBuf::from(".sluice"));
        let expected = [
            "quarantine",
            "show",
            "--config=c.json",
            "--output=table",
            "--reason=Bad",
            "--partition=3",
            "--limit=5",
        ];
        assert_eq!(words("show", Path::new("c.json"), &show.quarantine, show.limit), expected);
    }

    #[test]
    fn where_there_are_several_pipelines_one_must_be_named() {
        let [one, mut other] = [fixtures::pipeline(), fixtures::pipeline()];
        other.name = "other".to_owned();
        let pipelines = vec![one, other];
        let snapshot =
            Snapshot { started_at_ms: 0, taken_at_ms: 0, services: vec![], generators: vec![], pipelines };
        assert_eq!(choose_one(&snapshot, Some("other")).expect("there is one").name, "other");
        let error = choose_one(&snapshot, None).expect_err("there are two");
        assert!(matches!(&error, CommandError::SeveralPipelines { names } if names.len() == 2), "{error}");
    }
}
