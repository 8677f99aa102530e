//! Where messages come from: the seam, Kafka behind it, and the thread that reads.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use sluice_decode::MessageBatch;

pub(crate) mod assignment;
pub(crate) mod kafka;
pub(crate) mod reader;
pub(crate) mod renewal;
pub(crate) mod watcher;

/// How much one [`Source::read`] takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// Messages.
    pub(crate) messages: usize,
    /// Bytes of keys and values.
    pub(crate) bytes: usize,
    /// How long to go on collecting after the first message.
    pub(crate) linger: Duration,
    /// How long to wait for the first message.
    pub(crate) patience: Duration,
}

/// What a read brought beside messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadOutcome {
    /// Partitions that are read to their end after this batch, with the offset to go on from: it may
    /// lie beyond the last message, where the log holds transaction markers; `None` where nothing was
    /// read since the partition was assigned.
    pub(crate) at_end: BTreeMap<i32, Option<i64>>,
    /// The broker no longer has, or never had, the offset that some partition wants next.
    pub(crate) out_of_range: bool,
}

/// Where messages come from. One thread drives it; positions are the caller's business.
pub(crate) trait Source: Debug + Send {
    /// Adds what there is to `batch`: those of one partition in offset order.
    fn read(&mut self, batch: &mut MessageBatch, limits: &ReadLimits) -> ReadOutcome;

    /// Reads these partitions too, each from its offset; one that is read already moves there.
    fn assign(&mut self, offsets: &BTreeMap<i32, i64>);

    /// Stops fetching a partition. What was read of it stays read.
    fn pause(&mut self, partition: i32);

    /// Goes on with a paused partition after the last message read of it.
    fn resume(&mut self, partition: i32);

    /// Tells the broker, for tools that show lag, how far the tables are. Nothing depends on it.
    fn acknowledge(&mut self, offsets: &BTreeMap<i32, i64>);
}
