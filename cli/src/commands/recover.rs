//! `sluice recover`: rebuilds what the lake of a pipeline remembers, after some of it was lost.

use std::path::Path;
use std::process::ExitCode;

use crate::args::RecoverArguments;
use crate::commands::{CommandError, on_lake};

pub(super) fn run(arguments: &RecoverArguments) -> Result<ExitCode, CommandError> {
    let RecoverArguments { name, apply, state, worker } = arguments;
    on_lake::run(name.as_deref(), state, worker, |configuration| words(configuration, *apply))
}

/// The command line of the worker.
fn words(configuration: &Path, apply: bool) -> Vec<String> {
    let mut words = vec!["recover".to_owned(), format!("--config={}", configuration.display())];
    if apply {
        words.push("--apply".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::words;
    use crate::args::{Arguments, Command};

    #[test]
    fn nothing_is_changed_unless_the_worker_is_told_so() {
        for (line, expected) in [
            (vec!["sluice", "recover", "orders"], vec!["recover", "--config=c.json"]),
            (vec!["sluice", "recover", "orders", "--apply"], vec!["recover", "--config=c.json", "--apply"]),
        ] {
            let Command::Recover(recover) = Arguments::parse_from(line).command else {
                panic!("it is `recover`");
            };
            assert_eq!(recover.name.as_deref(), Some("orders"));
            assert_eq!(words(Path::new("c.json"), recover.apply), expected);
        }
    }
}
