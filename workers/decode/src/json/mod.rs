//! [`JsonDecoder`]: one JSON object per message.

use crate::{Decoded, MessageBatch, RowSchema};

/// Decodes JSON messages into rows of one schema.
pub struct JsonDecoder {}

impl JsonDecoder {
    /// A decoder into rows of `schema`.
    pub fn new(_schema: &RowSchema) -> Self {
        unimplemented!()
    }

    /// Decodes every message of the batch.
    pub fn decode(&mut self, _batch: &MessageBatch) -> Decoded {
        unimplemented!()
    }
}
