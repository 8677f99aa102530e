//! [`Schedule`]: when the merge looks for epochs, and which tables it publishes then. Pure.

use std::time::{Duration, Instant};

/// The merge looks for epochs at least this often, and gives a sign of life.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Publishing takes at most one fifth of a core: a publication that took a second is followed by four of pause.
const SHARE: u32 = 5;

/// When each table is published.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    tables: Vec<Emission>,
    /// When epochs are looked for at the latest.
    look_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Emission {
    /// As configured.
    every: Duration,
    /// As kept, where the configured interval would cost too much.
    interval: Duration,
    due_at: Instant,
}

impl Schedule {
    /// The schedule of tables that are published so often; each is due at once.
    pub(super) fn new(every: impl IntoIterator<Item = Duration>, now: Instant) -> Self {
        let emission = |every| Emission { every, interval: every, due_at: now };
        Self { tables: every.into_iter().map(emission).collect(), look_at: now }
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Instant {
        self.tables.iter().map(|table| table.due_at).fold(self.look_at, Instant::min)
    }

    /// The tables that may be published now, by their places.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        let due = |(place, table): (usize, &Emission)| (table.due_at <= now).then_some(place);
        self.tables.iter().enumerate().filter_map(due).collect()
    }

    /// What was [due](Self::due) has been looked after in a step that began at `began`. Publishing took `cost`, of
    /// which nothing is spent where nothing had changed.
    pub(super) fn done(&mut self, due: &[usize], began: Instant, cost: Duration) {
        self.look_at = began + LONGEST_PAUSE;
        for place in due {
            let table = &mut self.tables[*place];
            table.interval = table.every.max(cost * SHARE);
            table.due_at = began + table.interval;
        }
    }

    /// How often each table is published, and whether that is less often than it was configured.
    pub(super) fn intervals(&self) -> impl Iterator<Item = (Duration, bool)> {
        self.tables.iter().map(|table| (table.interval, table.interval > table.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_table_is_due_at_once_and_then_in_its_own_time() {
        let start = Instant::now();
        let mut schedule = Schedule::new([2 * SECOND, 5 * SECOND], start);
        assert_eq!((schedule.next(), schedule.due(start)), (start, vec![0, 1]));
        schedule.done(&[0, 1], start, Duration::ZERO);
        assert_eq!(schedule.next(), start + 2 * SECOND);
        assert_eq!(schedule.due(start + 2 * SECOND), [0]);
        schedule.done(&[0], start + 2 * SECOND, Duration::ZERO);
        assert_eq!(schedule.next(), start + 4 * SECOND);
        assert_eq!(schedule.due(start + 5 * SECOND), [0, 1]);
    }

    #[test]
    fn epochs_are_looked_for_every_ten_seconds_however_seldom_tables_are_published() {
        let start = Instant::now();
        let mut schedule = Schedule::new([3_600 * SECOND], start);
        schedule.done(&[0], start, Duration::ZERO);
        assert_eq!(schedule.next(), start + 10 * SECOND);
        assert!(schedule.due(schedule.next()).is_empty());
        schedule.done(&[], start + 10 * SECOND, Duration::ZERO);
        assert_eq!(schedule.next(), start + 20 * SECOND);
    }

    #[test]
    fn a_publication_that_costs_too_much_stretches_the_interval_until_it_costs_less() {
        let start = Instant::now();
        let mut schedule = Schedule::new([10 * SECOND], start);
        schedule.done(&[0], start, 3 * SECOND);
        assert_eq!(schedule.intervals().collect::<Vec<_>>(), [(15 * SECOND, true)]);
        assert!(schedule.due(start + 14 * SECOND).is_empty());
        assert_eq!(schedule.due(start + 15 * SECOND), [0]);
        schedule.done(&[0], start + 15 * SECOND, SECOND);
        assert_eq!(schedule.intervals().collect::<Vec<_>>(), [(10 * SECOND, false)]);
    }
}
