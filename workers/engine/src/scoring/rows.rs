//! The rows of the table of scores.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder, new_null_array,
};
use arrow::datatypes::{DataType, FieldRef};
use sluice_contract::scorer::ScorerConfig;

use super::plan::{self, ScoringPlan};
use super::rules::Rules;
use super::scores::Scores;
use super::silver_rows::SilverRows;
use crate::tables::{OFFSET, PARTITION, PROCESSING_TIME, TOPIC, nullable, timestamp_type};

/// Where tables of scores are, below the lake's root.
pub(super) const FOLDER: &str = "fraud/";
/// What the column of a count is called after its rule's name.
pub(super) const COUNT_SUFFIX: &str = "_count";

/// The columns that are not silver's, in order.
pub(super) fn own_fields(config: &ScorerConfig) -> Vec<FieldRef> {
    let mut fields = vec![
        nullable("fraud_score", DataType::Int32),
        nullable("fraud_score_unlabelled", DataType::Int32),
        nullable("risk_level", DataType::Utf8),
        nullable("risk_level_unlabelled", DataType::Utf8),
        nullable("requires_review", DataType::Boolean),
        nullable("is_high_velocity", DataType::Boolean),
    ];
    let counts = config.velocity.iter().map(|count| format!("{}{COUNT_SUFFIX}", count.name));
    fields.extend(counts.map(|name| nullable(&name, DataType::Int32)));
    fields.extend([
        plan::texts("reasons"),
        nullable("rule_set", DataType::Utf8),
        nullable("model_probability", DataType::Float64),
        nullable("model_version", DataType::Utf8),
        nullable("model_variant", DataType::Utf8),
        nullable(PROCESSING_TIME, timestamp_type()),
        nullable(TOPIC, DataType::Utf8),
        nullable(PARTITION, DataType::Int32),
        nullable(OFFSET, DataType::Int64),
    ]);
    fields
}

/// The rows, in the order of their messages.
pub(super) fn assemble(
    plan: &ScoringPlan,
    rules: &Rules,
    rows: &SilverRows,
    counts: &[Int32Array],
    scores: &Scores,
) -> RecordBatch {
    let levels = rules.levels();
    let level = |scores: &[i32]| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(scores.iter().map(|&score| levels.name(score))))
    };
    let points = |scores: &[i32]| -> ArrayRef { Arc::new(Int32Array::from(scores.to_vec())) };
    let review = |score: &i32| levels.review_from.is_some_and(|from| *score >= from);
    let is_fast = scores.fired.iter().map(|fired| fired & rules.velocity_bits() != 0);
    let silver = |column: &usize| Arc::clone(rows.columns.column(*column));

    let mut columns: Vec<ArrayRef> = plan.first_columns.iter().map(silver).collect();
    columns.extend([
        points(&scores.score),
        points(&scores.unlabelled),
        level(&scores.score),
        level(&scores.unlabelled),
        Arc::new(BooleanArray::from(scores.score.iter().map(review).collect::<Vec<_>>())),
        Arc::new(BooleanArray::from(is_fast.collect::<Vec<_>>())),
    ]);
    columns.extend(counts.iter().map(|counts| Arc::new(counts.clone()) as ArrayRef));
    columns.extend([
        reasons(rules, scores),
        Arc::new(StringArray::new_repeated(rules.hash(), rows.len())),
        new_null_array(&DataType::Float64, rows.len()),
        new_null_array(&DataType::Utf8, rows.len()),
        new_null_array(&DataType::Utf8, rows.len()),
        Arc::clone(&rows.processing_time),
        Arc::clone(&rows.topic),
        Arc::new(rows.partition.clone()),
        Arc::new(rows.offset.clone()),
    ]);
    columns.extend(plan.last_columns.iter().map(silver));
    RecordBatch::try_new(Arc::clone(&plan.table.schema), columns)
        .expect("the columns were planned with this schema")
}

/// Names of the rules that fired, in their order; an empty list where none did.
fn reasons(rules: &Rules, scores: &Scores) -> ArrayRef {
    let mut reasons = ListBuilder::new(StringBuilder::new());
    for row in 0..scores.fired.len() {
        for number in scores.reasons(row) {
            reasons.values().append_value(&rules.list()[number].name);
        }
        reasons.append(true);
    }
    Arc::new(reasons.finish())
}
