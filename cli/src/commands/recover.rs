//! `sluice recover`: rebuilds what the lake of a pipeline remembers, after some of it was lost.

use std::path::Path;
use std::process::ExitCode;

use crate::args::RecoverArguments;
use crate::commands::CommandError;
use crate::commands::on_lake::{self, Subject};

pub(super) fn run(arguments: &RecoverArguments) -> Result<ExitCode, CommandError> {
    let RecoverArguments { name, scorer, apply, state, worker } = arguments;
    let subject = if *scorer { Subject::Scorer } else { Subject::Pipeline };
    on_lake::run((subject, name.as_deref()), state, worker, |configuration| {
        words(configuration, *scorer, *apply)
    })
}

/// The command line of the worker.
fn words(configuration: &Path, scorer: bool, apply: bool) -> Vec<String> {
    let mut words = vec!["recover".to_owned(), format!("--config={}", configuration.display())];
    if scorer {
        words.push("--scorer".to_owned());
    }
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
            (vec!["sluice", "recover", "--scorer", "orders"], vec!["recover", "--config=c.json", "--scorer"]),
        ] {
            let Command::Recover(recover) = Arguments::parse_from(line).command else {
                panic!("it is `recover`");
            };
            assert_eq!(recover.name.as_deref(), Some("orders"));
            assert_eq!(words(Path::new("c.json"), recover.scorer, recover.apply), expected);
        }
    }
}
