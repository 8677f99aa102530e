//! [`Core`]: the thread that turns messages into rows and decides when epochs close.
//!
//! It is told everything through one inbox, does no I/O, and never waits for storage: an epoch in
//! commit is the committer's business, and meanwhile the next one is filled. Only when that one is
//! full too does the core stop taking batches, which stops the reader.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use sluice_contract::report::Problem;
use sluice_decode::MessageBatch;
use sluice_engine::EpochPolicy;

use super::caught_up::Goal;
use super::event::{Event, ReadBatch, Waiting};
use super::hold::Holds;
use super::idle::IdleTracker;
use super::links::{Closed, Links};
use super::work::{EndedEpoch, Processor};
use crate::clock::now_us;

mod partitions;

/// The inbox is left at least this often, to look at the time.
const TICK: Duration = Duration::from_millis(20);
/// How often silence is looked for.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// A chain without rows gives a sign of life this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Why the core ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CoreEnd {
    /// Everything up to the goal is on its way into the tables.
    CaughtUp,
    /// It was asked to stop; what was read is on its way into the tables.
    Stopped,
    /// The goal cannot be reached: these partitions cannot be read on.
    Unreachable(Vec<Problem>),
    /// It was told to end at once, or nobody is left to talk to.
    Abandoned,
    /// Something that should be impossible.
    Broken(String),
}

/// What a core is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreOptions {
    /// When an epoch closes.
    pub(crate) policy: EpochPolicy,
    /// How long a silent partition takes to become idle.
    pub(crate) idle_after_ms: u64,
    /// Whether to end when everything that was in the topic at the start is processed.
    pub(crate) until_caught_up: bool,
}

/// One shard's processing. Owned by one thread.
pub(crate) struct Core {
    processor: Box<dyn Processor>,
    links: Links,
    options: CoreOptions,
    topic: String,
    holds: Holds,
    idle: IdleTracker,
    goal: Option<Goal>,
    expired: BTreeMap<i32, Problem>,
    /// Partitions of which rows stand in for messages.
    backfilling: BTreeSet<i32>,
    waiting: VecDeque<Waiting>,
    started: Instant,
    epoch: OpenEpoch,
    in_commit: bool,
    /// Nothing is processed until the epoch in commit is in all tables.
    at_boundary: bool,
    /// A writer schema was told, for which partitions may wait.
    release_due: bool,
    must_pin_positions: bool,
    stopping: bool,
    idle_checked: Instant,
}

#[derive(Clone, Copy, Debug)]
struct OpenEpoch {
    since: Instant,
    first_message_at: Option<Instant>,
    oldest_message_ms: Option<i64>,
}

impl OpenEpoch {
    fn new(now: Instant) -> Self {
        Self { since: now, first_message_at: None, oldest_message_ms: None }
    }
}

type Step = ControlFlow<CoreEnd>;

impl Core {
    /// A core whose partitions have been restored.
    pub(crate) fn new(
        processor: Box<dyn Processor>,
        links: Links,
        options: CoreOptions,
        topic: String,
    ) -> Self {
        let now = Instant::now();
        Self {
            processor,
            links,
            options,
            topic,
            holds: Holds::default(),
            idle: IdleTracker::new(options.idle_after_ms),
            goal: None,
            expired: BTreeMap::new(),
            backfilling: BTreeSet::new(),
            waiting: VecDeque::new(),
            started: now,
            epoch: OpenEpoch::new(now),
            in_commit: false,
            at_boundary: false,
            release_due: false,
            must_pin_positions: false,
            stopping: false,
            idle_checked: now,
        }
    }

    /// Works until something ends it.
    pub(crate) fn run(mut self, inbox: &Receiver<Event>) -> CoreEnd {
        loop {
            let step = match inbox.recv_timeout(TICK) {
                Ok(event) => self.hear(event),
                Err(RecvTimeoutError::Timeout) => Step::Continue(()),
                Err(RecvTimeoutError::Disconnected) => Step::Break(CoreEnd::Abandoned),
            };
            let step = if step.is_break() { step } else { self.proceed(Instant::now()) };
            if let Step::Break(end) = step {
                return end;
            }
        }
    }

    fn hear(&mut self, event: Event) -> Step {
        match event {
            Event::Read(batch) => self.waiting.push_back(Waiting::Batch(batch)),
            Event::Backfilled(page) => self.waiting.push_back(Waiting::Page(page)),
            Event::Assigned(assignments) => self.assign(&assignments),
            Event::Expired { partition, expired } => self.go_without(partition, expired),
            Event::RowsMissing { partition, problem } => self.stop_partition(partition, problem),
            Event::SchemaFound { id, text } => {
                self.processor.decoder().add_writer_schema(id, &text);
                self.release_due = true;
                return self.release_what_may();
            }
            Event::SchemaNotFound { id } => {
                self.processor.decoder().mark_schema_not_found(id);
                self.release_due = true;
                return self.release_what_may();
            }
            Event::Committed => {
                self.in_commit = false;
                self.at_boundary = false;
            }
            Event::Renewed => self.processor.renewed(),
            Event::Stop => self.stopping = true,
            Event::Abandon => return Step::Break(CoreEnd::Abandoned),
        }
        Step::Continue(())
    }

    /// Does what is due: batches that wait, silence, the end of the epoch, the end of it all.
    fn proceed(&mut self, now: Instant) -> Step {
        self.release_what_may()?;
        self.take_waiting(now)?;
        if now.duration_since(self.idle_checked) >= IDLE_CHECK {
            self.idle_checked = now;
            self.note_silence(now);
        }
        let end = self.end_in_sight();
        if self.in_commit {
            return Step::Continue(());
        }
        let has_messages = self.processor.open_epoch().messages > 0;
        let sign_due = now.duration_since(self.epoch.since) >= SIGN_OF_LIFE || self.must_pin_positions;
        if (!has_messages && sign_due) || (end.is_some() && has_messages) {
            self.close(now)?;
        }
        end.map_or(Step::Continue(()), Step::Break)
    }

