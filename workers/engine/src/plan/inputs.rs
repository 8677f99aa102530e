//! What expressions start from: the schema's fields and the built-in columns.

use arrow::datatypes::{DataType, FieldRef};
use sluice_contract::config::WorkerConfig;
use sluice_decode::RowSchema;

use super::problem::Problems;
use crate::expression::{Scope, storable};
use crate::tables::{self, nullable, timestamp_type};

/// A column that every message has, whatever its schema. The order is that of the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    EventTime,
    KafkaKey,
    Topic,
    Partition,
    Offset,
    KafkaTimestamp,
    ProcessingTime,
    ProcessingDate,
}

impl BuiltIn {
    pub(crate) const ALL: [Self; 8] = [
        Self::EventTime,
        Self::KafkaKey,
        Self::Topic,
        Self::Partition,
        Self::Offset,
        Self::KafkaTimestamp,
        Self::ProcessingTime,
        Self::ProcessingDate,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EventTime => tables::EVENT_TIME,
            Self::KafkaKey => tables::KAFKA_KEY,
            Self::Topic => tables::TOPIC,
            Self::Partition => tables::PARTITION,
            Self::Offset => tables::OFFSET,
            Self::KafkaTimestamp => tables::KAFKA_TIMESTAMP,
            Self::ProcessingTime => tables::PROCESSING_TIME,
            Self::ProcessingDate => tables::PROCESSING_DATE,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::EventTime | Self::KafkaTimestamp | Self::ProcessingTime => timestamp_type(),
            Self::KafkaKey | Self::Topic => DataType::Utf8,
            Self::Partition => DataType::Int32,
            Self::Offset => DataType::Int64,
            Self::ProcessingDate => DataType::Date32,
        }
    }
}

/// The fields of the schema in the types that the tables store.
pub(super) fn fields(schema: &RowSchema, keep_value: bool, problems: &mut Problems) -> Vec<FieldRef> {
    let mut fields: Vec<FieldRef> = Vec::new();
    for field in schema.arrow().fields() {
        let name = field.name();
        let path = format!("source.schema: field `{name}`");
        if let Some(built_in) = built_in_name(name, keep_value) {
            let fix = if built_in == tables::VALUE {
                "set bronze.keepValue to false, or rename the field"
            } else {
                "rename the field"
            };
            problems.add(path, format!("the name is taken by the built-in column `{built_in}`"), fix);
            continue;
        }
        match storable(field.data_type()) {
            Ok(data_type) => fields.push(nullable(name, data_type)),
            Err(problem) => problems.add(path, problem.message, "declare it with another Avro type"),
        }
    }
    fields
}

fn built_in_name(name: &str, keep_value: bool) -> Option<&'static str> {
    let value = keep_value.then_some(tables::VALUE);
    let mut names = BuiltIn::ALL.iter().map(|column| column.name()).chain(value);
    names.find(|built_in| built_in.eq_ignore_ascii_case(name))
}

/// The scope that silver starts from.
pub(super) fn scope(fields: &[FieldRef]) -> Scope {
    let mut scope = Scope::default();
    for field in fields {
        scope.push(field.name(), field.data_type().clone());
    }
    for column in BuiltIn::ALL {
        scope.push(column.name(), column.data_type());
    }
    scope
}

/// The slot of the column whose text is the message key.
pub(super) fn key_column(
    config: &WorkerConfig,
    fields: &[FieldRef],
    scope: &Scope,
    problems: &mut Problems,
) -> Option<usize> {
    const FIELD: &str = "source.kafka.keyColumn";
    let name = config.source.kafka.key_column.as_ref()?;
    let Some(slot) = fields.iter().position(|field| field.name() == name) else {
        problems.add(FIELD, format!("the schema has no field `{name}`"), scope.suggest(name));
        return None;
    };
    let data_type = fields[slot].data_type();
    if !(data_type.is_signed_integer() || *data_type == DataType::Utf8) {
        let message = format!("`{name}` is of type {data_type}, whose text a key cannot be compared with");
        problems.add(FIELD, message, "name a field of type string, int or long, or leave keyColumn out");
        return None;
    }
    Some(slot)
}
