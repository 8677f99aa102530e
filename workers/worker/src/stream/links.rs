//! [`Links`]: whom the core talks to: the encoders, the reader, the committer, the registry's tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use sluice_decode::MessageBatch;
use sluice_engine::{ClosedEpoch, MemorySize};
use tokio::sync::mpsc;

use super::backfill::Backfiller;
use super::encoders::{Encoder, Files};
use super::schemas::Resolver;
use super::source::assignment::Expired;
use super::source::reader::Command;
use super::work::Pledge;
use crate::report::Status;

/// A closed epoch on its way to the committer.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Positions, counts and state.
    pub(crate) content: ClosedEpoch,
    /// The files of each table, as soon as they are encoded; none for an epoch without messages.
    pub(crate) files: Vec<(String, Files)>,
    /// See [`super::work::EndedEpoch::rule_set`].
    pub(crate) rule_set: Option<String>,
    /// See [`super::work::EndedEpoch::pledge`].
    pub(crate) pledge: Option<Pledge>,
    /// See [`crate::report::Commit::oldest_message_ms`].
    pub(crate) oldest_message_ms: Option<i64>,
    /// How long it was open.
    pub(crate) open_for: Duration,
    /// When it closed.
    pub(crate) closed_at: Instant,
    /// How large the memory of deduplication was then.
    pub(crate) memory: MemorySize,
}

/// Whom the core talks to.
#[derive(Debug)]
pub(crate) struct Links {
    /// Where rows go: the encoder of each table, by its number.
    pub(crate) encoders: Vec<(String, Encoder)>,
    /// What the reader is told.
    pub(crate) commands: Sender<Command>,
    /// Batches for the reader to fill again.
    pub(crate) recycled: Sender<MessageBatch>,
    /// Where closed epochs go. There is room for one, and never more than one on its way.
    pub(crate) closed: mpsc::Sender<Closed>,
    /// Who asks for writer schemas; `None` for JSON.
    pub(crate) resolver: Option<Resolver>,
    /// Who reads rows of bronze in place of messages; `None`: nobody.
    pub(crate) backfiller: Option<Backfiller>,
    /// What the worker says of itself.
    pub(crate) status: Arc<Status>,
}

impl Links {
    /// Sends rows to the encoders of their tables.
    pub(crate) fn write(&self, rows: Vec<(usize, RecordBatch)>) {
        for (table, rows) in rows {
            self.encoders[table].1.write(rows);
        }
    }

    /// Ends the epoch in all encoders.
    pub(crate) fn finish(&self) -> Vec<(String, Files)> {
        self.encoders.iter().map(|(table, encoder)| (table.clone(), encoder.finish())).collect()
    }

    /// Hands a closed epoch over; `false` when the committer is gone.
    pub(crate) fn commit(&self, closed: Closed) -> bool {
        self.closed.try_send(closed).is_ok()
    }

    /// Gives an emptied batch back to the reader.
    pub(crate) fn recycle(&self, mut messages: MessageBatch) {
        messages.clear();
        // A reader that has ended needs no batches; the core hears of the end from elsewhere.
        let _ = self.recycled.send(messages);
    }

    /// Has the registry asked for a writer schema.
    pub(crate) fn ask_for_schema(&mut self, id: u32) {
        if let Some(resolver) = &mut self.resolver {
            resolver.ask(id);
        }
    }

    /// Whether rows of bronze may stand in for messages that the broker lacks.
    pub(crate) fn can_backfill(&self, expired: Expired) -> bool {
        self.backfiller.is_some() && expired.was_there()
    }

    /// Has rows of bronze read in place of messages.
    pub(crate) fn backfill(&mut self, partition: i32, expired: Expired) {
        if let Some(backfiller) = &mut self.backfiller {
            backfiller.start(partition, expired);
        }
    }

    /// Reads these partitions too.
    pub(crate) fn assign(&self, offsets: BTreeMap<i32, i64>) {
        self.command(Command::Assign(offsets));
    }

    /// Stops fetching a partition.
    pub(crate) fn pause(&self, partition: i32) {
        self.command(Command::Pause(partition));
    }

    /// Goes on with a paused partition.
    pub(crate) fn resume(&self, partition: i32) {
        self.command(Command::Resume(partition));
    }

    fn command(&self, command: Command) {
        // As with `recycle`.
        let _ = self.commands.send(command);
    }
}
