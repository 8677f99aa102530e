//! The part `spec.gold`.

use sluice_contract::config;
use sluice_crds::stream_pipeline as crd;

use crate::problem::Faults;
use crate::validation::measure::{DAY, HOUR, MINUTE, SECOND, milliseconds};
use crate::validation::names::refuse_repeated;

/// Columns that every gold table has, besides its keys and measures.
const ADDED: [&str; 6] = ["window_start", "window_end", "window_date", "revision", "is_final", "updated_at"];
/// A row belongs to at most this many windows of a table.
const MOST_WINDOWS: u64 = 1_000;

pub(super) fn validate_gold(
    tables: &[crd::GoldTable],
    silver: &config::Silver,
    faults: &mut Faults,
) -> Vec<config::GoldTable> {
    let named = tables.iter().enumerate();
    refuse_repeated(
        named.map(|(index, table)| (format!("spec.gold[{index}].name"), table.name.as_str())),
        faults,
    );
    let named = tables.iter().enumerate();
    named
        .map(|(index, table)| validate_table(&format!("spec.gold[{index}]"), table, silver, faults))
        .collect()
}

fn validate_table(
    field: &str,
    table: &crd::GoldTable,
    silver: &config::Silver,
    faults: &mut Faults,
) -> config::GoldTable {
    validate_names(field, table, silver, faults);
    let (size_ms, slide_ms) = validate_window(field, &table.window, faults);
    let emit = table.emit.clone().unwrap_or_default();
    let every = format!("{field}.emit.every");
    let lateness = format!("{field}.emit.allowedLateness");
    let correct = format!("{field}.emit.correctFor");
    config::GoldTable {
        name: table.name.clone(),
        size_ms,
        slide_ms,
        group_by: table.group_by.clone(),
        measures: table
            .measures
            .iter()
            .map(|measure| config::Column { name: measure.name.clone(), expr: Some(measure.expr.clone()) })
            .collect(),
        emit_every_ms: milliseconds(&every, emit.every.as_deref(), 10 * SECOND, SECOND..=24 * HOUR, faults),
        allowed_lateness_ms: milliseconds(
            &lateness,
            emit.allowed_lateness.as_deref(),
            5 * MINUTE,
            0..=30 * DAY,
            faults,
        ),
        correct_for_ms: milliseconds(&correct, emit.correct_for.as_deref(), 7 * DAY, 0..=366 * DAY, faults),
    }
}

/// Windows are cut from panes of the length of the slide, so it must divide the size.
fn validate_window(field: &str, window: &crd::Window, faults: &mut Faults) -> (u64, u64) {
    let limits = SECOND..=366 * DAY;
    let size_field = format!("{field}.window.size");
    let slide_field = format!("{field}.window.slide");
    let size = milliseconds(&size_field, Some(&window.size), DAY, limits.clone(), faults);
    let slide = milliseconds(&slide_field, window.slide.as_deref(), size, limits, faults);
    let slide_text = window.slide.as_deref().unwrap_or(&window.size);
    if slide > size {
        faults.add(
            slide_field,
            format!(
                "{slide_text} is longer than the window, {}: rows between windows would be lost",
                window.size
            ),
            "choose a slide that divides the size",
        );
    } else if !size.is_multiple_of(slide) {
        faults.add(
            slide_field,
            format!("{slide_text} does not divide the window, {}", window.size),
            "choose a slide that divides the size, such as 5m for 15m",
        );
    } else if size / slide > MOST_WINDOWS {
        faults.add(
            slide_field,
            format!("a row would belong to {} windows, more than {MOST_WINDOWS}", size / slide),
            "choose a longer slide or a shorter window",
        );
    }
    (size, slide)
}

fn validate_names(field: &str, table: &crd::GoldTable, silver: &config::Silver, faults: &mut Faults) {
    for (index, key) in table.group_by.iter().enumerate() {
        if !silver.columns.iter().any(|column| column.name == *key) {
            let names: Vec<&str> = silver.columns.iter().map(|column| column.name.as_str()).collect();
            faults.add(
                format!("{field}.groupBy[{index}]"),
                format!("silver has no column '{key}'"),
                format!("choose one of {}", names.join(", ")),
            );
        }
    }
    let added = ADDED.iter().map(|name| (field.to_owned(), *name));
    let keys = table.group_by.iter().enumerate();
    let keys = keys.map(|(index, key)| (format!("{field}.groupBy[{index}]"), key.as_str()));
    let measures = table.measures.iter().enumerate();
    let measures =
        measures.map(|(index, measure)| (format!("{field}.measures[{index}].name"), measure.name.as_str()));
    refuse_repeated(added.chain(keys).chain(measures), faults);
}
