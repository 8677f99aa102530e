//! Measures: aggregates over the rows of a group, and expressions over aggregates and earlier measures.
//!
//! A measure is taken apart: each aggregate call becomes a [`Call`] over the rows, and in its place the
//! expression reads a column of the merged row. Calls that several measures share are computed once.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column as PhysicalColumn, Literal};
use datafusion::physical_plan::PhysicalExpr;

use super::check::{Dependence, forbidden_part};
use super::{Compiler, Expression, Problem, Scope, canonical, explain};
use crate::deduplication::can_identify;
use crate::tables::nullable;

/// Aggregates whose result depends on the order of the rows, which partitions do not have among each other.
const ORDERED: [&str; 6] = ["any_value", "array_agg", "first_value", "last_value", "nth_value", "string_agg"];
const USABLE: &str = "use count, sum, avg, min, max, stddev, var, bool_and, bool_or, median, approx_distinct, corr or another \
                      aggregate whose partial results merge";

/// One aggregate over the rows of a group.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) computation: Computation,
    /// The arguments, over the columns of silver.
    pub(crate) arguments: Vec<Expression>,
    /// Which rows count; `None`: all.
    pub(crate) filter: Option<Expression>,
    /// The type of its result.
    pub(crate) data_type: DataType,
    /// The slot of its result in the scope of the merged row.
    slot: usize,
}

/// How an aggregate is computed.
#[derive(Clone, Debug)]
pub(crate) enum Computation {
    /// By states that merge.
    States(Arc<AggregateFunctionExpr>),
    /// By the set of the argument's values: an exact `count(DISTINCT ...)`.
    Distinct,
}

impl Call {
    fn is_same(&self, other: &Self) -> bool {
        let is_same_computation = match (&self.computation, &other.computation) {
            (Computation::Distinct, Computation::Distinct) => true,
            (Computation::States(one), Computation::States(another)) => one.fun() == another.fun(),
            _ => false,
        };
        is_same_computation && self.arguments == other.arguments && self.filter == other.filter
    }

    /// The types of its states; none for a distinct count.
    pub(crate) fn state_types(&self) -> Vec<DataType> {
        match &self.computation {
            Computation::States(function) => {
                let fields = function.state_fields().expect("an aggregate that was planned has states");
                fields.iter().map(|field| field.data_type().clone()).collect()
            }
            Computation::Distinct => Vec::new(),
        }
    }
}

/// What the measures of a table may name, and what they are made of.
#[derive(Debug)]
pub(crate) struct MeasureScope<'a> {
    /// The columns of silver, which aggregates read.
    silver: &'a Scope,
    /// The columns of a merged row: group keys, then calls and measures as they are compiled.
    merged: Scope,
    /// Names of the measures so far, those included that do not compile.
    measures: Vec<String>,
    /// Names of those that do not compile.
    broken: Vec<String>,
    calls: Vec<Call>,
}

/// What a measure is.
#[derive(Debug)]
pub(crate) enum Measure {
    /// An expression over the columns of a merged row.
    Expression(Expression),
    /// It cannot be compiled for a measure before it, whose problem was told.
    DependsOnBroken,
}

impl<'a> MeasureScope<'a> {
    /// The scope of a table's first measure.
    pub(crate) fn new(silver: &'a Scope, keys: &[FieldRef]) -> Self {
        let mut merged = Scope::default();
        for key in keys {
            merged.push(key.name(), key.data_type().clone());
        }
        Self { silver, merged, measures: Vec::new(), broken: Vec::new(), calls: Vec::new() }
    }

