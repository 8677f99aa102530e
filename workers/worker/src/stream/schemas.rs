//! Writer schemas: who asks the registry, how often, and when "not found" is final for now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::event::Event;
use crate::backoff::Backoff;
use crate::registry_client::{Answer, RegistryClient};
use crate::report::{Scope, Status};

/// How often a schema that was not found is asked for while its partitions wait.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// Asks the registry for writer schemas, each in a task of its own; answers go to the core.
#[derive(Debug)]
pub(crate) struct Resolver {
    client: RegistryClient,
    runtime: Handle,
    events: Sender<Event>,
    status: Arc<Status>,
    not_found_after: Duration,
    asked: BTreeSet<u32>,
}

impl Resolver {
    /// A resolver that has asked nothing. Its tasks run on `runtime` and end with the core.
    pub(crate) fn new(
        client: RegistryClient,
        runtime: Handle,
        events: Sender<Event>,
        status: Arc<Status>,
        not_found_after: Duration,
    ) -> Self {
        Self { client, runtime, events, status, not_found_after, asked: BTreeSet::new() }
    }

    /// Has a schema asked for, once.
    pub(crate) fn ask(&mut self, id: u32) {
        if !self.asked.insert(id) {
            return;
        }
        tracing::debug!(id, "asking the registry for a writer schema");
        let client = self.client.clone();
        let events = self.events.clone();
        let status = Arc::clone(&self.status);
        let chase = Chase::new(self.not_found_after);
        self.runtime.spawn(async move { pursue(id, client, events, status, chase).await });
    }
}

async fn pursue(
    id: u32,
    client: RegistryClient,
    events: Sender<Event>,
    status: Arc<Status>,
    mut chase: Chase,
) {
    let mut backoff = Backoff::default();
    loop {
        let pause = match client.schema(id).await {
            Ok(Answer::Found(text)) => {
                status.clear(Scope::Registry);
                // Nobody listens any more when the core has ended; then nobody needs the schema.
                let _ = events.send(Event::SchemaFound { id, text });
                return;
            }
            Ok(Answer::NotFound) => {
                status.clear(Scope::Registry);
                backoff.reset();
                let step = chase.not_found(Instant::now());
                if step.is_final {
                    tracing::warn!(
                        id,
                        "the registry does not know a writer schema; its messages are refused"
                    );
                    if events.send(Event::SchemaNotFound { id }).is_err() {
                        return;
                    }
                }
                step.ask_again_after
            }
            Err(error) => {
                status.raise(Scope::Registry, error.problem());
                chase.no_answer();
                backoff.pause()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// What to do after the registry said "not found".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// Whether its messages are to be refused from now on.
    is_final: bool,
    ask_again_after: Duration,
}

/// How long the registry has said "not found" of one schema.
///
/// Only an unbroken series of answers counts: a registry that is away, or that refuses, says nothing
/// of its schemas. After the verdict the schema is still asked for, since somebody may register it.
#[derive(Clone, Copy, Debug)]
struct Chase {
    not_found_after: Duration,
    not_found_since: Option<Instant>,
    is_final: bool,
}

impl Chase {
    fn new(not_found_after: Duration) -> Self {
        Self { not_found_after, not_found_since: None, is_final: false }
    }

    fn not_found(&mut self, now: Instant) -> Step {
        if self.is_final {
            return Step { is_final: false, ask_again_after: self.not_found_after };
        }
        let since = *self.not_found_since.get_or_insert(now);
        let left = self.not_found_after.saturating_sub(now.duration_since(since));
        if left.is_zero() {
            self.is_final = true;
            return Step { is_final: true, ask_again_after: self.not_found_after };
        }
        Step { is_final: false, ask_again_after: left.min(ASK_AGAIN) }
    }

    fn no_answer(&mut self) {
        self.not_found_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn not_found_is_final_after_thirty_seconds_of_answers_and_is_asked_every_three_until_then() {
        let start = Instant::now();
        let mut chase = Chase::new(30 * SECOND);
        assert_eq!(chase.not_found(start), Step { is_final: false, ask_again_after: ASK_AGAIN });
        let late = chase.not_found(start + 29 * SECOND);
        assert_eq!(late, Step { is_final: false, ask_again_after: SECOND });
        let end = chase.not_found(start + 30 * SECOND);
        assert_eq!(end, Step { is_final: true, ask_again_after: 30 * SECOND });
    }

    #[test]
    fn the_verdict_is_given_once_and_the_schema_is_still_asked_for() {
        let start = Instant::now();
        let mut chase = Chase::new(Duration::ZERO);
        assert!(chase.not_found(start).is_final);
        assert!(!chase.not_found(start + SECOND).is_final);
    }

    #[test]
    fn a_registry_that_was_away_starts_the_thirty_seconds_anew() {
        let start = Instant::now();
        let mut chase = Chase::new(30 * SECOND);
        chase.not_found(start);
        chase.no_answer();
        assert!(!chase.not_found(start + 40 * SECOND).is_final);
        assert!(chase.not_found(start + 70 * SECOND).is_final);
    }
}
