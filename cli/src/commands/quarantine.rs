//! `sluice quarantine`: refused messages of a pipeline that runs here, or ran last.

use std::path::Path;
use std::process::ExitCode;

use crate::args::{QuarantineArguments, QuarantineCommand, ShowArguments, StatusOutput};
use crate::commands::CommandError;
use crate::commands::on_lake::{self, Subject};

pub(super) fn run(command: &QuarantineCommand) -> Result<ExitCode, CommandError> {
    let (verb, arguments, limit) = match command {
        QuarantineCommand::List(arguments) => ("list", arguments, None),
        QuarantineCommand::Show(ShowArguments { quarantine, limit }) => ("show", quarantine, *limit),
        QuarantineCommand::Replay(arguments) => ("replay", arguments, None),
    };
    let QuarantineArguments { name, state, worker, .. } = arguments;
    let subject = (Subject::Pipeline, name.as_deref());
    on_lake::run(subject, state, worker, |configuration| words(verb, configuration, arguments, limit))
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

    use super::words;
    use crate::args::{Arguments, Command, QuarantineCommand};

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
}