    /// The aggregates so far, each with its slot in a merged row.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&Call, usize)> {
        self.calls.iter().map(|call| (call, call.slot))
    }

    /// Lets later measures name a measure, and gives its slot.
    pub(crate) fn push_measure(&mut self, name: &str, data_type: DataType) -> usize {
        self.measures.push(name.to_owned());
        self.merged.push(name, data_type)
    }

    /// Remembers a measure that does not compile.
    pub(crate) fn push_broken(&mut self, name: &str) {
        self.measures.push(name.to_owned());
        self.broken.push(name.to_owned());
    }

    /// All names, for parsing.
    fn names(&self) -> Scope {
        let mut names = self.silver.clone();
        for name in &self.measures {
            let slot = self.merged.slot(name);
            names.push(name, slot.map_or(DataType::Null, |slot| self.merged.data_type(slot).clone()));
        }
        names
    }

    /// Puts the call's column in its place; a call that is there already is not computed again.
    fn add(&mut self, mut call: Call) -> Expr {
        let known = self.calls.iter().find(|known| known.is_same(&call));
        let slot = known.map_or_else(|| self.merged.len(), |known| known.slot);
        // Names of columns have no blanks, so no measure can have it.
        let name = format!("call {slot}");
        if slot == self.merged.len() {
            call.slot = self.merged.push(&name, call.data_type.clone());
            self.calls.push(call);
        }
        Expr::Column(Column::new_unqualified(name))
    }
}

impl Compiler {
    /// Compiles a measure, and adds the aggregates in it to the scope.
    pub(crate) fn measure(&self, sql: &str, scope: &mut MeasureScope<'_>) -> Result<Measure, Problem> {
        let parsed = self.parse(sql, &scope.names())?;
        if let Some(problem) = forbidden_part(&parsed, Dependence::Group) {
            return Err(problem);
        }
        let (outer, calls) = self.take_apart(parsed, scope)?;
        let named: Vec<String> =
            outer.column_refs().into_iter().map(|column| column.name().to_owned()).collect();
        if named.iter().any(|name| scope.broken.contains(name)) {
            return Ok(Measure::DependsOnBroken);
        }
        for name in &named {
            if scope.merged.slot(name).is_none() {
                return Err(Problem::new(
                    format!("`{name}` has many values in a group"),
                    format!("aggregate it, as in max({name}), or add it to groupBy"),
                ));
            }
        }
        if calls == 0 && !named.iter().any(|name| scope.measures.contains(name)) {
            return Err(Problem::new(
                "it has no aggregate and names no measure before it",
                "write an aggregate, such as count(*), or an expression over earlier measures",
            ));
        }
        self.compile_parsed(sql, outer, &scope.merged).map(Measure::Expression)
    }

    /// Replaces each aggregate by the column of its result; also gives their number.
    fn take_apart(&self, parsed: Expr, scope: &mut MeasureScope<'_>) -> Result<(Expr, usize), Problem> {
        let mut calls = 0;
        let mut problem = None;
        let outer = parsed.transform_down(|part| {
            let Expr::AggregateFunction(function) = part else { return Ok(Transformed::no(part)) };
            calls += 1;
            match self.call(&function, scope) {
                Ok(call) => Ok(Transformed::new(scope.add(call), true, TreeNodeRecursion::Jump)),
                Err(found) => {
                    problem = Some(found);
                    Err(DataFusionError::Plan("the problem was told".to_owned()))
                }
            }
        });
        match (outer, problem) {
            (_, Some(problem)) => Err(problem),
            (Ok(outer), None) => Ok((outer.data, calls)),
            (Err(error), None) => Err(explain::compile_error(&error, "", scope.silver)),
        }
    }

    fn call(&self, function: &AggregateFunction, scope: &MeasureScope<'_>) -> Result<Call, Problem> {
        let whole = Expr::AggregateFunction(function.clone());
        check_order(function)?;
        check_names(function, scope)?;
        let explain = |error| explain::compile_error(&error, &whole.to_string(), scope.silver);
        let schema = scope.silver.schema().map_err(explain)?;
        let Expr::AggregateFunction(coerced) = self.coerce(whole.clone(), &schema).map_err(explain)? else {
            return Err(Problem::new(format!("`{whole}` is no aggregate"), USABLE));
        };
        let compile = |part: &Expr| self.compile_parsed(&part.to_string(), part.clone(), scope.silver);
        let arguments = coerced.params.args.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        // The one that was written: a coerced condition is a cast of whatever it was.
        let filter =
            function.params.filter.as_deref().map(compile).transpose()?.map(condition).transpose()?;
        if coerced.params.distinct {
            let argument = distinct_argument(coerced.func.name(), arguments)?;
            let computation = Computation::Distinct;
            let data_type = DataType::Int64;
            return Ok(Call { computation, arguments: vec![argument], filter, data_type, slot: 0 });
        }
        let function = states(&coerced, &arguments).map_err(explain)?;
        if !function.groups_accumulator_supported() {
            let message = format!("the partial results of `{}` do not merge", coerced.func.name());
            return Err(Problem::new(message, USABLE));
        }
        let data_type = signed(function.field().data_type());
        let computation = Computation::States(Arc::new(function));
        Ok(Call { computation, arguments, filter, data_type, slot: 0 })
    }
}

