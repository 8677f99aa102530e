//! All that belongs to one partition: position, watermark, memory and counts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{BooleanArray, Int32Array, Int64Array};
use sluice_contract::manifest::{Counts, PartitionProgress, ScoringCounts};
use sluice_decode::{Message, MessageBatch, UnresolvedSchema};

use crate::deduplication::{Entry, Memory};
use crate::quarantine::Refused;
use crate::state::{self, Additions, Section};
use crate::velocity::{self, Counted};
use crate::watermark::Watermark;

/// How large the memory of deduplication is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySize {
    /// Rows, those included that have expired and were not dropped yet.
    pub rows: u64,
    /// Bytes of main memory.
    pub bytes: u64,
}

/// One partition of the topic.
#[derive(Debug)]
pub(crate) struct Partition {
    number: i32,
    next_offset: i64,
    idle: bool,
    caught_up: bool,
    counts: Counts,
    pub(crate) watermark: Watermark,
    pub(crate) memory: Memory,
    /// What the open epoch added to the memory.
    pub(crate) remembered: Vec<Entry>,
    /// When its silver rows were, by key.
    pub(crate) velocity: velocity::Memory,
    /// What the open epoch added to that.
    pub(crate) counted: Vec<Counted>,
}

impl Partition {
    fn new(number: i32, progress: &PartitionProgress, max_out_of_orderness_ms: u64) -> Self {
        Self {
            number,
            next_offset: progress.next_offset,
            idle: progress.idle,
            caught_up: progress.caught_up,
            counts: progress.counts.clone(),
            watermark: Watermark::new(progress.max_event_time_us, max_out_of_orderness_ms),
            memory: Memory::default(),
            remembered: Vec::new(),
            velocity: velocity::Memory::default(),
            counted: Vec::new(),
        }
    }

    fn progress(&self) -> PartitionProgress {
        PartitionProgress {
            next_offset: self.next_offset,
            max_event_time_us: self.watermark.max_event_time_us(),
            idle: self.idle,
            caught_up: self.caught_up,
            counts: self.counts.clone(),
        }
    }

    /// What the open epoch added to the state.
    fn additions(&self) -> (i32, Additions<'_>) {
        (self.number, Additions { remembered: &self.remembered, counted: &self.counted })
    }

    /// Counts a silver row.
    pub(crate) fn count_silver(&mut self) {
        self.counts.silver += 1;
    }

    /// What has become of its silver rows by scoring.
    pub(crate) fn scoring_counts(&mut self) -> &mut ScoringCounts {
        &mut self.counts.scoring
    }

    /// Counts a copy of an earlier silver row.
    pub(crate) fn count_duplicate(&mut self) {
        self.counts.duplicates += 1;
    }
}

/// The partitions of a shard, by number. A *slot* is a place in this list.
#[derive(Debug)]
pub(crate) struct Partitions {
    max_out_of_orderness_ms: u64,
    list: Vec<Partition>,
}

impl Partitions {
    pub(crate) fn new(max_out_of_orderness_ms: u64) -> Self {
        Self { max_out_of_orderness_ms, list: Vec::new() }
    }

    pub(crate) fn restore(&mut self, number: i32, progress: &PartitionProgress) {
        let partition = Partition::new(number, progress, self.max_out_of_orderness_ms);
        match self.find(number) {
            Ok(slot) => self.list[slot] = partition,
            Err(slot) => self.list.insert(slot, partition),
        }
    }

    /// Adds a section of a state file to its partition's memory; one of an unknown partition is skipped.
    ///
    /// Rows that are counted by their keys are kept for `keep_us` behind the watermark.
    pub(crate) fn load(&mut self, section: &Section<'_>, keep_us: i64) {
        let Ok(slot) = self.find(section.partition) else { return };
        let partition = &mut self.list[slot];
        let watermark_us = partition.watermark.value_us();
        for entry in section.entries() {
            partition.memory.load(entry, watermark_us);
        }
        let horizon_us = watermark_us.saturating_sub(keep_us);
        for counted in section.counted() {
            partition.velocity.load(counted, horizon_us);
        }
    }

    pub(crate) fn advance(&mut self, number: i32, next_offset: i64) {
        let partition = self.get_or_start(number);
        partition.next_offset = partition.next_offset.max(next_offset);
    }

