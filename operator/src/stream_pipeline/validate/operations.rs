//! The parts `spec.shards`, `spec.autoscaling`, `spec.maintenance`, `spec.replay` and `spec.warehouse`.

use sluice_crds::replay::TableReplay;
use sluice_crds::stream_pipeline as crd;

use super::cron;
use crate::problem::Faults;
use crate::sharded_job::{Maintenance, Replay};
use crate::validation::measure::{DAY, HOUR, MINUTE, SECOND, TEN_YEARS, milliseconds};
use crate::validation::names::refuse_repeated;
use crate::validation::replay::validate_replay;

/// Once an hour, but not when everybody else's work begins.
const DEFAULT_SCHEDULE: &str = "17 * * * *";

/// The number of shards to start with.
pub(super) fn validate_shards(
    shards: Option<i32>,
    autoscaling: Option<&crd::Autoscaling>,
    faults: &mut Faults,
) -> u32 {
    let (field, number) = match autoscaling {
        Some(autoscaling) => {
            let drain_within = autoscaling.drain_within.as_deref();
            milliseconds(
                "spec.autoscaling.drainWithin",
                drain_within,
                5 * MINUTE,
                10 * SECOND..=24 * HOUR,
                faults,
            );
            ("spec.autoscaling.min", autoscaling.min)
        }
        None => ("spec.shards", shards.unwrap_or(1)),
    };
    if let Ok(number @ 1..=128) = u32::try_from(number) {
        return number;
    }
    faults.add(field, format!("{number} is no number of shards"), "choose 1 to 128");
    1
}

/// A pipeline is maintained whether or not it says when.
pub(super) fn validate_maintenance(
    maintenance: Option<&crd::Maintenance>,
    faults: &mut Faults,
) -> Maintenance {
    let schedule = maintenance.and_then(|maintenance| maintenance.schedule.as_deref());
    validate_schedule("spec.maintenance.schedule", schedule, faults);
    let retention = maintenance.and_then(|maintenance| maintenance.retention.as_deref());
    Maintenance {
        schedule: schedule.unwrap_or(DEFAULT_SCHEDULE).to_owned(),
        retention_ms: milliseconds(
            "spec.maintenance.retention",
            retention,
            30 * DAY,
            DAY..=TEN_YEARS,
            faults,
        ),
    }
}

pub(super) fn validate_warehouse(
    warehouse: Option<&crd::Warehouse>,
    gold: &[crd::GoldTable],
    faults: &mut Faults,
) {
    let Some(warehouse) = warehouse else { return };
    validate_schedule("spec.warehouse.schedule", warehouse.schedule.as_deref(), faults);
    if let Some(time_zone) = &warehouse.time_zone
        && jiff::tz::TimeZone::get(time_zone).is_err()
    {
        faults.add(
            "spec.warehouse.timeZone",
            format!("the time zone database has no '{time_zone}'"),
            "write a name such as UTC or Europe/Berlin",
        );
    }
    let named = warehouse.tables.iter().enumerate();
    let field = |index: usize| format!("spec.warehouse.tables[{index}]");
    refuse_repeated(named.clone().map(|(index, table)| (field(index), table.0.as_str())), faults);
    for (index, table) in named {
        if let Some(name) = table.0.strip_prefix("gold/")
            && !gold.iter().any(|table| table.name == name)
        {
            faults.add(
                field(index),
                format!("there is no gold table '{name}'"),
                "add it to spec.gold, or remove it here",
            );
        }
    }
}

/// The replay, of tables that are there.
pub(super) fn validate_table_replay(
    replay: Option<&TableReplay>,
    gold: &[crd::GoldTable],
    faults: &mut Faults,
) -> Option<Replay> {
    let TableReplay { name, tables, from, until, workers } = replay?;
    let tables: Vec<String> = tables.iter().map(|table| table.0.clone()).collect();
    let field = |index: usize| format!("spec.replay.tables[{index}]");
    let named = || tables.iter().map(String::as_str).enumerate();
    refuse_repeated(named().map(|(index, table)| (field(index), table)), faults);
    for (index, table) in named() {
        let Some(name) = table.strip_prefix("gold") else { continue };
        let name = name.trim_start_matches('/');
        if !gold.iter().any(|table| name.is_empty() || table.name == name) {
            let message = if name.is_empty() {
                "there are no gold tables".to_owned()
            } else {
                format!("there is no gold table '{name}'")
            };
            faults.add(field(index), message, "add it to spec.gold, or remove it here");
        } else if !name.is_empty() && tables.iter().any(|table| table == "gold") {
            faults.add(field(index), format!("'gold' covers '{table}'"), "remove one of them");
        }
    }
    // Tables of windows alone are made by the merge, in one process.
    let workers = workers.filter(|_| tables.iter().any(|table| !table.starts_with("gold")));
    Some(validate_replay(name, tables, (from.as_deref(), until.as_deref()), workers, faults))
}

fn validate_schedule(field: &str, schedule: Option<&str>, faults: &mut Faults) {
    if let Some(message) = schedule.and_then(cron::fault) {
        faults.add(field, message, "write five cron fields, like '17 * * * *'");
    }
}
