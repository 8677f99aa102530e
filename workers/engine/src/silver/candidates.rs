//! [`Candidates`]: the bronze rows of a batch on their way to silver.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;
use sluice_contract::reasons;
use sluice_decode::Refusal;

use super::Selection;
use crate::bronze::Envelope;
use crate::plan::{BuiltIn, Plan};
use crate::quarantine::Refused;

/// The bronze rows of a batch on their way to silver: their columns by slot, and which are still in.
///
/// The slots are those of the plan's scope: the schema's fields, the built-in columns, then the silver
/// columns as they are computed.
#[derive(Debug)]
pub(crate) struct Candidates {
    columns: Vec<ArrayRef>,
    selection: Selection,
    event_times: TimestampMicrosecondArray,
    kafka_timestamps: TimestampMicrosecondArray,
    refusals: Vec<(usize, Cow<'static, str>, String)>,
}

impl Candidates {
    /// All rows of a decoded batch.
    pub(crate) fn new(plan: &Plan, rows: &RecordBatch, envelope: Envelope) -> Self {
        let count = rows.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(plan.slots);
        columns.extend(plan.storable_fields(rows));
        let event_times = plan.event_time.times(&columns);
        let kafka_timestamps = envelope.kafka_timestamp;
        for column in BuiltIn::ALL {
            columns.push(match column {
                BuiltIn::EventTime => Arc::new(event_times.clone()),
                BuiltIn::KafkaKey => Arc::clone(&envelope.kafka_key),
                BuiltIn::Topic => Arc::clone(&envelope.topic),
                BuiltIn::Partition => Arc::clone(&envelope.partition),
                BuiltIn::Offset => Arc::clone(&envelope.offset),
                BuiltIn::KafkaTimestamp => Arc::new(kafka_timestamps.clone()),
                BuiltIn::ProcessingTime => Arc::clone(&envelope.processing_time),
                BuiltIn::ProcessingDate => Arc::clone(&envelope.processing_date),
            });
        }
        Self {
            columns,
            selection: Selection::all(count),
            event_times,
            kafka_timestamps,
            refusals: Vec::new(),
        }
    }

    /// Number of bronze rows.
    pub(crate) fn rows(&self) -> usize {
        self.selection.rows()
    }

    /// The rows that are still in the running.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The columns so far, by slot.
    pub(crate) fn columns(&self) -> &[ArrayRef] {
        &self.columns
    }

    /// The column in a slot.
    pub(crate) fn column(&self, slot: usize) -> &ArrayRef {
        &self.columns[slot]
    }

    /// Puts a computed column into the next slot.
    pub(crate) fn push_column(&mut self, column: ArrayRef) {
        self.columns.push(column);
    }

    /// Event times, null where there is none.
    pub(crate) fn event_times(&self) -> &TimestampMicrosecondArray {
        &self.event_times
    }

    /// Kafka timestamps, null where the message carries none.
    pub(crate) fn kafka_timestamps(&self) -> &TimestampMicrosecondArray {
        &self.kafka_timestamps
    }

    /// Keeps the rows that `pass`; gives those that drop out, which the caller then refuses.
    pub(crate) fn select(&mut self, pass: &BooleanBuffer) -> Vec<usize> {
        self.selection.keep(pass)
    }

    /// Says why a row that dropped out did.
    pub(crate) fn refuse(&mut self, row: usize, reason: Cow<'static, str>, detail: String) {
        self.refusals.push((row, reason, detail));
    }

    /// The refusals so far, by the messages of the rows.
    pub(crate) fn take_refusals(&mut self, messages: &[u32]) -> impl Iterator<Item = Refused> {
        std::mem::take(&mut self.refusals).into_iter().map(|(row, reason, detail)| {
            let refusal = Refusal { message: messages[row] as usize, reason, detail };
            Refused::new(reasons::STAGE_SILVER, refusal)
        })
    }
}
