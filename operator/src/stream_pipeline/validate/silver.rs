//! The part `spec.silver`.

use sluice_contract::{config, reasons};
use sluice_crds::stream_pipeline as crd;

use super::avro::Fields;
use super::columns::{input_names, is_input};
use crate::problem::Faults;
use crate::validation::measure::{DAY, SECOND, milliseconds};
use crate::validation::names::refuse_repeated;

/// Columns that together identify a silver row. Gold, scoring and repairs need them as they are.
const IDENTITY: [&str; 3] = ["topic", "partition", "offset"];
/// Reasons of stage `silver` that are not the user's.
const OWN_REASONS: [&str; 2] = [reasons::FUTURE_TIMESTAMP, reasons::EXPRESSION_FAILED];

pub(super) fn validate_silver(
    silver: &crd::Silver,
    fields: Option<&Fields>,
    faults: &mut Faults,
) -> config::Silver {
    validate_columns(&silver.columns, fields, faults);
    validate_partition_by(silver, faults);
    validate_reasons(&silver.require, faults);
    config::Silver {
        require: silver
            .require
            .iter()
            .map(|rule| config::Requirement { reason: rule.reason.clone(), expr: rule.expr.clone() })
            .collect(),
        deduplicate: silver
            .deduplicate
            .as_ref()
            .map(|rule| validate_deduplicate(rule, &silver.columns, fields, faults)),
        columns: silver
            .columns
            .iter()
            .map(|column| config::Column { name: column.name.clone(), expr: column.expr.clone() })
            .collect(),
        partition_by: silver.partition_by.clone(),
    }
}

/// Several rules may share a reason, but not one of those that Sluice gives by itself.
fn validate_reasons(rules: &[crd::Requirement], faults: &mut Faults) {
    for (index, rule) in rules.iter().enumerate() {
        if OWN_REASONS.contains(&rule.reason.as_str()) {
            faults.add(
                format!("spec.silver.require[{index}].reason"),
                format!("'{}' is a reason that Sluice gives by itself", rule.reason),
                "choose another word",
            );
        }
    }
}

fn validate_columns(columns: &[crd::Column], fields: Option<&Fields>, faults: &mut Faults) {
    const FIELD: &str = "spec.silver.columns";
    let named = columns.iter().enumerate();
    refuse_repeated(
        named.clone().map(|(index, column)| (format!("{FIELD}[{index}].name"), column.name.as_str())),
        faults,
    );
    for (index, column) in named {
        if column.expr.is_none() && !is_input(&column.name, fields) {
            faults.add(
                format!("{FIELD}[{index}]"),
                format!("there is no '{}' to pass through", column.name),
                format!("give it an expr, or choose one of {}", input_names(fields)),
            );
        }
        if column.expr.is_some() && IDENTITY.contains(&column.name.as_str()) {
            faults.add(
                format!("{FIELD}[{index}].expr"),
                format!("'{}' identifies the row and cannot be computed", column.name),
                "remove the expr, or give the column another name",
            );
        }
    }
    for identity in IDENTITY {
        if !columns.iter().any(|column| column.name == identity) {
            faults.add(
                FIELD,
                format!("'{identity}' is missing: topic, partition and offset identify a row"),
                format!("add {{name: {identity}}}"),
            );
        }
    }
}

fn validate_partition_by(silver: &crd::Silver, faults: &mut Faults) {
    let named = silver.partition_by.iter().enumerate();
    let field = |index: usize| format!("spec.silver.partitionBy[{index}]");
    refuse_repeated(named.clone().map(|(index, name)| (field(index), name.as_str())), faults);
    for (index, name) in named {
        if !silver.columns.iter().any(|column| column.name == *name) {
            let names: Vec<&str> = silver.columns.iter().map(|column| column.name.as_str()).collect();
            faults.add(
                field(index),
                format!("silver has no column '{name}'"),
                format!("choose one of {}", names.join(", ")),
            );
        }
    }
    if silver.partition_by.len() >= silver.columns.len() {
        faults.add(
            "spec.silver.partitionBy",
            "a table needs a column that it is not partitioned by",
            "partition by fewer columns",
        );
    }
}

fn validate_deduplicate(
    rule: &crd::Deduplicate,
    columns: &[crd::Column],
    fields: Option<&Fields>,
    faults: &mut Faults,
) -> config::Deduplicate {
    let named = rule.by.iter().enumerate();
    let field = |index: usize| format!("spec.silver.deduplicate.by[{index}]");
    refuse_repeated(named.clone().map(|(index, name)| (field(index), name.as_str())), faults);
    for (index, name) in named {
        if !is_input(name, fields) && !columns.iter().any(|column| column.name == *name) {
            faults.add(
                field(index),
                format!("there is no column '{name}'"),
                format!("choose a column of silver or one of {}", input_names(fields)),
            );
        }
    }
    let within = Some(rule.within.as_str());
    config::Deduplicate {
        by: rule.by.clone(),
        within_ms: milliseconds("spec.silver.deduplicate.within", within, 0, SECOND..=30 * DAY, faults),
    }
}