    /// Takes the batches that wait, and closes epochs between them as they become due. While one epoch
    /// is in commit, the next one takes no more than its size.
    fn take_waiting(&mut self, now: Instant) -> Step {
        loop {
            if !self.in_commit && self.processor.wants_boundary() {
                self.close(now)?;
                self.at_boundary = true;
            } else if !self.in_commit && self.is_due(now) {
                self.close(now)?;
            }
            let is_full = self.processor.open_epoch().bytes >= self.options.policy.max_bytes;
            if self.stopping || self.at_boundary || is_full || self.processor.is_congested() {
                return Step::Continue(());
            }
            match self.waiting.pop_front() {
                Some(Waiting::Batch(batch)) => self.take(batch, now)?,
                Some(Waiting::Page(page)) => self.take_page(&page, now)?,
                None => return Step::Continue(()),
            }
        }
    }

    /// The end, once there is nothing left to do but to close the epoch.
    fn end_in_sight(&self) -> Option<CoreEnd> {
        if self.stopping {
            return Some(CoreEnd::Stopped);
        }
        let goal = self.goal.as_ref()?;
        if !goal.is_reached(&self.processor.progress()) {
            return None;
        }
        if self.expired.is_empty() {
            return Some(CoreEnd::CaughtUp);
        }
        Some(CoreEnd::Unreachable(self.expired.values().cloned().collect()))
    }

    fn is_due(&self, now: Instant) -> bool {
        let millis = |at: Instant| at.duration_since(self.started).as_millis() as i64;
        let Some(first_message_at) = self.epoch.first_message_at else { return false };
        self.options.policy.should_close(millis(now), millis(first_message_at), self.processor.open_epoch())
    }

    fn take(&mut self, batch: ReadBatch, now: Instant) -> Step {
        let ReadBatch { messages, oldest_ms, at_end } = batch;
        if !messages.is_empty() {
            self.epoch.first_message_at.get_or_insert(now);
            self.epoch.oldest_message_ms = self.epoch.oldest_message_ms.into_iter().chain(oldest_ms).min();
            let mut last = None;
            for message in messages.iter() {
                if last != Some(message.partition) {
                    last = Some(message.partition);
                    self.idle.left_end(message.partition);
                }
            }
            self.admit(&messages)?;
        }
        for (partition, position) in at_end {
            if self.holds.holds(partition) {
                continue;
            }
            self.idle.reached_end(partition);
            if let Some(goal) = &mut self.goal {
                goal.reached_end(partition);
            }
            if let Some(position) = position {
                self.processor.advance(partition, position);
            }
        }
        self.links.recycle(messages);
        Step::Continue(())
    }

    /// Processes what has its writer schema, and holds the rest.
    fn admit(&mut self, messages: &MessageBatch) -> Step {
        let unresolved = self.processor.decoder().unresolved_schema_ids(messages);
        if unresolved.is_empty() && self.holds.is_empty() {
            return self.process(messages);
        }
        let unresolved: BTreeSet<u32> = unresolved.into_keys().collect();
        let admitted = self.holds.admit(messages, &unresolved);
        for id in unresolved {
            self.links.ask_for_schema(id);
        }
        for partition in admitted.held {
            self.links.pause(partition);
        }
        self.process(&admitted.ready)
    }

    /// A schema was told: goes on with the partitions that waited for it, but not across a boundary.
    fn release_what_may(&mut self) -> Step {
        if !self.release_due || self.at_boundary {
            return Step::Continue(());
        }
        self.release_due = false;
        let mut unresolved = BTreeSet::new();
        for batch in self.holds.batches() {
            unresolved.extend(self.processor.decoder().unresolved_schema_ids(batch).into_keys());
        }
        let released = self.holds.release(&unresolved);
        for partition in released.freed {
            self.links.resume(partition);
        }
        self.process(&released.ready)
    }

    fn process(&mut self, messages: &MessageBatch) -> Step {
        if messages.is_empty() {
            return Step::Continue(());
        }
        match self.processor.process(messages, now_us()) {
            Ok(rows) => {
                self.links.write(rows);
                self.links.status.count_messages(messages.len() as u64);
                Step::Continue(())
            }
            Err(unresolved) => Step::Break(CoreEnd::Broken(unresolved.to_string())),
        }
    }

    /// Notes which partitions are idle, and which are read to their ends.
    fn note_silence(&mut self, now: Instant) {
        for (partition, progress) in self.processor.progress() {
            let idle = self.idle.is_idle(partition, progress.counts.silver, now);
            self.processor.set_idle(partition, idle);
            self.processor.set_caught_up(partition, self.idle.is_at_end(partition));
        }
    }

    fn close(&mut self, now: Instant) -> Step {
        self.note_silence(now);
        let epoch = std::mem::replace(&mut self.epoch, OpenEpoch::new(now));
        let EndedEpoch { content, rule_set, pledge } = self.processor.close_epoch();
        let files = if content.size.messages > 0 { self.links.finish() } else { Vec::new() };
        let closed = Closed {
            content,
            files,
            rule_set,
            pledge,
            oldest_message_ms: epoch.oldest_message_ms,
            open_for: now.duration_since(epoch.first_message_at.unwrap_or(epoch.since)),
            closed_at: now,
            memory: self.processor.memory_size(),
        };
        self.in_commit = true;
        self.must_pin_positions = false;
        if self.links.commit(closed) { Step::Continue(()) } else { Step::Break(CoreEnd::Abandoned) }
    }
}

#[cfg(test)]
mod tests;
