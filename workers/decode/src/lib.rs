//! Message bytes to Arrow rows: schemas, the JSON and Avro decoders, event-time text.
//!
//! Pure: no Kafka, no registry, no clock. A message that does not decode is a [`Refusal`], never an error.

pub mod message;
pub mod refusal;

pub use message::{Message, MessageBatch};
pub use refusal::Refusal;
