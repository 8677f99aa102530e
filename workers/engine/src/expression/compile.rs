//! [`Compiler`]: SQL text to an [`Expression`].

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionConfig;

use super::calendar::UtcPart;
use super::check::Dependence;
use super::{Expression, Problem, Scope, check, explain};

/// Compiles expressions: one dialect, one set of functions.
///
/// Column names are taken as they are written. Whole numbers that overflow are failures of their row, not
/// other numbers.
#[derive(Debug)]
pub(crate) struct Compiler {
    session: SessionState,
}

impl Compiler {
    /// A compiler with DataFusion's own functions.
    pub(crate) fn new() -> Self {
        let mut config = SessionConfig::new();
        let parser = &mut config.options_mut().sql_parser;
        parser.enable_ident_normalization = false;
        parser.map_string_types_to_utf8view = false;
        Self { session: SessionStateBuilder::new().with_config(config).with_default_features().build() }
    }

    /// Compiles an expression over the columns of a scope.
    pub(crate) fn compile(&self, sql: &str, scope: &Scope) -> Result<Expression, Problem> {
        let logical = self.parse(sql, scope)?;
        match check::forbidden_part(&logical, Dependence::OwnRow) {
            Some(problem) => Err(problem),
            None => self.compile_parsed(sql, logical, scope),
        }
    }

    /// Compiles what was parsed before; `sql` is its text.
    pub(super) fn compile_parsed(
        &self,
        sql: &str,
        logical: Expr,
        scope: &Scope,
    ) -> Result<Expression, Problem> {
        let explain = |error| explain::compile_error(&error, sql, scope);
        let schema = scope.schema().map_err(explain)?;
        self.plan(sql, logical, &schema, scope).map_err(explain)
    }

    /// Parses an expression and finds the functions and columns that it names.
    pub(super) fn parse(&self, sql: &str, scope: &Scope) -> Result<Expr, Problem> {
        let explain = |error| explain::compile_error(&error, sql, scope);
        let dialect = self.session.config().options().sql_parser.dialect;
        let parsed = self.session.sql_to_expr_with_alias(sql, &dialect).map_err(explain)?;
        if let Some(alias) = &parsed.alias {
            return Err(Problem::new(
                format!("it gives itself the name `{alias}`"),
                "the name is the column's `name`: leave AS out, and separate expressions by their own columns",
            ));
        }
        let schema = scope.schema().map_err(explain)?;
        let logical = self.session.create_logical_expr_from_sql_expr(parsed, &schema).map_err(explain)?;
        Ok(logical.unalias())
    }

    /// The expression with the casts that its operators and functions need.
    pub(super) fn coerce(&self, logical: Expr, schema: &DFSchema) -> Result<Expr> {
        self.simplifier(schema).coerce(logical, schema)
    }

    fn simplifier(&self, schema: &DFSchema) -> ExprSimplifier {
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(self.session.config_options()))
            .build();
        ExprSimplifier::new(context)
    }

    fn plan(&self, sql: &str, logical: Expr, schema: &DFSchema, scope: &Scope) -> Result<Expression> {
        let column = match &logical {
            Expr::Column(column) => scope.slot(column.name()),
            _ => None,
        };
        let simplifier = self.simplifier(schema);
        let coerced = simplifier.coerce(logical, schema)?;
        let data_type: DataType = coerced.get_type(schema)?;
        let logical = simplifier.simplify(coerced)?;
        let constant = match &logical {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        };

        let named = logical.column_refs().into_iter();
        let named = named.filter_map(|column| Some((column.name().to_owned(), scope.slot(column.name())?)));
        let mut inputs: Vec<(String, usize)> = named.collect();
        inputs.sort_unstable_by(|(name, slot), (other, other_slot)| (slot, name).cmp(&(other_slot, other)));
        let inputs_schema = scope.projection(inputs.iter().map(|(name, slot)| (name.as_str(), *slot)));
        let physical =
            self.session.create_physical_expr(logical, &DFSchema::try_from(inputs_schema.clone())?)?;
        Ok(Expression {
            sql: sql.trim().to_owned(),
            inputs,
            physical: rewritten(physical, &inputs_schema)?,
            schema: Arc::new(inputs_schema),
            data_type,
            column,
            constant,
        })
    }
}

/// Tells each operator to fail where whole numbers overflow, instead of wrapping around, and takes the
/// calendar of UTC by arithmetic.
fn rewritten(physical: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let transformed = physical.transform_up(|part| {
        let other: Arc<dyn PhysicalExpr> = if let Some(operator) = part.downcast_ref::<BinaryExpr>() {
            Arc::new(operator.clone().with_fail_on_overflow(true))
        } else if let Some(utc_part) = UtcPart::in_place_of(&part, schema)? {
            Arc::new(utc_part)
        } else {
            return Ok(Transformed::no(part));
        };
        Ok(Transformed::yes(other))
    })?;
    Ok(transformed.data)
}
