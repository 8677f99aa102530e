//! The silver part of a configuration: rules, columns, deduplication, partition columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use sluice_contract::config::{Deduplicate, Silver};
use sluice_contract::reasons;

use super::names;
use super::problem::Problems;
use super::{Requirement, SilverColumn};
use crate::deduplication::{DeduplicationPlan, can_identify};
use crate::expression::{Compiler, Expression, Problem, Scope, storable};
use crate::tables::{self, TableSchema, nullable};
use crate::watermark::micros;

/// The compiled silver part.
pub(super) struct CompiledSilver {
    pub(super) table: TableSchema,
    pub(super) requirements: Vec<Requirement>,
    pub(super) columns: Vec<SilverColumn>,
    pub(super) deduplication: Option<DeduplicationPlan>,
}

/// Compiles everything that can be, and adds the computed columns to the scope.
///
/// `None` if a problem leaves nothing to go on with; the problems then say so.
pub(super) fn compile(
    silver: &Silver,
    compiler: &Compiler,
    scope: &mut Scope,
    problems: &mut Problems,
) -> Option<CompiledSilver> {
    let requirements = requirements(silver, compiler, scope, problems);
    let columns = Columns::compile(silver, compiler, scope, problems);
    let deduplication =
        silver.deduplicate.as_ref().map(|config| deduplication(config, scope, &columns, problems));
    check_identity(&columns, scope, problems);
    check_partition_columns(&silver.partition_by, &columns, problems);
    columns.broken.is_empty().then(|| CompiledSilver {
        table: TableSchema {
            name: tables::SILVER.to_owned(),
            schema: Arc::new(Schema::new(columns.fields)),
            partition_columns: silver.partition_by.clone(),
        },
        requirements,
        columns: columns.list,
        deduplication,
    })
}

fn requirements(
    silver: &Silver,
    compiler: &Compiler,
    scope: &Scope,
    problems: &mut Problems,
) -> Vec<Requirement> {
    let mut requirements = Vec::new();
    for (index, requirement) in silver.require.iter().enumerate() {
        let reason = &requirement.reason;
        let path = format!("silver.require[{index}]");
        if reason.is_empty() {
            problems.add(format!("{path}.reason"), "it is empty", "name the reason in CamelCase");
        }
        if [reasons::FUTURE_TIMESTAMP, reasons::EXPRESSION_FAILED].contains(&reason.as_str()) {
            let message = format!("`{reason}` is a reason that Sluice itself gives");
            problems.add(format!("{path}.reason"), message, "choose another name");
        }
        match compiler.compile(&requirement.expr, scope).and_then(boolean) {
            Ok(expression) => requirements.push(Requirement { reason: reason.clone(), expression }),
            Err(problem) => problems.add_of(format!("{path}.expr"), problem),
        }
    }
    requirements
}

/// The expression, if it is true or false.
pub(crate) fn boolean(expression: Expression) -> Result<Expression, Problem> {
    match expression.data_type() {
        DataType::Boolean => Ok(expression),
        other => Err(Problem::new(
            format!("a rule is true or false; this one is of type {other}"),
            "write a comparison, such as amount > 0",
        )),
    }
}

/// The silver columns as far as they compile.
#[derive(Default)]
struct Columns {
    list: Vec<SilverColumn>,
    fields: Vec<FieldRef>,
    /// Names of those that do not compile.
    broken: Vec<String>,
}

impl Columns {
    fn compile(silver: &Silver, compiler: &Compiler, scope: &mut Scope, problems: &mut Problems) -> Self {
        let mut columns = Self::default();
        if silver.columns.is_empty() {
            problems.add("silver.columns", "there are no columns", "list the columns of silver, in order");
        }
        for (index, column) in silver.columns.iter().enumerate() {
            let path = format!("silver.columns[{index}]");
            columns.check_name(&column.name, &path, problems);
            let source = match &column.expr {
                Some(sql) => columns.computed(sql, compiler, scope),
                None => passed_through(&column.name, scope).map(Some),
            };
            match source {
                Ok(Some(source)) => columns.add(&column.name, source, scope),
                // The problem is that of an earlier column, which was told.
                Ok(None) => columns.broken.push(column.name.clone()),
                Err(problem) => {
                    columns.broken.push(column.name.clone());
                    let part = if column.expr.is_some() { "expr" } else { "name" };
                    problems.add_of(format!("{path}.{part}"), problem);
                }
            }
        }
        columns
    }

    fn check_name(&self, name: &str, path: &str, problems: &mut Problems) {
        let earlier = self.fields.iter().map(|field| field.name()).chain(&self.broken);
        names::check_column(name, earlier.map(String::as_str), &format!("{path}.name"), problems);
    }

