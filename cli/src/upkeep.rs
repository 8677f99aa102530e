//! [`Upkeep`]: when the upkeep of a pipeline runs next. It never runs twice at once. Pure.

use cronexpr::{Crontab, MakeTimestamp};
use k8s_openapi::jiff::Timestamp;
use snafu::{ResultExt, Snafu};

use crate::plan::PlannedUpkeep;
use crate::supervise::ProcessSpec;

/// Why a schedule cannot be kept.
#[derive(Debug, Snafu)]
#[snafu(display("failed to read the schedule '{schedule}' in the time zone '{time_zone}': {source}"))]
pub(crate) struct ScheduleError {
    schedule: String,
    time_zone: String,
    #[snafu(source(from(cronexpr::Error, Box::new)))]
    source: Box<cronexpr::Error>,
}

/// A process that runs from time to time.
#[derive(Clone, Debug)]
pub(crate) struct Upkeep {
    pub(crate) process: ProcessSpec,
    schedule: Crontab,
    /// The next turn; `None` for a schedule that never fires again.
    next: Option<Timestamp>,
}

impl Upkeep {
    /// An upkeep whose first turn comes after `now`.
    pub(crate) fn new(planned: PlannedUpkeep, now: Timestamp) -> Result<Self, ScheduleError> {
        let PlannedUpkeep { process, schedule, time_zone } = planned;
        let parsed = cronexpr::parse_crontab(&format!("{schedule} {time_zone}"));
        let schedule = parsed.context(ScheduleSnafu { schedule, time_zone })?;
        let next = next_after(&schedule, now);
        Ok(Self { process, schedule, next })
    }

    /// Whether a run starts now. One that is still going on lets this turn fall out, and however many
    /// turns were slept through, one run makes up for them.
    pub(crate) fn takes_its_turn(&mut self, now: Timestamp, is_running: bool) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        self.next = next_after(&self.schedule, now);
        !is_running
    }
}

fn next_after(schedule: &Crontab, now: Timestamp) -> Option<Timestamp> {
    schedule.find_next(MakeTimestamp(now)).ok().map(|next| next.timestamp())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::supervise::Role;

    fn upkeep(schedule: &str, time_zone: &str, now: &str) -> Result<Upkeep, ScheduleError> {
        let process = ProcessSpec {
            name: "upkeep".to_owned(),
            role: Role::Upkeep,
            program: PathBuf::from("sluice-worker"),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
        };
        let planned =
            PlannedUpkeep { process, schedule: schedule.to_owned(), time_zone: time_zone.to_owned() };
        Upkeep::new(planned, at(now))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn a_turn_comes_when_the_schedule_says_in_its_time_zone() {
        for (schedule, time_zone, now, next) in [
            ("17 * * * *", "Etc/UTC", "2026-01-05T20:17:00Z", "2026-01-05T21:17:00Z"),
            ("5 2 * * *", "Europe/Berlin", "2026-01-05T20:17:00Z", "2026-01-06T01:05:00Z"),
            ("0 0 29 2 *", "UTC", "2026-01-05T20:17:00Z", "2028-02-29T00:00:00Z"),
            ("0,30 8-18/2 1 1-12 0-6", "UTC", "2026-01-05T20:17:00Z", "2026-01-06T08:00:00Z"),
        ] {
            let upkeep = upkeep(schedule, time_zone, now).expect(schedule);
            assert_eq!(upkeep.next, Some(at(next)), "{schedule}");
        }
    }

    #[test]
    fn a_run_that_is_going_on_lets_a_turn_fall_out() {
        let mut upkeep = upkeep("* * * * *", "UTC", "2026-01-05T20:00:10Z").expect("a schedule");
        assert!(!upkeep.takes_its_turn(at("2026-01-05T20:00:59Z"), false));
        assert!(upkeep.takes_its_turn(at("2026-01-05T20:01:00Z"), false));
        assert!(!upkeep.takes_its_turn(at("2026-01-05T20:01:01Z"), false), "once");
        assert!(!upkeep.takes_its_turn(at("2026-01-05T20:02:00Z"), true));
        assert!(!upkeep.takes_its_turn(at("2026-01-05T20:02:30Z"), false), "it fell out");
        assert!(upkeep.takes_its_turn(at("2026-01-05T20:03:00Z"), false));
    }

    #[test]
    fn one_run_makes_up_for_all_turns_that_were_slept_through() {
        let mut upkeep = upkeep("17 * * * *", "UTC", "2026-01-05T20:00:00Z").expect("a schedule");
        assert!(upkeep.takes_its_turn(at("2026-01-07T09:30:00Z"), false));
        assert!(!upkeep.takes_its_turn(at("2026-01-07T09:30:01Z"), false));
        assert_eq!(upkeep.next, Some(at("2026-01-07T10:17:00Z")));
    }

    #[test]
    fn a_schedule_that_cannot_be_kept_is_named() {
        let error = upkeep("17 * * * *", "Mars/Olympus", "2026-01-05T20:00:00Z").expect_err("no such zone");
        assert!(error.to_string().contains("'17 * * * *' in the time zone 'Mars/Olympus'"), "{error}");
    }
}
