//! [`AvroDecoder`]: Avro in Confluent framing.

use std::collections::BTreeMap;

use crate::{Decoded, MessageBatch, RowSchema, UnresolvedSchema};

/// Decodes Avro messages into rows of one schema.
pub struct AvroDecoder {}

impl AvroDecoder {
    /// A decoder into rows of `schema`.
    pub fn new(_schema: &RowSchema) -> Self {
        unimplemented!()
    }

    /// See [`crate::Decoder::decode`].
    pub fn decode(&mut self, _batch: &MessageBatch) -> Result<Decoded, UnresolvedSchema> {
        unimplemented!()
    }

    /// See [`crate::Decoder::unresolved_schema_ids`].
    pub fn unresolved_schema_ids(&self, _batch: &MessageBatch) -> BTreeMap<u32, usize> {
        unimplemented!()
    }

    /// See [`crate::Decoder::add_writer_schema`].
    pub fn add_writer_schema(&mut self, _id: u32, _text: &str) {
        unimplemented!()
    }

    /// See [`crate::Decoder::mark_schema_not_found`].
    pub fn mark_schema_not_found(&mut self, _id: u32) {
        unimplemented!()
    }

    /// See [`crate::Decoder::forget_schema`].
    pub fn forget_schema(&mut self, _id: u32) {
        unimplemented!()
    }
}
