//! [`GoldPlan`]: the gold part of a configuration, checked and compiled.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use sluice_contract::config;

use super::windows::Windows;
use crate::expression::{Compiler, Expression, Scope};
use crate::plan::Problems;
use crate::tables::TableSchema;

mod table;
#[cfg(test)]
mod tests;

/// The gold part of a configuration, checked and compiled. What several tables compute of a row is computed once.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoldPlan {
    /// What is computed of each silver row: keys, arguments and conditions.
    pub(crate) inputs: Vec<Expression>,
    /// The inputs whose values are numbered: keys, and what is counted distinctly.
    pub(crate) numbered: Vec<Numbered>,
    pub(crate) tables: Vec<GoldTable>,
}

/// An input whose values are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) input: usize,
    /// Whether some table counts its values distinctly.
    pub(crate) is_counted: bool,
}

/// One windowed table.
#[derive(Clone, Debug)]
pub(crate) struct GoldTable {
    pub(crate) table: TableSchema,
    pub(crate) windows: Windows,
    /// Places in [`GoldPlan::numbered`] of the group keys.
    pub(crate) keys: Vec<usize>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) distinct_counts: Vec<DistinctCount>,
    /// The columns of a merged row behind the keys, in the order of their slots.
    pub(crate) columns: Vec<MergedColumn>,
    /// The slots of the measures.
    pub(crate) measures: Vec<usize>,
}

/// An aggregate by states that merge.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) function: Arc<AggregateFunctionExpr>,
    /// Inputs.
    pub(crate) arguments: Vec<usize>,
    /// The input that says which rows count; `None`: all.
    pub(crate) filter: Option<usize>,
    pub(crate) state_types: Vec<DataType>,
    pub(crate) data_type: DataType,
}

/// An exact count of different values; null is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DistinctCount {
    /// Place in [`GoldPlan::numbered`].
    pub(crate) values: usize,
    /// The input that says which rows count; `None`: all.
    pub(crate) filter: Option<usize>,
}

/// Where a column of a merged row comes from.
#[derive(Clone, Debug)]
pub(crate) enum MergedColumn {
    /// One of the table's aggregates.
    Aggregate(usize),
    /// One of its distinct counts.
    DistinctCount(usize),
    /// An expression over the columns before it.
    Measure(Expression),
}

impl GoldPlan {
    /// Compiles the tables as far as they can be; the problems tell the rest.
    pub(crate) fn compile(
        tables: &[config::GoldTable],
        silver: &TableSchema,
        compiler: &Compiler,
        problems: &mut Problems,
    ) -> Self {
        let mut plan = Self::default();
        let mut scope = Scope::default();
        for field in silver.schema.fields() {
            scope.push(field.name(), field.data_type().clone());
        }
        for (index, table) in tables.iter().enumerate() {
            let path = format!("gold[{index}]");
            table::check_table_name(&tables[..index], &table.name, &path, problems);
            if let Some(table) = table::compile(table, &path, &scope, compiler, &mut plan, problems) {
                plan.tables.push(table);
            }
        }
        plan
    }

    /// The place of an input, which is added if it is new.
    fn input(&mut self, expression: Expression) -> usize {
        let known = self.inputs.iter().position(|known| *known == expression);
        known.unwrap_or_else(|| {
            self.inputs.push(expression);
            self.inputs.len() - 1
        })
    }

    /// The place of an input whose values are numbered, which is added if it is new.
    fn numbered(&mut self, expression: Expression, is_counted: bool) -> usize {
        let input = self.input(expression);
        let known = self.numbered.iter().position(|known| known.input == input);
        let place = known.unwrap_or_else(|| {
            self.numbered.push(Numbered { input, is_counted });
            self.numbered.len() - 1
        });
        self.numbered[place].is_counted |= is_counted;
        place
    }
}
