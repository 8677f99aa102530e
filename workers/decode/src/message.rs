//! [`MessageBatch`]: raw Kafka messages in one arena, in the order in which they were read.

use std::ops::Range;

/// Raw messages of any partitions; those of one partition are in offset order.
#[derive(Clone, Debug, Default)]
pub struct MessageBatch {
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
}

/// One message, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Number of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Kafka timestamp in milliseconds; `None` where the message carries none.
    pub timestamp_ms: Option<i64>,
    /// Key bytes; `None` is the null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

impl MessageBatch {
    /// An empty batch with room for `messages` messages of `bytes` bytes in all.
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        Self { arena: Vec::with_capacity(bytes), entries: Vec::with_capacity(messages) }
    }

    /// Copies a message to the end of the batch.
    ///
    /// The arena holds at most `u32::MAX` bytes: close a batch well before that.
    pub fn push(&mut self, message: Message<'_>) {
        let key = message.key.map(|bytes| self.store(bytes));
        let value = message.value.map(|bytes| self.store(bytes));
        self.entries.push(Entry {
            partition: message.partition,
            offset: message.offset,
            timestamp_ms: message.timestamp_ms,
            key,
            value,
        });
    }

    fn store(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        start..self.arena.len() as u32
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Forgets all messages and keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.entries.clear();
    }

    /// The message at `index`, in order of arrival.
    pub fn get(&self, index: usize) -> Message<'_> {
        let entry = &self.entries[index];
        let slice = |range: &Range<u32>| &self.arena[range.start as usize..range.end as usize];
        Message {
            partition: entry.partition,
            offset: entry.offset,
            timestamp_ms: entry.timestamp_ms,
            key: entry.key.as_ref().map(slice),
            value: entry.value.as_ref().map(slice),
        }
    }

    /// All messages in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
