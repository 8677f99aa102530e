//! What an expression may not contain: anything that is not a function of its own row, or of its group.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Volatility};

use super::Problem;

/// What the value of an expression may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependence {
    /// Its own row alone.
    OwnRow,
    /// The rows of a group: it may have aggregates.
    Group,
}

/// The first part of the expression that depends on anything else.
pub(super) fn forbidden_part(expression: &Expr, dependence: Dependence) -> Option<Problem> {
    let mut problem = None;
    let walked = expression.apply(|part| {
        problem = forbidden(part, dependence);
        Ok(if problem.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.expect("the visitor does not fail");
    problem
}

fn forbidden(part: &Expr, dependence: Dependence) -> Option<Problem> {
    Some(match part {
        Expr::AggregateFunction(_) if dependence == Dependence::Group => return None,
        Expr::AggregateFunction(function) => Problem::new(
            format!("`{}` is an aggregate: it needs many rows", function.func.name()),
            "aggregates belong into `gold`; write an expression of one row",
        ),
        Expr::WindowFunction(function) => Problem::new(
            format!("`{}` is a window function: it needs many rows", function.fun.name()),
            "write an expression of one row",
        ),
        Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_) => {
            Problem::new("it contains a subquery", "write an expression of one row, without SELECT")
        }
        Expr::ScalarFunction(function) => match function.func.signature().volatility {
            Volatility::Immutable => return None,
            Volatility::Stable => Problem::new(
                format!("`{}` depends on the clock: a restart would give other rows", function.func.name()),
                "use the column `processing_time`, or `event_time`",
            ),
            Volatility::Volatile => Problem::new(
                format!(
                    "`{}` gives another value each time: a restart would give other rows",
                    function.func.name()
                ),
                "write an expression whose value depends on the row alone",
            ),
        },
        Expr::Placeholder(placeholder) => {
            Problem::new(format!("`{}` is a placeholder", placeholder.id), "write the value itself")
        }
        Expr::ScalarVariable(_, names) => {
            Problem::new(format!("`{}` is a variable", names.join(".")), "write the value itself")
        }
        Expr::Unnest(_) => {
            Problem::new("`unnest` makes many rows of one", "pick an element, as in `items[1]`")
        }
        _ => return None,
    })
}
