//! How the core begins with partitions, goes on with rows in place of messages, and gives partitions up.

use std::collections::BTreeMap;
use std::time::Instant;

use sluice_contract::manifest::PartitionProgress;
use sluice_contract::report::{Phase, Problem};

use super::{Core, CoreEnd, Step};
use crate::clock::now_us;
use crate::report::Scope;
use crate::stream::backfill::{Page, oldest_ms};
use crate::stream::caught_up::Goal;
use crate::stream::event::Assignment;
use crate::stream::source::assignment::{Expired, StartingPoint};

impl Core {
    /// Reads these partitions too.
    pub(super) fn assign(&mut self, assignments: &[Assignment]) {
        let (mut offsets, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for &Assignment { partition, from, end } in assignments {
            match from {
                StartingPoint::At(offset) => {
                    self.begin(partition, offset, end);
                    offsets.insert(partition, offset);
                    ends.insert(partition, end);
                }
                StartingPoint::Expired(expired) => {
                    if self.links.can_backfill(expired) {
                        self.begin(partition, expired.wanted, end);
                        ends.insert(partition, end);
                    }
                    self.go_without(partition, expired);
                }
            }
        }
        if self.options.until_caught_up && self.goal.is_none() {
            self.goal = Some(Goal::new(ends));
        }
        tracing::info!(?offsets, "reading partitions");
        self.links.assign(offsets);
        self.links.status.enter(Phase::Running);
    }

    fn begin(&mut self, partition: i32, offset: i64, end: i64) {
        let stored = self.processor.progress().remove(&partition);
        if stored.as_ref().is_none_or(|stored| stored.next_offset != offset) {
            self.processor.restore(partition, &PartitionProgress::starting_at(offset));
            self.must_pin_positions = true;
        }
        let silver_rows = stored.map_or(0, |stored| stored.counts.silver);
        self.processor.assigned(partition, end);
        self.idle.add(partition, silver_rows, Instant::now());
    }

    /// The broker lacks what a partition wants next: rows stand in for messages, or the partition stops.
    pub(super) fn go_without(&mut self, partition: i32, expired: Expired) {
        if self.backfilling.contains(&partition) {
            return;
        }
        if !self.links.can_backfill(expired) {
            self.stop_partition(partition, expired.problem(&self.topic, partition));
            return;
        }
        // The reader is ahead of what was processed, where messages wait for their schema.
        let progress = self.processor.progress();
        let wanted = progress.get(&partition).map_or(expired.wanted, |progress| progress.next_offset);
        self.links.backfill(partition, Expired { wanted, ..expired });
        self.backfilling.insert(partition);
        self.idle.left_end(partition);
    }

    pub(super) fn stop_partition(&mut self, partition: i32, problem: Problem) {
        self.links.status.raise(Scope::Partition(partition), problem.clone());
        self.expired.insert(partition, problem);
        if let Some(goal) = &mut self.goal {
            goal.give_up(partition);
        }
    }

    /// Takes rows in place of messages. Behind the last of them the broker has what comes next.
    pub(super) fn take_page(&mut self, page: &Page, now: Instant) -> Step {
        let Page { partition, rows, next_offset, is_last, .. } = page;
        for rows in rows.iter().filter(|rows| rows.num_rows() > 0) {
            self.epoch.first_message_at.get_or_insert(now);
            let oldest_ms = self.epoch.oldest_message_ms.into_iter().chain(oldest_ms(rows)).min();
            self.epoch.oldest_message_ms = oldest_ms;
            match self.processor.backfill(rows, now_us()) {
                Ok(made) => self.links.write(made),
                Err(error) => return Step::Break(CoreEnd::Broken(error.to_string())),
            }
            self.links.status.count_messages(rows.num_rows() as u64);
        }
        // No row of the job's comes of the other offsets: refused messages, or what Kafka itself needs.
        self.processor.advance(*partition, *next_offset);
        if *is_last {
            tracing::info!(partition, next_offset, "read all rows that stand in for messages");
            self.backfilling.remove(partition);
            self.links.assign(BTreeMap::from([(*partition, *next_offset)]));
        }
        Step::Continue(())
    }
}
