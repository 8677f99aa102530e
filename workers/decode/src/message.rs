//! [`MessageBatch`]: raw Kafka messages end to end in memory, in the order in which they were read.

use std::ops::Range;

/// Raw messages of any partitions; those of one partition are in offset order.
#[derive(Clone, Debug, Default)]
pub struct MessageBatch {
    /// Apart from the values: whoever goes through the keys of a batch does not go through all of it.
    keys: Vec<u8>,
    values: Vec<u8>,
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
    /// An empty batch with room for `messages` messages whose values have `bytes` bytes in all.
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        Self { keys: Vec::new(), values: Vec::with_capacity(bytes), entries: Vec::with_capacity(messages) }
    }

    /// Copies a message to the end of the batch.
    ///
    /// Keys and values hold at most `u32::MAX` bytes each: close a batch well before that.
    #[inline]
    pub fn push(&mut self, message: Message<'_>) {
        let key = message.key.map(|bytes| store(&mut self.keys, bytes));
        let value = message.value.map(|bytes| store(&mut self.values, bytes));
        self.entries.push(Entry {
            partition: message.partition,
            offset: message.offset,
            timestamp_ms: message.timestamp_ms,
            key,
            value,
        });
    }

    /// Number of messages.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.keys.len() + self.values.len()
    }

    /// Forgets all messages and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.entries.clear();
    }

    /// The message at `index`, in order of arrival.
    #[inline]
    pub fn get(&self, index: usize) -> Message<'_> {
        let entry = &self.entries[index];
        Message {
            partition: entry.partition,
            offset: entry.offset,
            timestamp_ms: entry.timestamp_ms,
            key: entry.key.as_ref().map(|range| slice(&self.keys, range)),
            value: entry.value.as_ref().map(|range| slice(&self.values, range)),
        }
    }

    /// All messages in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

#[inline]
fn store(end_to_end: &mut Vec<u8>, bytes: &[u8]) -> Range<u32> {
    let start = end_to_end.len() as u32;
    end_to_end.extend_from_slice(bytes);
    start..end_to_end.len() as u32
}

#[inline]
fn slice<'a>(end_to_end: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &end_to_end[range.start as usize..range.end as usize]
}