    pub(crate) fn set_idle(&mut self, number: i32, idle: bool) {
        self.get_or_start(number).idle = idle;
    }

    pub(crate) fn set_caught_up(&mut self, number: i32, caught_up: bool) {
        self.get_or_start(number).caught_up = caught_up;
    }

    pub(crate) fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        self.list.iter().map(|partition| (partition.number, partition.progress())).collect()
    }

    /// How large the memories of all partitions are together.
    pub(crate) fn memory_size(&self) -> MemorySize {
        let memories = || self.list.iter().map(|partition| &partition.memory);
        MemorySize {
            rows: memories().map(|memory| memory.len() as u64).sum(),
            bytes: memories().map(|memory| memory.bytes() as u64).sum(),
        }
    }

    /// The offset that comes next; `None` for a partition that is not known.
    pub(crate) fn next_offset(&self, number: i32) -> Option<i64> {
        self.find(number).ok().map(|slot| self.list[slot].next_offset)
    }

    /// Rows that all partitions count by their keys.
    pub(crate) fn counted_rows(&self) -> u64 {
        self.list.iter().map(|partition| partition.velocity.len() as u64).sum()
    }

    /// The state file of what was remembered since the last call.
    pub(crate) fn take_state_delta(&mut self) -> Option<Vec<u8>> {
        let delta = state::write(self.list.iter().map(Partition::additions));
        self.drop_additions();
        delta
    }

    /// Leaves nothing of what was remembered since the last call for a state file.
    pub(crate) fn drop_additions(&mut self) {
        for partition in &mut self.list {
            partition.remembered.clear();
            partition.counted.clear();
        }
    }

    /// The messages of the batch that were not processed before.
    pub(crate) fn fresh<'a>(&self, batch: &'a MessageBatch) -> Fresh<'a> {
        let mut positions: Vec<(i32, i64)> =
            self.list.iter().map(|partition| (partition.number, partition.next_offset)).collect();
        let mut is_fresh = |message: &Message<'_>| {
            let slot = match positions.binary_search_by_key(&message.partition, |position| position.0) {
                Ok(slot) => slot,
                Err(slot) => {
                    positions.insert(slot, (message.partition, i64::MIN));
                    slot
                }
            };
            let position = &mut positions[slot].1;
            let fresh = message.offset >= *position;
            *position = (*position).max(message.offset.saturating_add(1));
            fresh
        };
        let Some(first_stale) = batch.iter().position(|message| !is_fresh(&message)) else {
            return Fresh { batch: Cow::Borrowed(batch), original: None };
        };
        let mut original: Vec<usize> = (0..first_stale).collect();
        original.extend((first_stale + 1..batch.len()).filter(|&index| is_fresh(&batch.get(index))));
        let mut rest = MessageBatch::with_capacity(original.len(), batch.bytes());
        for &index in &original {
            rest.push(batch.get(index));
        }
        Fresh { batch: Cow::Owned(rest), original: Some(original) }
    }

    /// Counts the messages of a batch and moves the positions behind them.
    pub(crate) fn arrive(&mut self, batch: &MessageBatch) -> Arrivals {
        // Starting a partition shifts the slots of those behind it, so all are started first.
        let mut current = None;
        for message in batch.iter() {
            if current != Some(message.partition) {
                current = Some(message.partition);
                self.get_or_start(message.partition);
            }
        }
        let mut slots = Vec::with_capacity(batch.len());
        let mut bytes = 0;
        let mut current = None;
        for message in batch.iter() {
            let slot = match current {
                Some((number, slot)) if number == message.partition => slot,
                _ => self.find(message.partition).expect("every partition of the batch was started above"),
            };
            current = Some((message.partition, slot));
            let value_bytes = message.value.map_or(0, <[u8]>::len) as u64;
            let partition = &mut self.list[slot];
            partition.next_offset = message.offset.saturating_add(1);
            partition.counts.messages += 1;
            partition.counts.bytes += value_bytes;
            bytes += value_bytes;
            slots.push(slot as u32);
        }
        Arrivals { slots, bytes }
    }

    /// Which rows of bronze were not processed before.
    pub(crate) fn fresh_rows(&self, numbers: &Int32Array, offsets: &Int64Array) -> BooleanArray {
        let positions: BTreeMap<i32, i64> =
            self.list.iter().map(|partition| (partition.number, partition.next_offset)).collect();
        let rows = numbers.values().iter().zip(offsets.values());
        let is_fresh =
            |(number, offset): (&i32, &i64)| positions.get(number).is_none_or(|position| offset >= position);
        rows.map(is_fresh).collect::<Vec<_>>().into()
    }

    /// Counts rows of bronze as the messages that they were, and moves the positions behind them. Bronze does not
    /// tell how long the messages were.
    pub(crate) fn arrive_rows(&mut self, numbers: &Int32Array, offsets: &Int64Array) -> Arrivals {
        let slots = self.slots(numbers);
        for (&slot, &offset) in slots.iter().zip(offsets.values()) {
            let partition = &mut self.list[slot as usize];
            partition.next_offset = partition.next_offset.max(offset.saturating_add(1));
            partition.counts.messages += 1;
        }
        Arrivals { slots, bytes: 0 }
    }

    /// The slots of the partitions with these numbers, which are started where they are not known.
    pub(crate) fn slots(&mut self, numbers: &Int32Array) -> Vec<u32> {
        let distinct: BTreeSet<i32> = numbers.values().iter().copied().collect();
        for number in distinct {
            self.get_or_start(number);
        }
        let slot = |number| self.find(number).expect("every partition was started above");
        numbers.values().iter().map(|number| slot(*number) as u32).collect()
    }

    /// Counts bronze rows by the slots of their partitions, and those whose key does not match.
    pub(crate) fn count_bronze(&mut self, slots: &[u32], key_mismatches: &[usize]) {
        for &slot in slots {
            self.list[slot as usize].counts.bronze += 1;
        }
        for &row in key_mismatches {
            self.list[slots[row] as usize].counts.key_mismatches += 1;
        }
    }

    /// Counts refused messages.
    pub(crate) fn count_refused(&mut self, arrivals: &Arrivals, refused: &[Refused]) {
        for refused in refused {
            let slot = arrivals.slots[refused.refusal.message] as usize;
            self.list[slot].counts.add_refused(refused.stage, &refused.refusal.reason, 1);
        }
    }

    /// The partition in a slot.
    pub(crate) fn at(&mut self, slot: u32) -> &mut Partition {
        &mut self.list[slot as usize]
    }

    fn find(&self, number: i32) -> Result<usize, usize> {
        self.list.binary_search_by_key(&number, |partition| partition.number)
    }

    fn get_or_start(&mut self, number: i32) -> &mut Partition {
        let slot = match self.find(number) {
            Ok(slot) => slot,
            Err(slot) => {
                let start = PartitionProgress::starting_at(0);
                self.list.insert(slot, Partition::new(number, &start, self.max_out_of_orderness_ms));
                slot
            }
        };
        &mut self.list[slot]
    }
}

/// A batch without the messages that were processed before.
pub(crate) struct Fresh<'a> {
    batch: Cow<'a, MessageBatch>,
    /// Index of each message in the batch that it came from; `None`: nothing was left out.
    original: Option<Vec<usize>>,
}

impl Fresh<'_> {
    pub(crate) fn batch(&self) -> &MessageBatch {
        &self.batch
    }

    /// Lets an error name the message by its index in the caller's batch.
    pub(crate) fn name_message(&self, error: UnresolvedSchema) -> UnresolvedSchema {
        match &self.original {
            Some(original) => UnresolvedSchema { message: original[error.message], ..error },
            None => error,
        }
    }
}

/// The messages of one batch, seen by their partitions.
pub(crate) struct Arrivals {
    slots: Vec<u32>,
    /// Bytes of the messages' values.
    pub(crate) bytes: u64,
}

impl Arrivals {
    /// Messages of the partitions in these slots, whose bytes nobody counts.
    pub(crate) fn of(slots: Vec<u32>) -> Self {
        Self { slots, bytes: 0 }
    }

    /// The slots of the given messages.
    pub(crate) fn slots_of(&self, messages: &[u32]) -> Vec<u32> {
        messages.iter().map(|&message| self.slots[message as usize]).collect()
    }
}