/// Refuses what depends on the order of the rows.
fn check_order(function: &AggregateFunction) -> Result<(), Problem> {
    let name = function.func.name();
    if ORDERED.contains(&name) || !function.params.order_by.is_empty() {
        return Err(Problem::new(
            format!(
                "`{name}` depends on the order of the rows, which rows of several partitions do not have"
            ),
            USABLE,
        ));
    }
    Ok(())
}

/// Refuses aggregates over aggregates, and over measures.
fn check_names(function: &AggregateFunction, scope: &MeasureScope<'_>) -> Result<(), Problem> {
    let name = function.func.name();
    for part in function.params.args.iter().chain(function.params.filter.as_deref()) {
        let is_aggregate = |part: &Expr| Ok(matches!(part, Expr::AggregateFunction(_)));
        if part.exists(is_aggregate).expect("the visitor does not fail") {
            return Err(Problem::new(
                format!("`{name}` is an aggregate over an aggregate"),
                "aggregate columns of silver; make a measure of the inner aggregate and write an expression over it",
            ));
        }
        let columns = part.column_refs();
        if let Some(column) = columns.iter().find(|column| scope.silver.slot(column.name()).is_none()) {
            return Err(Problem::new(
                format!("`{name}` aggregates the measure `{}`", column.name()),
                "aggregate columns of silver, or leave the aggregate out and write an expression over measures",
            ));
        }
    }
    Ok(())
}

fn condition(filter: Expression) -> Result<Expression, Problem> {
    match filter.data_type() {
        DataType::Boolean => Ok(filter),
        other => Err(Problem::new(
            format!("the condition of FILTER is of type {other}"),
            "write a comparison, such as FILTER (WHERE amount > 0)",
        )),
    }
}

fn distinct_argument(function: &str, arguments: Vec<Expression>) -> Result<Expression, Problem> {
    if function != "count" {
        return Err(Problem::new(
            format!("DISTINCT is there for count, not for `{function}`"),
            "leave DISTINCT out, or write count(DISTINCT ...)",
        ));
    }
    let [argument]: [Expression; 1] = arguments.try_into().map_err(|arguments: Vec<_>| {
        Problem::new(
            format!("count(DISTINCT ...) has {} expressions", arguments.len()),
            "give it one, such as count(DISTINCT user_id)",
        )
    })?;
    let data_type = argument.data_type().clone();
    match canonical(&data_type).filter(can_identify) {
        Some(stored) => Ok(argument.converted_to(stored)),
        None => Err(Problem::new(
            format!("values of type {data_type} cannot be told apart by count(DISTINCT ...)"),
            "CAST them to text, a number, a date or a timestamp",
        )),
    }
}

/// The function over its arguments' values. Constants stay visible: some functions read them when planned.
fn states(
    function: &AggregateFunction,
    arguments: &[Expression],
) -> Result<AggregateFunctionExpr, DataFusionError> {
    let fields = arguments.iter().enumerate();
    let fields: Vec<FieldRef> = fields
        .map(|(index, argument)| nullable(&format!("argument {index}"), argument.data_type().clone()))
        .collect();
    let column = |(index, argument): (usize, &Expression)| -> Arc<dyn PhysicalExpr> {
        match argument.as_constant() {
            Some(constant) => Arc::new(Literal::new(constant.clone())),
            None => Arc::new(PhysicalColumn::new(fields[index].name(), index)),
        }
    };
    let columns = arguments.iter().enumerate().map(column).collect();
    AggregateExprBuilder::new(Arc::clone(&function.func), columns)
        .schema(Arc::new(Schema::new(fields.clone())))
        .alias(function.func.name())
        .build()
}

/// Counts come as whole numbers with a sign, which a table can hold.
fn signed(data_type: &DataType) -> DataType {
    if data_type.is_unsigned_integer() { DataType::Int64 } else { data_type.clone() }
}
