//! [`Finality`]: how far event time has come on all partitions together.

use std::collections::BTreeMap;

use sluice_contract::config::EventTime;
use sluice_contract::manifest::PartitionProgress;

use crate::watermark::{MINUS_INFINITY, Watermark, micros};

/// How far event time has come on all partitions together: what lies behind is final.
///
/// It is the smallest watermark of the partitions that are neither idle nor stalled, and never goes back: a partition
/// that goes on with older rows corrects what is final. When all are idle it stays.
///
/// A partition is stalled when it has been read to its end and still trails the median of all that are not idle, by
/// more than a given span. Before its first silver row it trails by any span, and is no part of the median.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finality {
    max_out_of_orderness_ms: u64,
    stalled_after_us: i64,
    partitions: BTreeMap<i32, Standing>,
    watermark_us: i64,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) watermark_us: i64,
    pub(super) idle: bool,
    pub(super) caught_up: bool,
    /// The offset that comes next; `None` before an epoch has told.
    pub(super) next_offset: Option<i64>,
}

impl Standing {
    /// Before anything is known.
    const UNKNOWN: Self =
        Self { watermark_us: MINUS_INFINITY, idle: false, caught_up: false, next_offset: None };

    fn has_rows(&self) -> bool {
        self.watermark_us != MINUS_INFINITY
    }
}

impl Finality {
    pub(super) fn new(event_time: &EventTime) -> Self {
        Self {
            max_out_of_orderness_ms: event_time.max_out_of_orderness_ms,
            stalled_after_us: micros(event_time.stalled_after_ms),
            partitions: BTreeMap::new(),
            watermark_us: MINUS_INFINITY,
        }
    }

    /// As it was.
    pub(super) fn restore(&mut self, watermark_us: i64, partitions: BTreeMap<i32, Standing>) {
        (self.watermark_us, self.partitions) = (watermark_us, partitions);
    }

    /// The watermark behind which windows are final.
    pub(super) fn watermark_us(&self) -> i64 {
        self.watermark_us
    }

    /// Where each partition stands.
    pub(super) fn partitions(&self) -> &BTreeMap<i32, Standing> {
        &self.partitions
    }

    /// The stalled partitions that have brought a silver row.
    pub(super) fn stalled_partitions(&self) -> Vec<i32> {
        let twice_median = self.twice_median();
        let stalled = self.partitions.iter().filter(|(_, standing)| {
            standing.has_rows() && !standing.idle && self.is_stalled(standing, twice_median)
        });
        stalled.map(|(partition, _)| *partition).collect()
    }

