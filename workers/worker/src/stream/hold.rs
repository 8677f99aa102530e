//! [`Holds`]: messages that wait for their writer schema, so that the order within a partition stays.
//!
//! A partition is held from the first message whose schema nobody knows yet. All that follows on it
//! waits too; other partitions go on. The caller pauses a held partition, so at most the batches that
//! were on their way are held.

use std::collections::{BTreeMap, BTreeSet};

use sluice_decode::{Message, MessageBatch};

/// The messages of held partitions.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    partitions: BTreeMap<i32, MessageBatch>,
}

/// What [`Holds::admit`] let through.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Messages that can be processed now.
    pub(crate) ready: MessageBatch,
    /// Partitions that are held from now on.
    pub(crate) held: Vec<i32>,
}

/// What [`Holds::release`] let go.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// Messages that can be processed now.
    pub(crate) ready: MessageBatch,
    /// Partitions that are held no longer.
    pub(crate) freed: Vec<i32>,
}

impl Holds {
    /// Whether no partition is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Whether a partition is held.
    pub(crate) fn holds(&self, partition: i32) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Takes from a batch what can be processed, and holds the rest.
    pub(crate) fn admit(&mut self, batch: &MessageBatch, unresolved: &BTreeSet<u32>) -> Admitted {
        let mut admitted = Admitted::default();
        for message in batch.iter() {
            if let Some(held) = self.partitions.get_mut(&message.partition) {
                held.push(message);
            } else if waits(message, unresolved) {
                let mut held = MessageBatch::default();
                held.push(message);
                self.partitions.insert(message.partition, held);
                admitted.held.push(message.partition);
            } else {
                admitted.ready.push(message);
            }
        }
        admitted
    }

    /// Lets go what waits no longer, each partition up to its next message with an unresolved schema.
    pub(crate) fn release(&mut self, unresolved: &BTreeSet<u32>) -> Released {
        let mut released = Released::default();
        for (partition, batch) in std::mem::take(&mut self.partitions) {
            let first_waiting = batch.iter().position(|message| waits(message, unresolved));
            for index in 0..first_waiting.unwrap_or(batch.len()) {
                released.ready.push(batch.get(index));
            }
            let Some(first_waiting) = first_waiting else {
                released.freed.push(partition);
                continue;
            };
            let mut still_held = MessageBatch::default();
            for index in first_waiting..batch.len() {
                still_held.push(batch.get(index));
            }
            self.partitions.insert(partition, still_held);
        }
        released
    }

    /// All messages held, for asking which schemas they name.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &MessageBatch> {
        self.partitions.values()
    }
}

fn waits(message: Message<'_>, unresolved: &BTreeSet<u32>) -> bool {
    message.value.and_then(schema_id).is_some_and(|id| unresolved.contains(&id))
}

/// The schema id in the header of a framed Avro message; `None` where there is no such header.
fn schema_id(value: &[u8]) -> Option<u32> {
    let (&[magic, a, b, c, d], _) = value.split_first_chunk::<5>()?;
    (magic == 0).then(|| u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with the schema id in its header; `None` is a message that has no header.
    fn push(batch: &mut MessageBatch, partition: i32, offset: i64, id: Option<u32>) {
        let framed = id.map(|id| [&[0], id.to_be_bytes().as_slice(), b"datum"].concat());
        let value = framed.as_deref().unwrap_or(b"?");
        batch.push(Message { partition, offset, timestamp_ms: None, key: None, value: Some(value) });
    }

    fn places(batch: &MessageBatch) -> Vec<(i32, i64)> {
        batch.iter().map(|message| (message.partition, message.offset)).collect()
    }

    #[test]
    fn a_partition_is_held_from_its_first_unresolved_message_and_others_go_on() {
        let mut batch = MessageBatch::default();
        for (partition, offset, id) in [(0, 0, 1), (1, 0, 1), (0, 1, 9), (1, 1, 1), (0, 2, 1)] {
            push(&mut batch, partition, offset, Some(id));
        }
        let mut holds = Holds::default();
        let admitted = holds.admit(&batch, &BTreeSet::from([9]));
        assert_eq!(places(&admitted.ready), [(0, 0), (1, 0), (1, 1)]);
        assert_eq!(admitted.held, [0]);
        assert_eq!(places(holds.batches().next().expect("one is held")), [(0, 1), (0, 2)]);
    }

    #[test]
    fn later_batches_of_a_held_partition_wait_behind_it_even_with_known_schemas() {
        let mut holds = Holds::default();
        let mut first = MessageBatch::default();
        push(&mut first, 0, 0, Some(9));
        holds.admit(&first, &BTreeSet::from([9]));
        let mut second = MessageBatch::default();
        push(&mut second, 0, 1, Some(1));
        push(&mut second, 1, 0, Some(1));
        let admitted = holds.admit(&second, &BTreeSet::new());
        assert_eq!(places(&admitted.ready), [(1, 0)]);
        assert!(admitted.held.is_empty(), "it was held before");
    }

    #[test]
    fn a_resolved_schema_frees_its_partitions_in_order() {
        let mut holds = Holds::default();
        let mut batch = MessageBatch::default();
        for (partition, offset, id) in [(0, 0, 9), (0, 1, 1), (1, 0, 8), (1, 1, 9)] {
            push(&mut batch, partition, offset, Some(id));
        }
        holds.admit(&batch, &BTreeSet::from([8, 9]));
        let released = holds.release(&BTreeSet::from([8]));
        assert_eq!(places(&released.ready), [(0, 0), (0, 1)]);
        assert_eq!(released.freed, [0]);
        assert!(holds.holds(1) && !holds.holds(0));
        let released = holds.release(&BTreeSet::new());
        assert_eq!(places(&released.ready), [(1, 0), (1, 1)]);
        assert!(holds.is_empty());
    }

    #[test]
    fn a_released_partition_stays_held_at_its_next_unresolved_message() {
        let mut holds = Holds::default();
        let mut batch = MessageBatch::default();
        for (offset, id) in [(0, 9), (1, 1), (2, 8), (3, 1)] {
            push(&mut batch, 0, offset, Some(id));
        }
        holds.admit(&batch, &BTreeSet::from([8, 9]));
        let released = holds.release(&BTreeSet::from([8]));
        assert_eq!(places(&released.ready), [(0, 0), (0, 1)]);
        assert!(released.freed.is_empty());
        assert_eq!(places(holds.batches().next().expect("one is held")), [(0, 2), (0, 3)]);
    }

    #[test]
    fn messages_without_a_header_never_wait() {
        let mut batch = MessageBatch::default();
        push(&mut batch, 0, 0, None);
        batch.push(Message { partition: 0, offset: 1, timestamp_ms: None, key: None, value: None });
        batch.push(Message {
            partition: 0,
            offset: 2,
            timestamp_ms: None,
            key: None,
            value: Some(&[1, 0, 0, 0, 9]),
        });
        let admitted = Holds::default().admit(&batch, &BTreeSet::from([9]));
        assert_eq!(admitted.ready.len(), 3);
    }
}
