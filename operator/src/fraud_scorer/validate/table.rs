//! The part `spec.table`: which columns it may have.

use sluice_contract::scorer::ScoreTable;
use sluice_crds::FraudScorerSpec;

use crate::problem::Faults;
use crate::stream_pipeline::ValidatedPipeline;
use crate::validation::names::refuse_repeated;

/// Columns that every table of scores has, besides those of silver and a count for each velocity rule.
/// Source: the documentation of `spec.table.columns`.
const SCORES: [&str; 15] = [
    "fraud_score",
    "fraud_score_unlabelled",
    "risk_level",
    "risk_level_unlabelled",
    "requires_review",
    "is_high_velocity",
    "reasons",
    "rule_set",
    "model_probability",
    "model_version",
    "model_variant",
    "processing_time",
    "topic",
    "partition",
    "offset",
];
/// Those of them by whose values files can be laid out: few values, and each has one text.
const LAYOUTS: [&str; 7] = [
    "risk_level",
    "risk_level_unlabelled",
    "requires_review",
    "is_high_velocity",
    "rule_set",
    "model_version",
    "model_variant",
];

pub(super) fn validate_table(
    spec: &FraudScorerSpec,
    pipeline: Option<&ValidatedPipeline>,
    faults: &mut Faults,
) -> ScoreTable {
    let table = &spec.table;
    let counts: Vec<String> =
        spec.velocity.iter().map(|velocity| format!("{}_count", velocity.name)).collect();
    let added = SCORES.iter().map(|name| ("spec.table.columns".to_owned(), *name));
    let counted = counts.iter().enumerate();
    let counted = counted.map(|(index, name)| (format!("spec.velocity[{index}].name"), name.as_str()));
    let columns = table.columns.iter().enumerate();
    let columns = columns.map(|(index, name)| (format!("spec.table.columns[{index}]"), name.as_str()));
    refuse_repeated(added.chain(counted).chain(columns.clone()), faults);
    if let Some(pipeline) = pipeline {
        for (field, name) in columns.filter(|(_, name)| !SCORES.contains(name)) {
            refuse_unknown(&field, name, pipeline, faults);
        }
    }
    validate_layout(&table.partition_by, pipeline, faults);
    ScoreTable {
        name: table.name.clone(),
        columns: table.columns.clone(),
        partition_by: table.partition_by.clone(),
    }
}

fn validate_layout(names: &[String], pipeline: Option<&ValidatedPipeline>, faults: &mut Faults) {
    let fields = names.iter().enumerate();
    let fields = fields.map(|(index, name)| (format!("spec.table.partitionBy[{index}]"), name.as_str()));
    refuse_repeated(fields.clone(), faults);
    for (field, name) in fields.filter(|(_, name)| !LAYOUTS.contains(name)) {
        if SCORES.contains(&name) {
            faults.add(
                field,
                format!("'{name}' has too many values, or none that a folder could be named by"),
                format!("choose a silver column or one of {}", LAYOUTS.join(", ")),
            );
        } else if let Some(pipeline) = pipeline {
            refuse_unknown(&field, name, pipeline, faults);
        }
    }
}

/// Refuses a column that the pipeline's silver table does not have.
pub(super) fn refuse_unknown(field: &str, name: &str, pipeline: &ValidatedPipeline, faults: &mut Faults) {
    let columns = &pipeline.silver.columns;
    if columns.iter().any(|column| column.name == *name) {
        return;
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    faults.add(
        field,
        format!("silver of StreamPipeline '{}' has no column '{name}'", pipeline.name),
        format!("choose one of {}, or add it to the pipeline", names.join(", ")),
    );
}
