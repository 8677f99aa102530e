//! Message bytes to Arrow rows: schemas, the JSON and Avro decoders, event-time text.
//!
//! Pure: no Kafka, no registry, no clock. A message that does not decode is a [`Refusal`], never an error.

pub mod avro;
pub mod decoder;
pub mod event_time;
pub mod json;
pub mod message;
pub mod refusal;
pub mod schema;

pub use decoder::{Decoded, Decoder, UnresolvedSchema};
pub use event_time::{EventTimeParser, TimeZoneError};
pub use message::{Message, MessageBatch};
pub use refusal::Refusal;
pub use schema::{RowSchema, SchemaError};
