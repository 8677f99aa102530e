//! [`Decoder`]: a batch of messages to rows and refusals, for either format.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use sluice_contract::config::Format;
use snafu::Snafu;

use crate::avro::AvroDecoder;
use crate::json::JsonDecoder;
use crate::{MessageBatch, Refusal, RowSchema, SchemaError};

/// Decodes batches of one format into rows of one schema.
pub enum Decoder {
    /// One JSON object per message.
    Json(JsonDecoder),
    /// Avro in Confluent framing.
    Avro(AvroDecoder),
}

/// What a batch decoded to: every message is in exactly one of `messages` and `refused`.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The rows of the messages that decoded, with the schema [`RowSchema::arrow`].
    pub rows: RecordBatch,
    /// Index of the message of each row, ascending.
    pub messages: Vec<u32>,
    /// The messages that did not decode, ascending.
    pub refused: Vec<Refusal>,
}

/// A batch names a writer schema about which the decoder was told nothing; nothing was decoded.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(display(
    "failed to decode message {message} of the batch: its writer schema {id} was neither added nor marked as not found"
))]
pub struct UnresolvedSchema {
    /// The schema id in the message's header.
    pub id: u32,
    /// Index of the first message that names it.
    pub message: usize,
}

impl Decoder {
    /// A decoder of `format` into rows of `schema`.
    pub fn new(format: Format, schema: &RowSchema) -> Result<Self, SchemaError> {
        Ok(match format {
            Format::Json => Self::Json(JsonDecoder::new(schema)),
            Format::Avro => Self::Avro(AvroDecoder::new(schema)),
        })
    }

    /// Decodes every message of the batch, or nothing of it.
    ///
    /// The error comes for Avro only: see [`Self::unresolved_schema_ids`].
    pub fn decode(&mut self, batch: &MessageBatch) -> Result<Decoded, UnresolvedSchema> {
        match self {
            Self::Json(decoder) => Ok(decoder.decode(batch)),
            Self::Avro(decoder) => decoder.decode(batch),
        }
    }

    /// Schema ids of the batch that are neither added nor marked, each with the index of its first
    /// message. Always empty for JSON.
    pub fn unresolved_schema_ids(&self, batch: &MessageBatch) -> BTreeMap<u32, usize> {
        match self {
            Self::Json(_) => BTreeMap::new(),
            Self::Avro(decoder) => decoder.unresolved_schema_ids(batch),
        }
    }

    /// Tells the schema that `id` was written with. Without effect for JSON.
    ///
    /// A text that does not parse, or that cannot resolve to the row's schema, makes each of its
    /// messages a refusal.
    pub fn add_writer_schema(&mut self, id: u32, text: &str) {
        if let Self::Avro(decoder) = self {
            decoder.add_writer_schema(id, text);
        }
    }

    /// Refuses the messages of `id` as `UnknownSchemaId` until the schema is added.
    pub fn mark_schema_not_found(&mut self, id: u32) {
        if let Self::Avro(decoder) = self {
            decoder.mark_schema_not_found(id);
        }
    }

    /// Forgets what was added or marked for `id`.
    pub fn forget_schema(&mut self, id: u32) {
        if let Self::Avro(decoder) = self {
            decoder.forget_schema(id);
        }
    }
}
