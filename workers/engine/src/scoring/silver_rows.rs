//! [`SilverRows`]: the rows to be scored, with what the columns of silver do not tell.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow::compute::{FilterBuilder, cast};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::deduplication::Accepted;
use crate::plan::{BuiltIn, Plan};
use crate::silver::{self, Candidates};

/// The rows of silver that a batch gives.
#[derive(Debug)]
pub(super) struct SilverRows {
    /// The columns of silver.
    pub(super) columns: RecordBatch,
    /// Slots of their partitions.
    pub(super) slots: Vec<u32>,
    /// The watermark before each, on its partition.
    pub(super) watermarks_us: Vec<i64>,
    /// Event times, null where there is none.
    pub(super) event_times: TimestampMicrosecondArray,
    /// Timestamps of their messages, null where they carry none.
    pub(super) kafka_timestamps: TimestampMicrosecondArray,
    /// When they are processed.
    pub(super) processing_time: ArrayRef,
    pub(super) topic: ArrayRef,
    pub(super) partition: Int32Array,
    pub(super) offset: Int64Array,
    /// Text of the key column, or of the message key where none is declared.
    pub(super) keys: ArrayRef,
}

impl SilverRows {
    /// The rows among candidates whose partitions have these slots; `None` where there are none.
    pub(super) fn of(
        plan: &Plan,
        candidates: &Candidates,
        accepted: &Accepted,
        slots: &[u32],
    ) -> Option<Self> {
        let columns = silver::assemble(plan, candidates, &accepted.rows)?;
        let filter = FilterBuilder::new(&accepted.rows.clone().into()).optimize().build();
        let all = columns.num_rows() == candidates.rows();
        let keep = |column: &ArrayRef| {
            if all {
                return Arc::clone(column);
            }
            filter.filter(column).expect("the filter is as long as the column")
        };
        let built_in = |column: BuiltIn| keep(candidates.column(plan.slot_of(column)));
        let times = |column| built_in(column).as_primitive::<TimestampMicrosecondType>().clone();
        let key = plan.key_column.unwrap_or(plan.slot_of(BuiltIn::KafkaKey));
        let keys = cast(&keep(candidates.column(key)), &DataType::Utf8);
        Some(Self {
            slots: accepted.rows.set_indices().map(|row| slots[row]).collect(),
            watermarks_us: accepted.watermarks_us.clone(),
            event_times: times(BuiltIn::EventTime),
            kafka_timestamps: times(BuiltIn::KafkaTimestamp),
            processing_time: built_in(BuiltIn::ProcessingTime),
            topic: built_in(BuiltIn::Topic),
            partition: built_in(BuiltIn::Partition).as_primitive::<Int32Type>().clone(),
            offset: built_in(BuiltIn::Offset).as_primitive::<Int64Type>().clone(),
            keys: keys.expect("a key column is text or a whole number"),
            columns,
        })
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// When a row was; `None` where it has no event time.
    pub(super) fn event_time_us(&self, row: usize) -> Option<i64> {
        self.event_times.is_valid(row).then(|| self.event_times.value(row))
    }
}
