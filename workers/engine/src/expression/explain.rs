//! DataFusion's errors in words for the author of an expression.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::{Problem, Scope};

/// Why an expression did not compile.
pub(super) fn compile_error(error: &DataFusionError, sql: &str, scope: &Scope) -> Problem {
    match error.find_root() {
        DataFusionError::SQL(parser_error, _) => {
            let message = parser_error.to_string();
            let message = message.strip_prefix("sql parser error: ").unwrap_or(&message);
            Problem::new(
                format!("it does not parse: {message}"),
                "write one SQL expression; a column whose name is an SQL keyword is written in double quotes",
            )
        }
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => unknown_column(&field.flat_name(), sql, scope),
            other => Problem::new(other.to_string(), "write one SQL expression over the columns"),
        },
        DataFusionError::Plan(message) if message.starts_with("Invalid function") => {
            unknown_function(message)
        }
        other => Problem::new(message(other), "mend the expression"),
    }
}

fn unknown_column(name: &str, sql: &str, scope: &Scope) -> Problem {
    let fix = if sql.contains(&format!("\"{name}\"")) {
        format!("text is written in single quotes: '{name}'; if a column is meant: {}", scope.suggest(name))
    } else {
        scope.suggest(name)
    };
    Problem {
        message: format!("there is no column `{name}` (an expression sees the columns before it)"),
        fix,
        unknown_column: Some(name.to_owned()),
    }
}

fn unknown_function(message: &str) -> Problem {
    let mut quoted = message.split('\'').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let fix = match quoted.next() {
        Some(near) => format!("did you mean `{near}`? See the list of scalar functions of DataFusion"),
        None => "see the list of scalar functions of DataFusion".to_owned(),
    };
    Problem::new(format!("there is no function `{name}`"), fix)
}

/// The text of an error, on one line and without its wrapping.
pub(super) fn message(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::Plan(message)
        | DataFusionError::Execution(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Internal(message) => message.clone(),
        other => other.strip_backtrace(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
