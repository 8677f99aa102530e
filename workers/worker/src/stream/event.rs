//! [`Event`]: everything that the core thread is told, through its one inbox.

use std::collections::BTreeMap;

use sluice_contract::report::Problem;
use sluice_decode::MessageBatch;

use super::backfill::Page;
use super::source::assignment::{Expired, StartingPoint};

/// Something that the core must act on.
#[derive(Debug)]
pub(crate) enum Event {
    /// Messages were read.
    Read(ReadBatch),
    /// Partitions to read from now on: those of the topic at the start, then those that it gains.
    Assigned(Vec<Assignment>),
    /// A partition cannot go on with messages.
    Expired {
        /// Number of the partition.
        partition: i32,
        /// The offset that it wants, and what the broker has.
        expired: Expired,
    },
    /// Rows of bronze, which stand in for messages that the broker has no longer.
    Backfilled(Page),
    /// Bronze does not have the rows that would stand in for messages, and they are not waited for.
    RowsMissing {
        /// Number of the partition.
        partition: i32,
        /// What is missing.
        problem: Problem,
    },
    /// The registry has the writer schema.
    SchemaFound {
        /// The schema's id.
        id: u32,
        /// Its text.
        text: String,
    },
    /// The registry has said for long enough that it does not have the writer schema.
    SchemaNotFound {
        /// The schema's id.
        id: u32,
    },
    /// The closed epoch is in all tables; the next one may be closed.
    Committed,
    /// The files of the connection's security have changed, and Kafka has accepted the new ones.
    Renewed,
    /// Commit what was read, then end.
    Stop,
    /// End at once: the chain belongs to another process, or the epoch cannot be committed.
    Abandon,
}

/// A batch of messages on its way from the reader to the core, and back for its memory.
#[derive(Debug, Default)]
pub(crate) struct ReadBatch {
    /// The messages.
    pub(crate) messages: MessageBatch,
    /// When the oldest of them came into being: its Kafka timestamp if that can be, else its read time.
    pub(crate) oldest_ms: Option<i64>,
    /// Partitions that are read to their end after this batch: see [`super::source::ReadOutcome`].
    pub(crate) at_end: BTreeMap<i32, Option<i64>>,
}

/// What waits for the core to take it, in order.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Messages.
    Batch(ReadBatch),
    /// Rows in place of messages.
    Page(Page),
}

/// A partition to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Number of the partition.
    pub(crate) partition: i32,
    /// Where to start.
    pub(crate) from: StartingPoint,
    /// Where the partition ended when it was looked at.
    pub(crate) end: i64,
}
