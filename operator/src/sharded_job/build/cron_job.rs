//! The CronJob that maintains the tables: the pod of a worker, with another command, from time to time.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::metadata::build_metadata;
use super::pod::Documents;
use super::{UPKEEP, config_path, pod};
use crate::labels;
use crate::sharded_job::job::{Maintenance, ShardedJob};
use crate::sharded_job::names;
use crate::site::Site;

/// How late a run may start, should the controllers have been away.
const LATE_SECONDS: i64 = 600;
/// How long a run may take. What it has done by then stays, and the next one goes on.
const DEADLINE_SECONDS: i64 = 6 * 3600;

/// Builds the upkeep, by the configuration in a ConfigMap.
pub(super) fn build_cron_job(
    job: &ShardedJob,
    maintenance: &Maintenance,
    documents: &Documents,
    site: &Site,
) -> CronJob {
    let base = &job.base;
    let identity = labels::selector(base, UPKEEP);
    let mut metadata = build_metadata(base, names::upkeep(base.kind, &base.name));
    metadata.labels.get_or_insert_default().extend(identity);
    CronJob {
        metadata,
        spec: Some(CronJobSpec {
            // Two runs at once would do the same work twice.
            concurrency_policy: Some("Forbid".to_owned()),
            failed_jobs_history_limit: Some(1),
            job_template: JobTemplateSpec {
                spec: Some(JobSpec {
                    active_deadline_seconds: Some(DEADLINE_SECONDS),
                    // The next run does what this one did not.
                    backoff_limit: Some(0),
                    template: build_template(job, maintenance, documents, site),
                    ..JobSpec::default()
                }),
                ..JobTemplateSpec::default()
            },
            schedule: maintenance.schedule.clone(),
            starting_deadline_seconds: Some(LATE_SECONDS),
            successful_jobs_history_limit: Some(1),
            time_zone: Some("Etc/UTC".to_owned()),
            ..CronJobSpec::default()
        }),
        ..CronJob::default()
    }
}

fn build_template(
    job: &ShardedJob,
    maintenance: &Maintenance,
    documents: &Documents,
    site: &Site,
) -> PodTemplateSpec {
    let base = &job.base;
    let configuration = config_path(base, site);
    let retention = retention(maintenance.retention_ms);
    let arguments = ["maintain", "--config", &configuration, "--retention", &retention];
    pod::build_ending_template(job, UPKEEP, arguments.map(str::to_owned).to_vec(), documents, site)
}

/// In the largest unit that says it exactly. Shorter than a second is rounded down.
fn retention(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let exact = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = exact.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::retention;

    #[test]
    fn a_retention_is_written_as_the_worker_reads_it() {
        let day = 86_400_000;
        for (milliseconds, text) in
            [(30 * day, "30d"), (day + 3_600_000, "25h"), (day + 60_000, "1441m"), (day + 1_500, "86401s")]
        {
            assert_eq!(retention(milliseconds), text);
        }
    }
}
