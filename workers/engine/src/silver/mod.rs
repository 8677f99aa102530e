//! Silver: which bronze rows are clean, and what they look like.
//!
//! The order of work for each row: the rules of `silver.require`, the future check, the columns, then
//! deduplication (a module of its own). A row that fails on the way is refused with the first reason and
//! takes no further part; so a refused row never reserves its identity.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, filter};
use sluice_contract::reasons;

use crate::expression::{Evaluated, Failure};
use crate::plan::Plan;

mod candidates;
mod detail;
#[cfg(test)]
mod other_schemas;
mod selection;
#[cfg(test)]
mod tests;

pub(crate) use candidates::Candidates;
pub(crate) use selection::Selection;

/// Refuses the rows that do not meet the rules, then those that lie too far in the future.
pub(crate) fn require(plan: &Plan, candidates: &mut Candidates) {
    for requirement in &plan.requirements {
        let expression = &requirement.expression;
        let Evaluated { values, failures } =
            expression.evaluate(candidates.columns(), candidates.selection());
        refuse_failed(candidates, &format!("rule `{}`", requirement.reason), expression.sql(), failures);
        let values = values.as_boolean();
        let is_true = match values.nulls() {
            None => values.values().clone(),
            Some(nulls) => values.values() & nulls.inner(),
        };
        for row in candidates.select(&is_true) {
            let detail = detail::not_true(expression, candidates.columns(), row);
            candidates.refuse(row, Cow::Owned(requirement.reason.clone()), detail);
        }
    }
    if let Some(beyond_us) = plan.refuse_future_beyond_us {
        refuse_future(candidates, beyond_us);
    }
}

/// Refuses rows whose event time is more than `beyond_us` after their Kafka timestamp.
fn refuse_future(candidates: &mut Candidates, beyond_us: i64) {
    let (event_times, kafka_timestamps) = (candidates.event_times(), candidates.kafka_timestamps());
    let is_past = BooleanBuffer::collect_bool(candidates.rows(), |row| {
        event_times.is_null(row)
            || kafka_timestamps.is_null(row)
            || event_times.value(row) <= kafka_timestamps.value(row).saturating_add(beyond_us)
    });
    for row in candidates.select(&is_past) {
        let detail = detail::future(
            candidates.event_times().value(row),
            candidates.kafka_timestamps().value(row),
            beyond_us,
        );
        candidates.refuse(row, Cow::Borrowed(reasons::FUTURE_TIMESTAMP), detail);
    }
}

/// Computes the columns that have an expression, in order, each from those before it.
pub(crate) fn compute_columns(plan: &Plan, candidates: &mut Candidates) {
    for column in &plan.columns {
        let Some(expression) = &column.expression else { continue };
        let Evaluated { values, failures } =
            expression.evaluate(candidates.columns(), candidates.selection());
        candidates.push_column(values);
        refuse_failed(candidates, &format!("column `{}`", column.name), expression.sql(), failures);
    }
}

fn refuse_failed(candidates: &mut Candidates, what: &str, sql: &str, failures: Vec<Failure>) {
    if failures.is_empty() {
        return;
    }
    let mut worked = vec![true; candidates.rows()];
    for Failure { row, error } in failures {
        worked[row] = false;
        candidates.refuse(row, Cow::Borrowed(reasons::EXPRESSION_FAILED), detail::failed(what, sql, &error));
    }
    candidates.select(&BooleanBuffer::from(worked));
}

/// The event times of the accepted rows.
pub(crate) fn event_times(candidates: &Candidates, accepted: &BooleanBuffer) -> TimestampMicrosecondArray {
    let times = candidates.event_times();
    if accepted.count_set_bits() == times.len() {
        return times.clone();
    }
    let kept = filter(times, &accepted.clone().into()).expect("the filter is as long as the column");
    kept.as_primitive().clone()
}

/// The silver rows: the accepted ones of the candidates.
pub(crate) fn assemble(
    plan: &Plan,
    candidates: &Candidates,
    accepted: &BooleanBuffer,
) -> Option<RecordBatch> {
    let rows = accepted.count_set_bits();
    if rows == 0 {
        return None;
    }
    let columns = plan.columns.iter().map(|column| candidates.column(column.slot));
    let columns = if rows == candidates.rows() {
        columns.map(Arc::clone).collect()
    } else {
        let filter = FilterBuilder::new(&accepted.clone().into()).optimize().build();
        let keep = |column| filter.filter(column).expect("the filter is as long as the column");
        columns.map(|column| keep(column.as_ref())).collect()
    };
    let schema = Arc::clone(&plan.tables.silver.schema);
    Some(RecordBatch::try_new(schema, columns).expect("the columns were planned with this schema"))
}
