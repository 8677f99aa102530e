//! [`Plan`]: a configuration, checked and compiled.
//!
//! Compilation tells everything that is wrong at once, each with the field and the fix, so that a user
//! mends a resource in one go.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use sluice_contract::config::WorkerConfig;
use sluice_decode::RowSchema;

use crate::deduplication::DeduplicationPlan;
use crate::expression::{Compiler, Expression};
use crate::gold::GoldPlan;
use crate::tables::{self, TableSchemas};
use crate::watermark::micros;

mod event_time;
mod inputs;
pub(crate) mod names;
mod problem;
mod silver;
#[cfg(test)]
mod tests;

pub(crate) use event_time::EventTimeSource;
pub(crate) use inputs::BuiltIn;
pub use problem::PlanError;
pub(crate) use problem::Problems;
pub(crate) use silver::{boolean, can_partition};

/// A configuration, checked and compiled. A *slot* is the place of a column in the plan's scope: the
/// schema's fields, the built-in columns, then the silver columns that are computed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) topic: String,
    pub(crate) tables: TableSchemas,
    /// Number of fields of the schema.
    pub(crate) fields: usize,
    /// Number of slots.
    pub(crate) slots: usize,
    /// Slot of the column whose text is the message key.
    pub(crate) key_column: Option<usize>,
    pub(crate) event_time: EventTimeSource,
    pub(crate) keep_value: bool,
    pub(crate) requirements: Vec<Requirement>,
    /// How far beyond its Kafka timestamp a row's event time may lie.
    pub(crate) refuse_future_beyond_us: Option<i64>,
    pub(crate) columns: Vec<SilverColumn>,
    pub(crate) deduplication: Option<DeduplicationPlan>,
    pub(crate) gold: GoldPlan,
}

/// One rule that a silver row must meet.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    pub(crate) reason: String,
    pub(crate) expression: Expression,
}

/// One column of silver.
#[derive(Clone, Debug)]
pub(crate) struct SilverColumn {
    pub(crate) name: String,
    /// Where its values are once all columns are computed.
    pub(crate) slot: usize,
    /// How they are computed; `None`: they are those of a column that is there.
    pub(crate) expression: Option<Expression>,
}

impl Plan {
    /// Checks and compiles a configuration.
    pub(crate) fn compile(config: &WorkerConfig, schema: &RowSchema) -> Result<Self, Vec<PlanError>> {
        let mut problems = Problems::default();
        let fields = inputs::fields(schema, config.bronze.keep_value, &mut problems);
        let mut scope = inputs::scope(&fields);
        let key_column = inputs::key_column(config, &fields, &scope, &mut problems);
        let event_time = event_time::source(&config.source.event_time, &fields, &scope, &mut problems);
        let compiler = Compiler::new();
        let silver = silver::compile(&config.silver, &compiler, &mut scope, &mut problems);
        let gold = silver
            .as_ref()
            .map(|silver| GoldPlan::compile(&config.gold, &silver.table, &compiler, &mut problems));
        let (Some(event_time), Some(silver), Some(gold)) = (event_time, silver, gold) else {
            return Err(problems.all());
        };
        problems.none()?;
        Ok(Self {
            topic: config.source.kafka.topic.clone(),
            tables: TableSchemas {
                bronze: tables::bronze(fields.iter().cloned(), config.bronze.keep_value),
                silver: silver.table,
                quarantine: tables::quarantine(),
            },
            fields: fields.len(),
            slots: scope.len(),
            key_column,
            event_time,
            keep_value: config.bronze.keep_value,
            requirements: silver.requirements,
            refuse_future_beyond_us: config.source.event_time.refuse_future_beyond_ms.map(micros),
            columns: silver.columns,
            deduplication: silver.deduplication,
            gold,
        })
    }

    /// The slot of a built-in column.
    pub(crate) fn slot_of(&self, column: BuiltIn) -> usize {
        self.fields + column as usize
    }

    /// The columns of silver that tell when a message was processed, or are computed from that.
    pub(crate) fn processing_columns(&self) -> BTreeSet<String> {
        let mut slots = BTreeSet::from(
            [BuiltIn::ProcessingTime, BuiltIn::ProcessingDate].map(|column| self.slot_of(column)),
        );
        let mut names = BTreeSet::new();
        for column in &self.columns {
            let mut inputs = column.expression.iter().flat_map(|expression| expression.inputs());
            if slots.contains(&column.slot) || inputs.any(|(_, slot)| slots.contains(&slot)) {
                slots.insert(column.slot);
                names.insert(column.name.clone());
            }
        }
        names
    }

    /// The columns of a decoded batch, in the types that the tables store.
    pub(crate) fn storable_fields(&self, rows: &RecordBatch) -> impl Iterator<Item = ArrayRef> {
        // Bronze has the key before the fields.
        let types = self.tables.bronze.schema.fields().iter().skip(1);
        rows.columns().iter().zip(types).map(|(column, field)| {
            cast(column, field.data_type()).expect("the plan checked that the types of the schema convert")
        })
    }
}
