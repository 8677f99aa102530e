//! Rows of bronze in place of their messages: read once more, made again, or only remembered.

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;

use super::{Arrived, Ingest, Refined};
use crate::deduplication::Accepted;
use crate::partition::Arrivals;
use crate::quarantine;
use crate::silver::{self, Candidates};
use crate::{bronze, deduplication, gold};

/// What rows of bronze become by the present configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Rows of silver, with [`TableSchemas::silver`], in the order of the rows of bronze.
    pub silver: Option<RecordBatch>,
    /// Rows of quarantine, with [`TableSchemas::quarantine`], of the stages `silver` and `late`: at most one for each
    /// row of bronze, in their order. `value` is null where bronze does not keep it.
    pub quarantine: Option<RecordBatch>,
    /// The event time of each row of bronze, null where there is none.
    pub event_times: TimestampMicrosecondArray,
}

/// What has become of rows of bronze that are remembered.
pub(crate) struct Recalled {
    /// The slots of their partitions.
    pub(crate) slots: Vec<u32>,
    /// The rows, with all columns that were computed.
    pub(crate) candidates: Candidates,
    /// Those that are rows of silver.
    pub(crate) accepted: Accepted,
}

impl Ingest {
    /// [`Self::refine`], for rows of bronze in place of their messages: those of each partition in the order of their
    /// offsets. Messages that were refused when they were decoded are no rows, and leave no trace.
    pub(crate) fn refine_rows(
        &mut self,
        bronze: &RecordBatch,
        processing_time_us: i64,
    ) -> Result<Refined, ArrowError> {
        let (mut rows, mut envelope) = bronze::read(&self.plan, bronze)?;
        let (partitions, offsets) = (envelope.partition.as_primitive(), envelope.offset.as_primitive());
        let fresh = self.partitions.fresh_rows(partitions, offsets);
        if fresh.false_count() > 0 {
            (rows, envelope) = bronze::read(&self.plan, &filter_record_batch(bronze, &fresh)?)?;
        }
        let (partitions, offsets) = (envelope.partition.as_primitive(), envelope.offset.as_primitive());
        let arrivals = self.partitions.arrive_rows(partitions, offsets);
        self.epoch.messages += rows.num_rows() as u64;
        self.epoch.bytes += rows.get_array_memory_size() as u64;
        let candidates = Candidates::new(&self.plan, &rows, envelope.processed_at(processing_time_us));
        // Bronze has no more of a key than its text.
        let key_mismatches = bronze::key_mismatches(&self.plan, &candidates, |_, _| true);
        let messages: Vec<u32> = (0..rows.num_rows() as u32).collect();
        let slots = arrivals.slots_of(&messages);
        self.partitions.count_bronze(&slots, &key_mismatches);
        Ok(self.judge(candidates, Arrived { arrivals, messages, slots, refused: Vec::new() }, &mut |_| {}))
    }

    /// Takes rows of bronze through the rules, the columns and deduplication again, as [`Self::process`] once took
    /// their messages.
    ///
    /// The rows of each partition come in the order of their offsets, from its first row on: the memory of those
    /// before decides which are copies, and which are late. Positions stay, and nothing is left for an epoch.
    pub fn replay(&mut self, bronze: &RecordBatch) -> Result<Replayed, ArrowError> {
        let values = bronze::read_values(bronze)?;
        let mut refined = self.refine_again(bronze)?;
        let silver = silver::assemble(&self.plan, &refined.candidates, &refined.accepted.rows);
        let mut refused = std::mem::take(&mut refined.refused);
        if let Some(partials) = &mut self.partials {
            let Refined { messages, candidates, accepted, .. } = &refined;
            let times = silver::event_times(candidates, &accepted.rows);
            let late = partials.late(&self.plan.gold, &times, &accepted.watermarks_us);
            refused.extend(gold::late_refusals(late, &accepted.rows, messages));
        }
        let quarantine = quarantine::assemble_again(&self.plan, &refined.candidates, &values, refused)?;
        Ok(Replayed { silver, quarantine, event_times: refined.candidates.event_times().clone() })
    }

    /// [`Self::refine`] for rows of bronze. What they leave in the memory is no part of an epoch.
    fn refine_again(&mut self, bronze: &RecordBatch) -> Result<Refined, ArrowError> {
        let (rows, envelope) = bronze::read(&self.plan, bronze)?;
        let slots = self.partitions.slots(envelope.partition.as_primitive());
        let candidates = Candidates::new(&self.plan, &rows, envelope);
        let messages = (0..bronze.num_rows() as u32).collect();
        let arrivals = Arrivals::of(slots.clone());
        let arrived = Arrived { arrivals, messages, slots, refused: Vec::new() };
        let refined = self.judge(candidates, arrived, &mut |_| {});
        self.partitions.drop_additions();
        Ok(refined)
    }

    /// Takes rows of bronze in as [`Self::process`] once took their messages, for their traces alone: watermarks,
    /// the memory of deduplication, the counts of silver rows and of copies. Positions stay.
    ///
    /// The rows of each partition come in the order of their offsets, without those that were refused. A row that
    /// the rules of this configuration refuse leaves no trace.
    pub fn remember(&mut self, bronze: &RecordBatch) -> Result<(), ArrowError> {
        self.recall(bronze).map(drop)
    }

    /// [`Self::remember`], with what became of the rows.
    pub(crate) fn recall(&mut self, bronze: &RecordBatch) -> Result<Recalled, ArrowError> {
        let (rows, envelope) = bronze::read(&self.plan, bronze)?;
        let slots = self.partitions.slots(envelope.partition.as_primitive());
        let mut candidates = Candidates::new(&self.plan, &rows, envelope);
        silver::require(&self.plan, &mut candidates);
        silver::compute_columns(&self.plan, &mut candidates);
        let plan = self.plan.deduplication.as_ref();
        let accepted = deduplication::accept(plan, &self.hasher, &candidates, &slots, &mut self.partitions);
        Ok(Recalled { slots, candidates, accepted })
    }

    /// The event times of rows of bronze; null where there is none.
    pub fn event_times(&self, bronze: &RecordBatch) -> Result<TimestampMicrosecondArray, ArrowError> {
        let (rows, _) = bronze::read(&self.plan, bronze)?;
        let columns: Vec<ArrayRef> = self.plan.storable_fields(&rows).collect();
        Ok(self.plan.event_time.times(&columns))
    }
}
