//! `MaintenanceHealthy`: what the CronJob says of its last run. Pure.

use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::conditions::{reasons, types};

use crate::conditions::{Statement, Truth, find};
use crate::labels;

/// Whether the last run that ended succeeded; nothing before a first one has.
pub(super) fn statement(upkeep: &CronJob, previous: &[Condition]) -> Option<Statement> {
    let CronJobStatus { active, last_schedule_time, last_successful_time } = upkeep.status.as_ref()?;
    let started = last_schedule_time.as_ref()?;
    if active.as_ref().is_some_and(|active| !active.is_empty()) {
        return said_before(previous);
    }
    if last_successful_time.as_ref().is_some_and(|ended| ended.0 >= started.0) {
        return Some(Statement::new(types::MAINTENANCE_HEALTHY, Truth::True, reasons::AS_EXPECTED, ""));
    }
    let label = |name: &str| {
        let labels = upkeep.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(name)).cloned().unwrap_or_default()
    };
    let message = format!(
        "the last maintenance of the tables failed; kubectl logs --selector={}={},{}={} shows why; \
         the tables are whole, but old files stay until a run succeeds",
        labels::PIPELINE,
        label(labels::PIPELINE),
        labels::ROLE,
        label(labels::ROLE),
    );
    Some(Statement::new(types::MAINTENANCE_HEALTHY, Truth::False, reasons::MAINTENANCE_FAILED, message))
}

/// While a run goes on, what was said of the one before stands.
fn said_before(previous: &[Condition]) -> Option<Statement> {
    let before = find(previous, types::MAINTENANCE_HEALTHY)?;
    let truth = if before.status == Truth::True.as_str() { Truth::True } else { Truth::False };
    Some(Statement::new(types::MAINTENANCE_HEALTHY, truth, &before.reason, &before.message))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::api::batch::v1::CronJob;
    use serde_json::{Value, json};
    use sluice_crds::conditions::reasons;

    use super::statement;
    use crate::conditions::{Statement, Truth, merge};

    fn said(status: Value, before: &[Statement]) -> Option<(Truth, String)> {
        let previous = merge(&[], before, None, Timestamp::UNIX_EPOCH);
        let document = json!({
            "metadata": {"labels": {"sluice.dev/pipeline": "shop", "sluice.dev/role": "upkeep"}},
            "status": status,
        });
        let upkeep: CronJob = serde_json::from_value(document).expect("a CronJob");
        statement(&upkeep, &previous).map(|statement| (statement.truth, statement.reason))
    }

    #[test]
    fn the_last_run_that_ended_decides() {
        let (early, late) = ("2026-01-05T20:17:00Z", "2026-01-05T21:17:00Z");
        let active = json!([{"name": "run"}]);
        let good = Some((Truth::True, reasons::AS_EXPECTED.to_owned()));
        let bad = Some((Truth::False, reasons::MAINTENANCE_FAILED.to_owned()));
        for (status, expected) in [
            (json!({}), None),
            (json!({"lastScheduleTime": early, "active": active}), None),
            (json!({"lastScheduleTime": early, "lastSuccessfulTime": late}), good),
            (json!({"lastScheduleTime": late, "lastSuccessfulTime": early}), bad.clone()),
            (json!({"lastScheduleTime": late}), bad),
        ] {
            assert_eq!(said(status.clone(), &[]), expected, "{status}");
        }
    }

    #[test]
    fn a_run_that_goes_on_changes_nothing_of_what_was_said() {
        let status = json!({
            "lastScheduleTime": "2026-01-05T21:17:00Z",
            "lastSuccessfulTime": "2026-01-05T20:18:00Z",
            "active": [{"name": "run"}],
        });
        for (truth, reason) in
            [(Truth::True, reasons::AS_EXPECTED), (Truth::False, reasons::MAINTENANCE_FAILED)]
        {
            let before = [Statement::new("MaintenanceHealthy", truth, reason, "why")];
            assert_eq!(said(status.clone(), &before), Some((truth, reason.to_owned())));
        }
    }

    #[test]
    fn a_failure_tells_where_to_look() {
        let document = json!({
            "metadata": {"labels": {"sluice.dev/pipeline": "shop", "sluice.dev/role": "upkeep"}},
            "status": {"lastScheduleTime": "2026-01-05T20:17:00Z"},
        });
        let upkeep: CronJob = serde_json::from_value(document).expect("a CronJob");
        let message = statement(&upkeep, &[]).expect("a failure").message;
        assert!(message.contains("--selector=sluice.dev/pipeline=shop,sluice.dev/role=upkeep"), "{message}");
    }
}
