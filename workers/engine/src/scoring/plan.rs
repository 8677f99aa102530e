//! [`ScoringPlan`]: what stays while rules change: the table, what is counted, and what reads the label.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use sluice_contract::scorer::{ScorerConfig, VelocityCount};

use super::rows::{self, COUNT_SUFFIX};
use crate::deduplication::can_identify;
use crate::expression::Scope;
use crate::plan::{Plan, Problems, can_partition};
use crate::tables::{TableSchema, nullable};
use crate::watermark::micros;

/// What stays while rules change.
#[derive(Clone, Debug)]
pub(super) struct ScoringPlan {
    /// The table of scores.
    pub(super) table: TableSchema,
    /// Columns of silver that the table begins with, by their places there.
    pub(super) first_columns: Vec<usize>,
    /// Columns of silver that the table ends with: those by which it is partitioned.
    pub(super) last_columns: Vec<usize>,
    /// What is counted by key.
    pub(super) counts: Vec<Count>,
    /// Names of those that have a problem.
    pub(super) broken_counts: Vec<String>,
    /// How long rows are remembered for the counts.
    pub(super) keep_us: i64,
    /// The columns of silver, as rules see them.
    pub(super) scope: Scope,
    /// For each column of silver, whether it is the label or computed from it.
    pub(super) reads_label: Vec<bool>,
    silver_names: Vec<String>,
}

/// What is counted by key.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub(super) name: String,
    /// The column of silver that is counted by.
    pub(super) key: usize,
    pub(super) window_us: i64,
    pub(super) keep_us: i64,
}

impl ScoringPlan {
    /// Checks a configuration against the compiled pipeline. Where there are problems, what it gives is not all
    /// of it.
    pub(super) fn compile(config: &ScorerConfig, pipeline: &Plan, problems: &mut Problems) -> Self {
        let silver = Silver::of(pipeline);
        let label = silver.label(config, problems);
        let counts = silver.counts(config, pipeline, problems);
        let first_columns = silver.first_columns(config, problems);
        let (table, last_columns) = silver.table(config, &first_columns, problems);
        let is_broken = |name: &String| counts.iter().all(|count| count.name != *name);
        Self {
            table,
            first_columns,
            last_columns,
            keep_us: counts.iter().map(|count| count.keep_us).max().unwrap_or(0),
            broken_counts: config.velocity.iter().map(|count| count.name.clone()).filter(is_broken).collect(),
            counts,
            reads_label: label.map_or(vec![false; silver.fields.len()], |label| readers(pipeline, label)),
            silver_names: silver.fields.iter().map(|field| field.name().clone()).collect(),
            scope: silver.scope,
        }
    }

    /// The columns that something is counted by, each once.
    pub(super) fn key_columns(&self) -> BTreeSet<usize> {
        self.counts.iter().map(|count| count.key).collect()
    }

    /// The name of a column of silver.
    pub(super) fn silver_name(&self, column: usize) -> &str {
        &self.silver_names[column]
    }
}

/// For each column of silver, whether it is the label or computed from it. The label is followed by its slot,
/// so another name for it, or a column made from the same field, reads it too.
fn readers(pipeline: &Plan, label: usize) -> Vec<bool> {
    let mut slots = BTreeSet::from([pipeline.columns[label].slot]);
    for column in &pipeline.columns {
        let mut inputs = column.expression.iter().flat_map(|expression| expression.inputs());
        if inputs.any(|(_, slot)| slots.contains(&slot)) {
            slots.insert(column.slot);
        }
    }
    pipeline.columns.iter().map(|column| slots.contains(&column.slot)).collect()
}

/// The columns of silver, while a configuration is checked against them.
struct Silver {
    fields: Vec<FieldRef>,
    scope: Scope,
}

impl Silver {
    fn of(pipeline: &Plan) -> Self {
        let fields: Vec<FieldRef> = pipeline.tables.silver.schema.fields().iter().cloned().collect();
        let mut scope = Scope::default();
        for field in &fields {
            scope.push(field.name(), field.data_type().clone());
        }
        Self { fields, scope }
    }

    /// The place of a column, or a problem.
    fn column(&self, field: String, name: &str, problems: &mut Problems) -> Option<usize> {
        let column = self.scope.slot(name);
        if column.is_none() {
            problems.add(field, format!("silver has no column `{name}`"), self.scope.suggest(name));
        }
        column
    }

    fn label(&self, config: &ScorerConfig, problems: &mut Problems) -> Option<usize> {
        let name = config.label.as_ref()?;
        let column = self.column("label.column".to_owned(), name, problems)?;
        let data_type = self.fields[column].data_type();
        if *data_type != DataType::Boolean {
            let message = format!("`{name}` is of type {data_type}; the truth is true or false");
            problems.add("label.column", message, "name a boolean column, or compute one in silver.columns");
        }
        Some(column)
    }

