//! Quarantine: whole messages that were refused, and why.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;
use sluice_decode::{MessageBatch, Refusal};

use crate::bronze::{self, Envelope};
use crate::plan::{BuiltIn, Plan};
use crate::silver::Candidates;

/// A refused message and the stage that refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) stage: &'static str,
    pub(crate) refusal: Refusal,
}

impl Refused {
    pub(crate) fn new(stage: &'static str, refusal: Refusal) -> Self {
        Self { stage, refusal }
    }
}

/// The quarantine rows, in the order of their messages.
pub(crate) fn assemble(
    plan: &Plan,
    batch: &MessageBatch,
    mut refused: Vec<Refused>,
    processing_time_us: i64,
) -> Option<RecordBatch> {
    if refused.is_empty() {
        return None;
    }
    refused.sort_by_key(|refused| refused.refusal.message);
    let messages: Vec<u32> = refused.iter().map(|refused| refused.refusal.message as u32).collect();
    let envelope = Envelope::new(&plan.topic, batch, &messages, processing_time_us);
    let text = |of: fn(&Refused) -> &str| Arc::new(StringArray::from_iter_values(refused.iter().map(of)));
    let columns = vec![
        envelope.topic,
        envelope.partition,
        envelope.offset,
        Arc::new(envelope.kafka_timestamp),
        envelope.kafka_key,
        Arc::new(bronze::values(batch, refused.iter().map(|refused| refused.refusal.message))),
        text(|refused| refused.stage),
        text(|refused| &refused.refusal.reason),
        text(|refused| &refused.refusal.detail),
        envelope.processing_time,
        envelope.processing_date,
    ];
    let schema = Arc::clone(&plan.tables.quarantine.schema);
    Some(RecordBatch::try_new(schema, columns).expect("the columns are those of the quarantine table"))
}

/// [`assemble`] for rows of bronze that are refused when they are processed again: their places are the messages.
pub(crate) fn assemble_again(
    plan: &Plan,
    candidates: &Candidates,
    values: &ArrayRef,
    mut refused: Vec<Refused>,
) -> Result<Option<RecordBatch>, ArrowError> {
    if refused.is_empty() {
        return Ok(None);
    }
    refused.sort_by_key(|refused| refused.refusal.message);
    let rows = UInt32Array::from_iter_values(refused.iter().map(|refused| refused.refusal.message as u32));
    let built_in = |column| take(candidates.column(plan.slot_of(column)), &rows, None);
    let text = |of: fn(&Refused) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(refused.iter().map(of)))
    };
    let columns = vec![
        built_in(BuiltIn::Topic)?,
        built_in(BuiltIn::Partition)?,
        built_in(BuiltIn::Offset)?,
        built_in(BuiltIn::KafkaTimestamp)?,
        built_in(BuiltIn::KafkaKey)?,
        take(values, &rows, None)?,
        text(|refused| refused.stage),
        text(|refused| &refused.refusal.reason),
        text(|refused| &refused.refusal.detail),
        built_in(BuiltIn::ProcessingTime)?,
        built_in(BuiltIn::ProcessingDate)?,
    ];
    RecordBatch::try_new(Arc::clone(&plan.tables.quarantine.schema), columns).map(Some)
}
