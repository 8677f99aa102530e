//! The reader thread: drives a [`Source`] and sends what it reads to the core.
//!
//! The batches circulate: the reader fills one, the core empties it and sends it back. As there are
//! only [`BATCHES`] of them, a core that waits for storage stops the reader, and memory stays bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use sluice_decode::MessageBatch;

use super::watcher::Inspect;
use super::{ReadLimits, Source};
use crate::clock::now_ms;
use crate::stream::event::{Event, ReadBatch};

/// Batches in circulation between the reader and the core.
pub(crate) const BATCHES: usize = 16;
/// Messages of a full batch: so few that messages of half a kilobyte, with all the columns that are made of
/// them, stay in a processor's cache. More cost more CPU time each, fewer cost more switches between threads.
pub(crate) const BATCH_MESSAGES: usize = 2_048;
/// Bytes of a full batch.
pub(crate) const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// How long the reader may be deaf to commands.
const PATIENCE: Duration = Duration::from_millis(50);
/// A Kafka timestamp may be this far ahead of our clock and still count.
const CLOCK_TOLERANCE_MS: i64 = 1_000;

/// What the reader is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// See [`Source::assign`].
    Assign(BTreeMap<i32, i64>),
    /// See [`Source::pause`].
    Pause(i32),
    /// See [`Source::resume`].
    Resume(i32),
    /// See [`Source::acknowledge`].
    Acknowledge(BTreeMap<i32, i64>),
    /// Goes on where the reader is, through another connection.
    Reconnect(Box<dyn Source>),
    /// Ends the reader.
    End,
}

/// The channels of a reader.
#[derive(Debug)]
pub(crate) struct Channels {
    /// Commands.
    pub(crate) commands: Receiver<Command>,
    /// Batches to fill again.
    pub(crate) recycled: Receiver<MessageBatch>,
    /// The core's inbox.
    pub(crate) events: Sender<Event>,
    /// Questions to the watcher.
    pub(crate) inspections: Sender<Inspect>,
}

/// Reads until it is told to end, or nobody is left to read for.
pub(crate) fn run(source: Box<dyn Source>, channels: &Channels, linger: Duration) {
    let limits = ReadLimits { messages: BATCH_MESSAGES, bytes: BATCH_BYTES, linger, patience: PATIENCE };
    let mut reading = Reading { source, next: BTreeMap::new(), paused: BTreeSet::new() };
    let mut free: Option<MessageBatch> = None;
    loop {
        if reading.obey(&channels.commands).is_break() {
            return;
        }
        let mut messages = match free.take() {
            Some(messages) => messages,
            None => match channels.recycled.recv_timeout(PATIENCE) {
                Ok(messages) => messages,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            },
        };
        let outcome = reading.source.read(&mut messages, &limits);
        note_positions(&messages, &outcome.at_end, &mut reading.next);
        if outcome.out_of_range
            && channels.inspections.send(Inspect { wanted: reading.next.clone() }).is_err()
        {
            return;
        }
        if messages.is_empty() && outcome.at_end.is_empty() {
            free = Some(messages);
            continue;
        }
        let oldest_ms = oldest(&messages, now_ms());
        let batch = ReadBatch { messages, oldest_ms, at_end: outcome.at_end };
        if channels.events.send(Event::Read(batch)).is_err() {
            return;
        }
    }
}

/// Where the reader is.
struct Reading {
    source: Box<dyn Source>,
    /// The offset that comes next, for each partition.
    next: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
}

impl Reading {
    fn obey(&mut self, commands: &Receiver<Command>) -> ControlFlow<()> {
        loop {
            match commands.try_recv() {
                Ok(Command::Assign(offsets)) => {
                    self.source.assign(&offsets);
                    self.next.extend(offsets);
                }
                Ok(Command::Pause(partition)) => {
                    self.source.pause(partition);
                    self.paused.insert(partition);
                }
                Ok(Command::Resume(partition)) => {
                    self.source.resume(partition);
                    self.paused.remove(&partition);
                }
                Ok(Command::Acknowledge(offsets)) => self.source.acknowledge(&offsets),
                Ok(Command::Reconnect(source)) => self.reconnect(source),
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Ok(Command::End) | Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
        }
    }

    /// What the former source has fetched and not handed out is fetched again by the new one.
    fn reconnect(&mut self, source: Box<dyn Source>) {
        let former = mem::replace(&mut self.source, source);
        self.source.assign(&self.next);
        for partition in &self.paused {
            self.source.pause(*partition);
        }
        // A consumer whose broker does not answer takes its time to end. Without a thread, it ends here.
        drop(thread::Builder::new().name("close".to_owned()).spawn(move || drop(former)));
    }
}

/// Moves each partition's position behind its last message of the batch, and behind what is no message but
/// was read to the end.
fn note_positions(
    messages: &MessageBatch,
    at_end: &BTreeMap<i32, Option<i64>>,
    next: &mut BTreeMap<i32, i64>,
) {
    let mut current: Option<(i32, i64)> = None;
    for message in messages.iter() {
        if let Some((partition, offset)) = current
            && partition != message.partition
        {
            next.insert(partition, offset + 1);
        }
        current = Some((message.partition, message.offset));
    }
    if let Some((partition, offset)) = current {
        next.insert(partition, offset + 1);
    }
    next.extend(at_end.iter().filter_map(|(partition, position)| Some((*partition, (*position)?))));
}

/// When the oldest message came into being. A timestamp from the future tells nothing.
fn oldest(messages: &MessageBatch, now_ms: i64) -> Option<i64> {
    let credible = 1..=now_ms + CLOCK_TOLERANCE_MS;
    let born =
        |timestamp_ms: Option<i64>| timestamp_ms.filter(|time| credible.contains(time)).unwrap_or(now_ms);
    messages.iter().map(|message| born(message.timestamp_ms)).min()
}

#[cfg(test)]
mod tests;