    fn counts(&self, config: &ScorerConfig, pipeline: &Plan, problems: &mut Problems) -> Vec<Count> {
        let mut counts = Vec::new();
        for (index, count) in config.velocity.iter().enumerate() {
            let field = |part: &str| format!("velocity[{index}].{part}");
            if config.velocity[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&count.name)) {
                problems.add(
                    field("name"),
                    format!("`{}` is the name of another", count.name),
                    "give each a name of its own",
                );
            }
            if count.keep_ms < count.window_ms {
                let message = format!(
                    "it is {} ms, less than the window of {} ms: rows would be forgotten before they are counted",
                    count.keep_ms, count.window_ms
                );
                problems.add(field("keep"), message, "keep at least the window, or leave keep out");
            }
            let Some(key) = self.column(field("key"), &count.key, problems) else { continue };
            self.check_key(field("key"), (count, key), (config, pipeline), problems);
            counts.push(Count {
                name: count.name.clone(),
                key,
                window_us: micros(count.window_ms),
                keep_us: micros(count.keep_ms),
            });
        }
        counts
    }

    /// All rows of a key must be on one partition, which is so for the topic's key alone.
    fn check_key(
        &self,
        field: String,
        (count, key): (&VelocityCount, usize),
        (config, pipeline): (&ScorerConfig, &Plan),
        problems: &mut Problems,
    ) {
        let name = &count.key;
        let data_type = self.fields[key].data_type();
        if !can_identify(data_type) {
            let message = format!("`{name}` is of type {data_type}, by which rows cannot be counted");
            problems.add(field, message, "name a column of text or whole numbers");
            return;
        }
        if pipeline.key_column == Some(pipeline.columns[key].slot) {
            return;
        }
        match &config.pipeline.source.kafka.key_column {
            Some(key_column) => problems.add(
                field,
                format!("`{name}` is not the topic's key, `{key_column}`: its rows are on many partitions, and each counts its own"),
                format!("count by `{key_column}`, or key the topic by `{name}` and say so in source.kafka.keyColumn of the pipeline"),
            ),
            None => problems.add(
                field,
                "the pipeline does not say what its topic is keyed by",
                format!("key the topic by `{name}` and set source.kafka.keyColumn of the pipeline to it"),
            ),
        }
    }

    fn first_columns(&self, config: &ScorerConfig, problems: &mut Problems) -> Vec<usize> {
        let names = &config.table.columns;
        let own: Vec<FieldRef> = rows::own_fields(config);
        let mut columns = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let field = format!("table.columns[{index}]");
            let is_same = |other: &str| other.eq_ignore_ascii_case(name);
            if names[..index].iter().any(|other| is_same(other)) {
                problems.add(field, format!("`{name}` is listed twice"), "list it once");
            } else if own.iter().any(|own| is_same(own.name())) {
                let message = format!("the table has a column `{name}` of its own");
                problems.add(field, message, "leave it out, or give the silver column another name");
            } else {
                columns.extend(self.column(field, name, problems));
            }
        }
        for (index, count) in config.velocity.iter().enumerate() {
            let column = format!("{}{COUNT_SUFFIX}", count.name);
            if own.iter().filter(|field| field.name().eq_ignore_ascii_case(&column)).count() > 1 {
                let message = format!("its column `{column}` has the name of another column of the table");
                problems.add(format!("velocity[{index}].name"), message, "give it another name");
            }
        }
        columns
    }

    /// The table, and the columns of silver that it ends with.
    fn table(
        &self,
        config: &ScorerConfig,
        first_columns: &[usize],
        problems: &mut Problems,
    ) -> (TableSchema, Vec<usize>) {
        let mut fields: Vec<FieldRef> =
            first_columns.iter().map(|&column| Arc::clone(&self.fields[column])).collect();
        fields.extend(rows::own_fields(config));
        let mut last_columns = Vec::new();
        let partition_by = &config.table.partition_by;
        for (index, name) in partition_by.iter().enumerate() {
            let field = format!("table.partitionBy[{index}]");
            if partition_by[..index].contains(name) {
                problems.add(field, format!("`{name}` is listed twice"), "list it once");
                continue;
            }
            let known = fields.iter().find(|field| field.name() == name).map(Arc::clone);
            let column = if let Some(known) = known {
                known
            } else {
                let Some(column) = self.column(field.clone(), name, problems) else { continue };
                last_columns.push(column);
                fields.push(Arc::clone(&self.fields[column]));
                Arc::clone(&self.fields[column])
            };
            if !can_partition(column.data_type()) {
                let message = format!(
                    "`{name}` is of type {}, by which a table is not partitioned",
                    column.data_type()
                );
                problems.add(field, message, "name a column of text, whole numbers, booleans or dates");
            }
        }
        let table = TableSchema {
            name: format!("{}{}", rows::FOLDER, config.table.name),
            schema: Arc::new(Schema::new(fields)),
            partition_columns: partition_by.clone(),
        };
        (table, last_columns)
    }
}

/// A list of texts.
pub(super) fn texts(name: &str) -> FieldRef {
    nullable(name, DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))))
}
