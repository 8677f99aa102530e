//! What idempotent producers have written to a partition, so that a batch sent twice is stored
//! once and a missing batch is noticed.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};

use super::batch::BatchHeader;

/// How many batches a producer may have in flight, and so how many it may repeat.
const REMEMBERED_BATCHES: usize = 5;

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    states: HashMap<i64, ProducerState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProducerState {
    epoch: i16,
    last_seen_ms: i64,
    recent: VecDeque<WrittenBatch>,
}

/// A batch that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrittenBatch {
    first_sequence: i32,
    last_sequence: i32,
    /// The offset of its first record.
    pub(crate) base_offset: i64,
    /// Its newest timestamp.
    pub(crate) max_timestamp: i64,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is new and follows the producer's last one.
    Store,
    /// It was stored before.
    Repeated(WrittenBatch),
    /// It comes from a producer that was replaced, or after a gap.
    Refused(ResponseError),
}

impl Producers {
    /// Decides about a batch.
    pub(crate) fn admit(&self, header: &BatchHeader) -> Admission {
        if !header.is_idempotent() {
            return Admission::Store;
        }
        // A producer that is not known may start anywhere: retention may have removed its past.
        let Some(state) = self.states.get(&header.producer_id) else { return Admission::Store };
        if header.producer_epoch < state.epoch {
            return Admission::Refused(ResponseError::InvalidProducerEpoch);
        }
        let expected = if header.producer_epoch > state.epoch {
            0
        } else {
            let last = last_sequence(header);
            let repeated = state
                .recent
                .iter()
                .find(|batch| batch.first_sequence == header.base_sequence && batch.last_sequence == last);
            if let Some(batch) = repeated {
                return Admission::Repeated(*batch);
            }
            state.recent.back().map_or(0, |batch| following(batch.last_sequence))
        };
        if header.base_sequence == expected {
            Admission::Store
        } else {
            Admission::Refused(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    /// Takes note of a stored batch.
    pub(crate) fn note(&mut self, header: &BatchHeader, base_offset: i64, now_ms: i64) {
        if !header.is_idempotent() {
            return;
        }
        let state = self.states.entry(header.producer_id).or_insert_with(|| ProducerState {
            epoch: header.producer_epoch,
            last_seen_ms: now_ms,
            recent: VecDeque::with_capacity(REMEMBERED_BATCHES),
        });
        if state.epoch != header.producer_epoch {
            state.epoch = header.producer_epoch;
            state.recent.clear();
        }
        if state.recent.len() == REMEMBERED_BATCHES {
            state.recent.pop_front();
        }
        state.last_seen_ms = now_ms;
        state.recent.push_back(WrittenBatch {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset,
            max_timestamp: header.max_timestamp,
        });
    }

    /// Forgets producers that have written nothing since then.
    pub(crate) fn forget_unseen_since(&mut self, oldest_ms: i64) {
        self.states.retain(|_, state| state.last_seen_ms >= oldest_ms);
    }
}

fn last_sequence(header: &BatchHeader) -> i32 {
    // Numbers go from 0 to the largest and start again.
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    (last % (i64::from(i32::MAX) + 1)) as i32
}

fn following(sequence: i32) -> i32 {
    sequence.checked_add(1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::BatchBuilder;

    fn header(id: i64, epoch: i16, sequence: i32, count: usize) -> BatchHeader {
        let records: Vec<(i64, &str)> = (0..count).map(|_| (0, "a")).collect();
        BatchHeader::of_produced(&BatchBuilder::new(&records).producer(id, epoch, sequence).build()).unwrap()
    }

    fn after(batches: &[BatchHeader]) -> Producers {
        let mut producers = Producers::default();
        let mut offset = 0;
        for batch in batches {
            assert_eq!(producers.admit(batch), Admission::Store);
            producers.note(batch, offset, 1_000);
            offset += i64::from(batch.record_count);
        }
        producers
    }

    #[test]
    fn batches_follow_each_other_and_a_gap_is_refused() {
        let producers = after(&[header(1, 0, 0, 3), header(1, 0, 3, 2)]);
        assert_eq!(producers.admit(&header(1, 0, 5, 1)), Admission::Store);
        let gap = Admission::Refused(ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.admit(&header(1, 0, 6, 1)), gap);
        assert_eq!(producers.admit(&header(1, 0, 4, 1)), gap);
    }

    #[test]
    fn the_last_five_batches_are_recognised_with_their_offsets() {
        let batches: Vec<_> = (0..6).map(|number| header(1, 0, number * 2, 2)).collect();
        let producers = after(&batches);
        for (number, batch) in batches.iter().enumerate().skip(1) {
            let Admission::Repeated(written) = producers.admit(batch) else {
                panic!("batch {number} is stored twice")
            };
            assert_eq!(written.base_offset, number as i64 * 2);
        }
        assert_eq!(producers.admit(&batches[0]), Admission::Refused(ResponseError::OutOfOrderSequenceNumber));
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_ends_the_old_one() {
        let mut producers = after(&[header(1, 0, 0, 3)]);
        let gap = Admission::Refused(ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.admit(&header(1, 1, 3, 1)), gap);
        let renewed = header(1, 1, 0, 1);
        assert_eq!(producers.admit(&renewed), Admission::Store);
        producers.note(&renewed, 3, 1_000);
        let fenced = Admission::Refused(ResponseError::InvalidProducerEpoch);
        assert_eq!(producers.admit(&header(1, 0, 3, 1)), fenced);
    }

    #[test]
    fn sequence_numbers_start_again_after_the_largest() {
        let producers = after(&[header(1, 0, i32::MAX - 1, 3)]);
        assert_eq!(producers.admit(&header(1, 0, 1, 1)), Admission::Store);
        assert!(matches!(producers.admit(&header(1, 0, i32::MAX - 1, 3)), Admission::Repeated(_)));
    }

    #[test]
    fn forgotten_and_unnumbered_producers_may_start_anywhere() {
        let mut producers = after(&[header(1, 0, 0, 1)]);
        producers.forget_unseen_since(1_001);
        assert_eq!(producers.admit(&header(1, 0, 77, 1)), Admission::Store);
        assert_eq!(producers.admit(&header(-1, -1, -1, 1)), Admission::Store);
    }
}