    /// Lets partitions that are not known yet hold everything back.
    pub(super) fn expect(&mut self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            self.partitions.entry(partition).or_insert(Standing::UNKNOWN);
        }
    }

    /// Takes in where partitions stand after an epoch.
    pub(super) fn observe(&mut self, partitions: &BTreeMap<i32, PartitionProgress>) {
        for (&partition, progress) in partitions {
            let watermark = Watermark::new(progress.max_event_time_us, self.max_out_of_orderness_ms);
            let PartitionProgress { idle, caught_up, .. } = *progress;
            let standing = Standing {
                watermark_us: watermark.value_us(),
                idle,
                caught_up,
                next_offset: Some(progress.next_offset),
            };
            self.partitions.insert(partition, standing);
        }
        let twice_median = self.twice_median();
        let waited_for = self.awake().filter(|standing| !self.is_stalled(standing, twice_median));
        if let Some(smallest) = waited_for.map(|standing| standing.watermark_us).min() {
            self.watermark_us = self.watermark_us.max(smallest);
        }
    }

    fn awake(&self) -> impl Iterator<Item = &Standing> {
        self.partitions.values().filter(|standing| !standing.idle)
    }

    /// Twice the median watermark of the partitions that are not idle and have brought a silver row: of an even
    /// number of them, the sum of the two in the middle. `None`: there are none.
    fn twice_median(&self) -> Option<i128> {
        let known = self.awake().filter(|standing| standing.has_rows());
        let mut watermarks: Vec<i64> = known.map(|standing| standing.watermark_us).collect();
        watermarks.sort_unstable();
        let upper = *watermarks.get(watermarks.len() / 2)?;
        let lower = watermarks[(watermarks.len() - 1) / 2];
        Some(i128::from(lower) + i128::from(upper))
    }

    /// Whether a partition that is not idle is stalled.
    fn is_stalled(&self, standing: &Standing, twice_median: Option<i128>) -> bool {
        let Some(twice_median) = twice_median else { return false };
        let twice_behind = twice_median - 2 * i128::from(standing.watermark_us);
        standing.caught_up && (!standing.has_rows() || twice_behind > 2 * i128::from(self.stalled_after_us))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture;

    use super::*;

    /// Where a partition stands, in seconds.
    #[derive(Clone, Copy)]
    struct At(Option<i64>, Reading);

    #[derive(Clone, Copy, PartialEq)]
    enum Reading {
        /// Messages wait.
        Behind,
        /// It is read to its end.
        AtEnd,
        Idle,
    }

    use Reading::{AtEnd, Behind, Idle};

    fn standings(partitions: &[At]) -> BTreeMap<i32, PartitionProgress> {
        let progress = |At(seconds, reading): &At| PartitionProgress {
            max_event_time_us: seconds.map(|seconds| seconds * 1_000_000),
            idle: *reading == Idle,
            caught_up: *reading != Behind,
            ..PartitionProgress::starting_at(0)
        };
        (0..).zip(partitions.iter().map(progress)).collect()
    }

    fn finality(max_out_of_orderness_s: u64) -> Finality {
        let mut event_time = fixture::configuration().source.event_time;
        event_time.max_out_of_orderness_ms = max_out_of_orderness_s * 1_000;
        Finality::new(&event_time)
    }

    /// The watermark, in seconds, after epochs of two partitions, 30 s out of order.
    fn after(epochs: &[[(Option<i64>, Reading); 2]]) -> i64 {
        let mut finality = finality(30);
        for epoch in epochs {
            finality.observe(&standings(&epoch.map(|(seconds, reading)| At(seconds, reading))));
        }
        finality.watermark_us().div_euclid(1_000_000)
    }

    /// The stalled partitions, and the watermark in seconds, with the example's hour and nothing out of order.
    fn stalled(partitions: &[At]) -> (Vec<i32>, Option<i64>) {
        let mut finality = finality(0);
        finality.observe(&standings(partitions));
        let watermark_us = Some(finality.watermark_us()).filter(|watermark| *watermark != MINUS_INFINITY);
        (finality.stalled_partitions(), watermark_us.map(|watermark| watermark / 1_000_000))
    }

    #[test]
    fn it_is_the_smallest_watermark_of_the_partitions_that_are_awake() {
        assert_eq!(after(&[[(Some(100), Behind), (Some(200), Behind)]]), 70);
        assert_eq!(after(&[[(Some(100), Idle), (Some(200), Behind)]]), 170);
    }

    #[test]
    fn a_partition_without_rows_holds_it_back_until_it_is_read_to_its_end_or_idle() {
        let nothing = MINUS_INFINITY.div_euclid(1_000_000);
        for reading in [AtEnd, Idle] {
            let [unread, read] =
                [[(None, Behind), (Some(200), Behind)], [(None, reading), (Some(200), Behind)]];
            assert_eq!(after(&[unread]), nothing);
            assert_eq!(after(&[unread, read]), 170);
        }
        assert_eq!(after(&[[(None, AtEnd), (None, AtEnd)]]), nothing, "there is no median to trail");
    }

    #[test]
    fn silence_alone_makes_nothing_final() {
        let [busy, silent] =
            [[(Some(100), Behind), (Some(300), Behind)], [(Some(100), Idle), (Some(300), Idle)]];
        assert_eq!(after(&[busy, silent]), 70);
        assert_eq!(after(&[silent]), MINUS_INFINITY.div_euclid(1_000_000));
    }

    #[test]
    fn it_does_not_go_back_when_an_idle_partition_wakes() {
        let asleep = [(Some(100), Idle), (Some(300), Behind)];
        let awake = [(Some(110), Behind), (Some(300), Behind)];
        assert_eq!(after(&[asleep, awake]), 270);
    }

    #[test]
    fn partitions_that_are_expected_hold_it_back() {
        let mut finality = finality(0);
        finality.expect([0, 1]);
        let standing = |seconds| standings(&[At(Some(seconds), Behind)])[&0].clone();
        finality.observe(&BTreeMap::from([(0, standing(50))]));
        assert_eq!(finality.watermark_us(), MINUS_INFINITY);
        finality.observe(&BTreeMap::from([(1, standing(40))]));
        assert_eq!(finality.watermark_us(), 40_000_000);
        finality.expect([0, 1]);
        finality.observe(&BTreeMap::new());
        assert_eq!(finality.watermark_us(), 40_000_000, "what is known stays known");
    }

    #[test]
    fn a_partition_at_its_end_is_stalled_when_it_trails_the_median_by_more_than_the_span() {
        let hour = 3_600;
        let [a, b] = [At(Some(2 * hour), AtEnd), At(Some(2 * hour + 10), Behind)];
        let trailing = |seconds, reading| [At(Some(seconds), reading), a, b];
        assert_eq!(stalled(&trailing(hour, AtEnd)), (vec![], Some(hour)), "an hour is not more than an hour");
        assert_eq!(stalled(&trailing(hour - 1, AtEnd)), (vec![0], Some(2 * hour)));
        assert_eq!(
            stalled(&trailing(hour - 1, Behind)),
            (vec![], Some(hour - 1)),
            "its rows are on their way"
        );
        assert_eq!(stalled(&trailing(hour - 1, Idle)), (vec![], Some(2 * hour)), "it is idle, not stalled");
    }

    #[test]
    fn the_median_of_an_even_number_is_the_middle_between_two_to_the_microsecond() {
        let mut finality = finality(0);
        let mut standing = standings(&[At(Some(0), AtEnd), At(Some(7_200), AtEnd)]);
        finality.observe(&standing);
        assert_eq!(finality.stalled_partitions(), Vec::<i32>::new());
        standing.get_mut(&1).expect("it is there").max_event_time_us = Some(7_200_000_001);
        finality.observe(&standing);
        assert_eq!(finality.stalled_partitions(), [0], "half a microsecond more than an hour");
        assert_eq!(finality.watermark_us(), 7_200_000_001);
    }

    #[test]
    fn idle_partitions_and_those_without_rows_are_no_part_of_the_median() {
        let [old, new] = [At(Some(0), AtEnd), At(Some(3_700), Behind)];
        assert_eq!(stalled(&[old, new]), (vec![], Some(0)), "half of 3,700 s");
        assert_eq!(stalled(&[old, new, At(Some(9_000), Idle)]), (vec![], Some(0)));
        assert_eq!(stalled(&[old, new, new]), (vec![0], Some(3_700)));
        assert_eq!(
            stalled(&[old, At(None, AtEnd), new]),
            (vec![], Some(0)),
            "it is idle soon, and not named"
        );
        assert_eq!(stalled(&[old, At(None, Behind), new, new]), (vec![0], None), "it may have older rows");
    }

    #[test]
    fn a_stalled_partition_that_comes_near_holds_it_back_again() {
        let [far, near] = [At(Some(0), AtEnd), At(Some(9_000), AtEnd)];
        let mut finality = finality(0);
        finality.observe(&standings(&[far, At(Some(10_000), AtEnd), At(Some(10_000), AtEnd)]));
        assert_eq!((finality.stalled_partitions(), finality.watermark_us()), (vec![0], 10_000_000_000));
        finality.observe(&standings(&[near, At(Some(12_000), AtEnd), At(Some(12_000), AtEnd)]));
        assert_eq!((finality.stalled_partitions(), finality.watermark_us()), (vec![], 10_000_000_000));
        finality.observe(&standings(&[At(Some(11_000), AtEnd)]));
        assert_eq!(finality.watermark_us(), 11_000_000_000);
    }
}
