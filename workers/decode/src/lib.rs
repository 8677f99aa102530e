//! Message bytes to Arrow rows: schemas, the JSON and Avro decoders, event-time text.
//!
//! Pure: no Kafka, no registry, no clock. A message that does not decode is a [`Refusal`], never an error.

// A test that unwraps what it did not expect fails, as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod avro;
mod columns;
pub mod decoder;
mod duplicates;
pub mod event_time;
mod fault;
pub mod json;
pub mod message;
pub mod refusal;
pub mod schema;
#[cfg(test)]
mod testing;
mod text_forms;

pub use decoder::{Decoded, Decoder, UnresolvedSchema};
pub use event_time::{EventTimeParser, TimeZoneError};
pub use message::{Message, MessageBatch};
pub use refusal::Refusal;
pub use schema::{RowSchema, SchemaError};
