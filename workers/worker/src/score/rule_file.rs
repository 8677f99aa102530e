//! [`RuleFile`]: the thread that follows the file of rules.
//!
//! A rule set that is sound is kept in the lake, so that a restart has it, and then offered to the core, which
//! takes it up at the next boundary. One with an error is refused: the problem says so, and the one before it
//! keeps working.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sluice_contract::report::Problem;
use sluice_contract::scorer::RuleSet;
use sluice_engine::{RuleCompiler, Rules};
use sluice_lake::{Lake, failpoint};
use tokio::runtime::Handle;

use super::work::ScoreWork;
use crate::backoff::Backoff;
use crate::report::{Scope, Status};

/// How often the file is read.
const LOOK: Duration = Duration::from_secs(1);

/// A rule set that waits for a boundary. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether one waits: what the core asks before each batch.
    is_open: AtomicBool,
    state: Mutex<OfferState>,
}

#[derive(Debug, Default)]
struct OfferState {
    in_force: Option<String>,
    waiting: Option<Rules>,
}

impl Offer {
    /// Whether a rule set waits.
    pub(super) fn is_open(&self) -> bool {
        self.shared.is_open.load(Ordering::Acquire)
    }

    /// Takes the one that waits.
    pub(super) fn take(&self) -> Option<Rules> {
        let taken = self.lock().waiting.take();
        self.shared.is_open.store(false, Ordering::Release);
        taken
    }

    /// Says which one is in force.
    pub(super) fn in_force(&self, hash: &str) {
        self.lock().in_force = Some(hash.to_owned());
    }

    /// Offers a rule set in place of any other that waits. The one in force is no news.
    pub(super) fn make(&self, rules: Rules) {
        let mut state = self.lock();
        let is_news = state.in_force.as_deref() != Some(rules.hash());
        state.waiting = is_news.then_some(rules);
        self.shared.is_open.store(is_news, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OfferState> {
        self.shared.state.lock().expect("no holder of the lock panics")
    }
}

/// Where rule sets are kept.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    pub(super) lake: Lake,
    pub(super) job: String,
}

/// Follows the file of rules until it is dropped.
#[derive(Debug)]
pub(super) struct RuleFile {
    _alive: Sender<()>,
}

impl RuleFile {
    /// Starts to follow it.
    pub(super) fn follow(
        work: &ScoreWork,
        compiler: RuleCompiler,
        (runtime, keep): (Handle, Keep),
        offer: Offer,
    ) -> Self {
        let (alive, life) = mpsc::channel();
        let follower = Follower {
            path: work.rules.clone(),
            status: Arc::clone(&work.status),
            compiler,
            runtime,
            keep,
            offer,
        };
        let spawned = thread::Builder::new().name("rules".to_owned()).spawn(move || follower.run(&life));
        if let Err(error) = spawned {
            tracing::error!(%error, "failed to start a thread: new rules will not be noticed");
        }
        Self { _alive: alive }
    }
}

struct Follower {
    path: PathBuf,
    status: Arc<Status>,
    compiler: RuleCompiler,
    runtime: Handle,
    keep: Keep,
    offer: Offer,
}

impl Follower {
    fn run(&self, life: &Receiver<()>) {
        let mut seen: Option<Result<String, String>> = None;
        let mut backoff = Backoff::default();
        loop {
            let content = std::fs::read_to_string(&self.path).map_err(|error| error.to_string());
            let mut pause = LOOK;
            if seen.as_ref() != Some(&content) {
                match self.consider(&content) {
                    Considered::Done => {
                        seen = Some(content);
                        backoff.reset();
                    }
                    Considered::StorageAway => pause = backoff.pause(),
                }
            }
            match life.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn consider(&self, content: &Result<String, String>) -> Considered {
        let (rules, text) = match self.compile(content) {
            Ok(compiled) => compiled,
            Err(problem) => {
                self.status.raise(Scope::Rules, problem);
                return Considered::Done;
            }
        };
        let Keep { lake, job } = &self.keep;
        if let Err(error) = self.runtime.block_on(lake.put_rule_set(job, rules.hash(), text)) {
            tracing::warn!(%error, rule_set = rules.hash(), "failed to keep a rule set: it is not taken up yet");
            return Considered::StorageAway;
        }
        failpoint::hit("after_rule_set");
        self.status.clear(Scope::Rules);
        self.offer.make(rules);
        Considered::Done
    }

    /// The rule set of the file and its text, or why it is refused.
    fn compile(&self, content: &Result<String, String>) -> Result<(Rules, String), Problem> {
        let path = self.path.display();
        let refused = |what: String| Problem {
            reason: "RulesRefused".to_owned(),
            message: format!("{what}; the rules in force before keep working, if there are any"),
        };
        let text = content
            .as_ref()
            .map_err(|error| refused(format!("failed to read the rules \"{path}\": {error}")))?;
        let rules = RuleSet::from_json(text).map_err(|error| refused(format!("\"{path}\": {error}")))?;
        let compiled = self.compiler.compile(&rules).map_err(|errors| {
            refused(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        Ok((compiled, rules.to_json()))
    }
}

/// How a look at a changed file ended.
enum Considered {
    /// It was offered, or refused.
    Done,
    /// It is sound, and could not be kept.
    StorageAway,
}

#[cfg(test)]
mod tests;
