//! [`AvroDecoder`]: Avro in Confluent framing.
//!
//! A message is a zero byte, the id of its writer's schema in four bytes, and a datum. For each writer's
//! schema the way from its data to the row is worked out once (`resolve`) and carried out per message
//! (`run`). A datum is read to its end by the writer's schema before any field is judged, so whether it
//! is well-formed does not depend on the row.

mod cursor;
mod plan;
mod resolve;
mod run;
mod skip;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sluice_contract::reasons;

use crate::columns::{Column, Rows};
use crate::fault::{Fault, clipped};
use crate::schema::Fields;
use crate::{Decoded, MessageBatch, RowSchema, UnresolvedSchema};
use cursor::{Cursor, Malformed};
use plan::Plan;
use run::Run;
use skip::Skipper;
use writer::WriterSchema;

/// The magic byte and the schema id.
const HEADER: usize = 5;

/// Decodes Avro messages into rows of one schema.
pub struct AvroDecoder {
    fields: Arc<Fields>,
    rows: Rows,
    writers: HashMap<u32, Writer>,
    skipper: Skipper,
}

/// What is known of a schema id.
enum Writer {
    Planned(Box<Plan>),
    /// The text is no schema.
    Unusable {
        problem: String,
    },
    NotFound,
}

/// Why a message is refused.
enum Refused {
    Empty,
    Header(&'static str),
    Malformed(Malformed),
    UnknownSchema(u32),
    UnusableSchema(String),
    Trailing { bytes: usize },
    Field(Fault),
}

impl AvroDecoder {
    /// A decoder into rows of `schema`.
    pub fn new(schema: &RowSchema) -> Self {
        Self {
            fields: Arc::clone(schema.fields()),
            rows: Rows::new(schema),
            writers: HashMap::new(),
            skipper: Skipper::default(),
        }
    }

    /// See [`crate::Decoder::decode`].
    pub fn decode(&mut self, batch: &MessageBatch) -> Result<Decoded, UnresolvedSchema> {
        // Messages of one batch mostly have one writer.
        let mut recent: Option<(u32, &Writer)> = None;
        for (index, message) in batch.iter().enumerate() {
            let value = message.value.unwrap_or_default();
            let outcome = match schema_id(value) {
                Err(refused) => Err(refused),
                Ok(id) => {
                    let known = recent.filter(|(recent, _)| *recent == id).map(|(_, writer)| writer);
                    let Some(writer) = known.or_else(|| self.writers.get(&id)) else {
                        self.rows.clear();
                        return Err(UnresolvedSchema { id, message: index });
                    };
                    recent = Some((id, writer));
                    append(value, id, writer, &mut self.rows.columns, &mut self.skipper)
                }
            };
            match outcome {
                Ok(()) => self.rows.accept(index),
                Err(refused) => self.rows.refuse(index, refused.reason(), refused.detail()),
            }
        }
        Ok(self.rows.finish())
    }

    /// See [`crate::Decoder::unresolved_schema_ids`].
    pub fn unresolved_schema_ids(&self, batch: &MessageBatch) -> BTreeMap<u32, usize> {
        let mut unresolved = BTreeMap::new();
        for (index, message) in batch.iter().enumerate() {
            if let Ok(id) = schema_id(message.value.unwrap_or_default())
                && !self.writers.contains_key(&id)
            {
                unresolved.entry(id).or_insert(index);
            }
        }
        unresolved
    }

    /// See [`crate::Decoder::add_writer_schema`].
    pub fn add_writer_schema(&mut self, id: u32, text: &str) {
        let writer = match WriterSchema::parse(text) {
            Ok(schema) => Writer::Planned(Box::new(resolve::plan(schema, &self.fields))),
            Err(error) => Writer::Unusable {
                problem: format!("writer schema {id} is not an Avro schema: {}", clipped(&error.to_string())),
            },
        };
        self.writers.insert(id, writer);
    }

    /// See [`crate::Decoder::mark_schema_not_found`].
    pub fn mark_schema_not_found(&mut self, id: u32) {
        self.writers.insert(id, Writer::NotFound);
    }

    /// See [`crate::Decoder::forget_schema`].
    pub fn forget_schema(&mut self, id: u32) {
        self.writers.remove(&id);
    }
}

fn schema_id(value: &[u8]) -> Result<u32, Refused> {
    match *value {
        [0, a, b, c, d, ..] => Ok(u32::from_be_bytes([a, b, c, d])),
        [] => Err(Refused::Empty),
        _ if value.len() < HEADER => {
            Err(Refused::Header("shorter than the 5 bytes of the magic byte and the schema id"))
        }
        _ => Err(Refused::Header("the first byte is not the magic byte 0")),
    }
}

fn append(
    value: &[u8],
    id: u32,
    writer: &Writer,
    columns: &mut [Column],
    skipper: &mut Skipper,
) -> Result<(), Refused> {
    let plan = match writer {
        Writer::Planned(plan) => plan,
        Writer::NotFound => return Err(Refused::UnknownSchema(id)),
        Writer::Unusable { problem } => return Err(Refused::UnusableSchema(problem.clone())),
    };
    let mut run = Run::new(plan, skipper, Cursor::new(value, HEADER));
    let fault = run.row(&plan.row, columns).map_err(Refused::Malformed)?;
    match (run.remaining(), fault) {
        (0, None) => Ok(()),
        (0, Some(fault)) => Err(Refused::Field(fault)),
        (bytes, _) => Err(Refused::Trailing { bytes }),
    }
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Empty => reasons::EMPTY_VALUE,
            Self::Header(_) | Self::Malformed(_) => reasons::MALFORMED_AVRO,
            Self::UnknownSchema(_) => reasons::UNKNOWN_SCHEMA_ID,
            Self::UnusableSchema(_) => reasons::WRONG_TYPE,
            Self::Trailing { .. } => reasons::TRAILING_BYTES,
            Self::Field(fault) => fault.reason(),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Empty => "the message has no value".to_owned(),
            Self::Header(problem) => (*problem).to_owned(),
            Self::Malformed(Malformed { at, problem }) => format!("{problem} at byte {at}"),
            Self::UnknownSchema(id) => format!("the registry does not know schema id {id}"),
            Self::UnusableSchema(problem) => problem.clone(),
            Self::Trailing { bytes } => format!("{bytes} bytes follow the datum"),
            Self::Field(fault) => fault.detail(),
        }
    }
}
