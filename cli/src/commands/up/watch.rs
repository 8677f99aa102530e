//! Shows progress and what happens, until Ctrl-C, `sluice down`, or the end of the work.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use snafu::ResultExt;

use crate::commands::up::Signals;
use crate::commands::up::session::Session;
use crate::commands::{CommandError, PrintSnafu, ProcessFailedSnafu};
use crate::progress::format;
use crate::supervise::{ChildState, Role};

/// How often workers are asked for their reports.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the snapshot is written, for `status` after a crash of this program.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// What the states of all workers mean for the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    GoOn,
    /// All are done.
    Finished,
    /// The worker of this name will never be.
    Failed(String),
}

/// Watches until something ends it. Nothing is stopped here.
pub(super) async fn watch(session: &mut Session, signals: &mut Signals) -> Result<ExitCode, CommandError> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let began = Instant::now();
    let mut written = Instant::now();
    loop {
        tokio::select! {
            () = signals.received() => {
                summarise(session, began, "stopping")?;
                return Ok(ExitCode::SUCCESS);
            }
            event = session.supervisor.next_event() => session.note(event)?,
            _ = looks.tick() => {
                session.start_upkeep();
                session.look().await;
                session.start_replays();
                let views = session.views();
                session.printer.progress(&views).context(PrintSnafu)?;
                if written.elapsed() >= WRITE_EVERY {
                    session.snapshot.write(&session.state)?;
                    written = Instant::now();
                }
            }
        }
        match verdict(&session.supervisor.states(Role::Worker), session.until_caught_up) {
            Verdict::GoOn => {}
            Verdict::Finished => {
                summarise(session, began, "caught up")?;
                return Ok(ExitCode::SUCCESS);
            }
            Verdict::Failed(process) => {
                // The event may still be on its way.
                for event in session.supervisor.pending_events() {
                    session.note(event)?;
                }
                let (reason, last_lines) = session.failures.get(&process).cloned().unwrap_or_default();
                return ProcessFailedSnafu { process, reason, last_lines }.fail();
            }
        }
    }
}

/// | workers | until caught up | otherwise |
/// |---|---|---|
/// | all have finished | finished | cannot be |
/// | one has failed for good | failed | go on, if another one lives |
/// | all have failed for good | failed | failed |
fn verdict(workers: &[(&str, ChildState)], until_caught_up: bool) -> Verdict {
    let failed = |(name, state): &(&str, ChildState)| {
        matches!(state, ChildState::Failed { .. }).then(|| (*name).to_owned())
    };
    let failures: Vec<String> = workers.iter().filter_map(failed).collect();
    let enough = if until_caught_up { 1 } else { workers.len().max(1) };
    if failures.len() >= enough {
        return Verdict::Failed(failures[0].clone());
    }
    let all_finished = workers.iter().all(|(_, state)| *state == ChildState::Finished);
    if until_caught_up && all_finished { Verdict::Finished } else { Verdict::GoOn }
}

fn summarise(session: &mut Session, began: Instant, word: &str) -> Result<(), CommandError> {
    for event in session.supervisor.pending_events() {
        session.note(event)?;
    }
    let views = session.views();
    session.printer.summary(&views).context(PrintSnafu)?;
    let line = format!("{word} after {}", format::duration(began.elapsed()));
    session.printer.say(&line).context(PrintSnafu)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, verdict};
    use crate::supervise::ChildState;

    fn running() -> ChildState {
        ChildState::Running { pid: 1 }
    }

    fn failed() -> ChildState {
        ChildState::Failed { reason: "failed with exit code 2".to_owned() }
    }

    #[test]
    fn catching_up_ends_when_all_have_finished() {
        assert_eq!(verdict(&[("a", ChildState::Finished), ("b", running())], true), Verdict::GoOn);
        assert_eq!(
            verdict(&[("a", ChildState::Finished), ("b", ChildState::Finished)], true),
            Verdict::Finished
        );
    }

    #[test]
    fn catching_up_ends_when_one_has_failed() {
        assert_eq!(verdict(&[("a", running()), ("b", failed())], true), Verdict::Failed("b".to_owned()));
    }

    #[test]
    fn a_long_run_goes_on_while_one_lives() {
        assert_eq!(verdict(&[("a", running()), ("b", failed())], false), Verdict::GoOn);
        assert_eq!(verdict(&[("a", failed()), ("b", failed())], false), Verdict::Failed("a".to_owned()));
        assert_eq!(verdict(&[], false), Verdict::GoOn);
    }
}