    /// `None` if the expression needs a column that is broken itself.
    fn computed(&self, sql: &str, compiler: &Compiler, scope: &Scope) -> Result<Option<Source>, Problem> {
        let expression = match compiler.compile(sql, scope) {
            Err(problem)
                if problem.unknown_column.as_ref().is_some_and(|name| self.broken.contains(name)) =>
            {
                return Ok(None);
            }
            outcome => outcome?,
        };
        let stored = storable(expression.data_type())?;
        Ok(Some(match expression.as_column() {
            Some(slot) => Source::Slot(slot),
            None => Source::Expression(expression.converted_to(stored)),
        }))
    }

    fn add(&mut self, name: &str, source: Source, scope: &mut Scope) {
        let (slot, expression) = match source {
            Source::Slot(slot) => {
                scope.alias(name, slot);
                (slot, None)
            }
            Source::Expression(expression) => {
                (scope.push(name, expression.data_type().clone()), Some(expression))
            }
        };
        self.fields.push(nullable(name, scope.data_type(slot).clone()));
        self.list.push(SilverColumn { name: name.to_owned(), slot, expression });
    }

    fn data_type(&self, name: &str) -> Option<&DataType> {
        self.fields.iter().find(|field| field.name() == name).map(|field| field.data_type())
    }
}

/// Where the values of a silver column come from.
enum Source {
    Slot(usize),
    Expression(Expression),
}

fn passed_through(name: &str, scope: &Scope) -> Result<Source, Problem> {
    scope.slot(name).map(Source::Slot).ok_or_else(|| {
        let message = format!("there is no column `{name}` to pass through");
        Problem::new(message, format!("{}, or give it an expr", scope.suggest(name)))
    })
}

fn deduplication(
    config: &Deduplicate,
    scope: &Scope,
    columns: &Columns,
    problems: &mut Problems,
) -> DeduplicationPlan {
    if config.by.is_empty() {
        problems.add("silver.deduplicate.by", "it is empty", "name the columns that identify a row");
    }
    let mut by = Vec::new();
    for (index, name) in config.by.iter().enumerate() {
        let field = format!("silver.deduplicate.by[{index}]");
        match scope.slot(name) {
            Some(slot) if can_identify(scope.data_type(slot)) => by.push(slot),
            Some(slot) => {
                let message =
                    format!("`{name}` is of type {}, which cannot identify a row", scope.data_type(slot));
                problems.add(field, message, "name columns of text, bytes, numbers, dates or timestamps");
            }
            None if columns.broken.contains(name) => {}
            None => problems.add(field, format!("there is no column `{name}`"), scope.suggest(name)),
        }
    }
    DeduplicationPlan { by, within_us: micros(config.within_ms) }
}

/// (topic, partition, offset) is the key of silver.
fn check_identity(columns: &Columns, scope: &Scope, problems: &mut Problems) {
    for name in [tables::TOPIC, tables::PARTITION, tables::OFFSET] {
        let column = columns.list.iter().find(|column| column.name == name);
        if column.is_none_or(|column| Some(column.slot) != scope.slot(name)) {
            let message =
                format!("`{name}` is missing or changed; (topic, partition, offset) is the key of silver");
            problems.add("silver.columns", message, format!("add {{name: {name}}} without an expr"));
        }
    }
}

fn check_partition_columns(partition_by: &[String], columns: &Columns, problems: &mut Problems) {
    for (index, name) in partition_by.iter().enumerate() {
        let field = format!("silver.partitionBy[{index}]");
        if partition_by[..index].contains(name) {
            problems.add(field, format!("`{name}` is listed twice"), "list it once");
            continue;
        }
        match columns.data_type(name) {
            Some(data_type) if can_partition(data_type) => {}
            Some(data_type) => problems.add(
                field,
                format!("`{name}` is of type {data_type}, by which a table is not partitioned"),
                "name a column of text, whole numbers, booleans or dates",
            ),
            None if columns.broken.contains(name) => {}
            None => {
                let names = columns.fields.iter().map(|field| format!("`{}`", field.name()));
                let names = names.collect::<Vec<_>>().join(", ");
                problems.add(
                    field,
                    format!("silver has no column `{name}`"),
                    format!("silver's columns are {names}"),
                );
            }
        }
    }
    if !columns.fields.is_empty() && partition_by.len() >= columns.fields.len() {
        problems.add(
            "silver.partitionBy",
            "it names every column",
            "leave at least one column for the files",
        );
    }
}

/// Whether a table can be partitioned by columns of a type.
pub(crate) fn can_partition(data_type: &DataType) -> bool {
    data_type.is_signed_integer()
        || matches!(data_type, DataType::Utf8 | DataType::Boolean | DataType::Date32)
}
