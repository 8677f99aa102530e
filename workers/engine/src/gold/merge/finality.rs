//! [`Finality`]: how far event time has come on all partitions together.

use std::collections::BTreeMap;

use sluice_contract::manifest::PartitionProgress;

use crate::watermark::{MINUS_INFINITY, Watermark};

/// How far event time has come on all partitions together: what lies behind is final.
///
/// It is the smallest watermark of the partitions that are not idle, and never goes back: a partition that wakes
/// with older rows corrects what is final. When all are idle it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finality {
    max_out_of_orderness_ms: u64,
    partitions: BTreeMap<i32, Standing>,
    watermark_us: i64,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) watermark_us: i64,
    pub(super) idle: bool,
}

impl Finality {
    pub(super) fn new(max_out_of_orderness_ms: u64) -> Self {
        Self { max_out_of_orderness_ms, partitions: BTreeMap::new(), watermark_us: MINUS_INFINITY }
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

    /// Lets partitions that are not known yet hold everything back.
    pub(super) fn expect(&mut self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            let unknown = Standing { watermark_us: MINUS_INFINITY, idle: false };
            self.partitions.entry(partition).or_insert(unknown);
        }
    }

    /// Takes in where partitions stand after an epoch.
    pub(super) fn observe(&mut self, partitions: &BTreeMap<i32, PartitionProgress>) {
        for (&partition, progress) in partitions {
            let watermark = Watermark::new(progress.max_event_time_us, self.max_out_of_orderness_ms);
            let standing = Standing { watermark_us: watermark.value_us(), idle: progress.idle };
            self.partitions.insert(partition, standing);
        }
        let awake = self.partitions.values().filter(|standing| !standing.idle);
        if let Some(smallest) = awake.map(|standing| standing.watermark_us).min() {
            self.watermark_us = self.watermark_us.max(smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_contract::manifest::Counts;

    use super::*;

    fn at(seconds: Option<i64>, idle: bool) -> PartitionProgress {
        let max_event_time_us = seconds.map(|seconds| seconds * 1_000_000);
        PartitionProgress { next_offset: 0, max_event_time_us, idle, counts: Counts::default() }
    }

    /// The watermark, in seconds, after epochs of two partitions, 30 s out of order.
    fn after(epochs: &[[(Option<i64>, bool); 2]]) -> i64 {
        let mut finality = Finality::new(30_000);
        for [zero, one] in epochs {
            finality.observe(&BTreeMap::from([(0, at(zero.0, zero.1)), (1, at(one.0, one.1))]));
        }
        finality.watermark_us().div_euclid(1_000_000)
    }

    #[test]
    fn it_is_the_smallest_watermark_of_the_partitions_that_are_awake() {
        assert_eq!(after(&[[(Some(100), false), (Some(200), false)]]), 70);
        assert_eq!(after(&[[(Some(100), true), (Some(200), false)]]), 170);
    }

    #[test]
    fn a_partition_without_rows_holds_it_back_until_it_is_idle() {
        let nothing = MINUS_INFINITY.div_euclid(1_000_000);
        assert_eq!(after(&[[(None, false), (Some(200), false)]]), nothing);
        assert_eq!(after(&[[(None, false), (Some(200), false)], [(None, true), (Some(200), false)]]), 170);
    }

    #[test]
    fn silence_alone_makes_nothing_final() {
        let [busy, silent] =
            [[(Some(100), false), (Some(300), false)], [(Some(100), true), (Some(300), true)]];
        assert_eq!(after(&[busy, silent]), 70);
        assert_eq!(after(&[silent]), MINUS_INFINITY.div_euclid(1_000_000));
    }

    #[test]
    fn it_does_not_go_back_when_an_idle_partition_wakes() {
        let asleep = [(Some(100), true), (Some(300), false)];
        let awake = [(Some(110), false), (Some(300), false)];
        assert_eq!(after(&[asleep, awake]), 270);
    }

    #[test]
    fn partitions_that_are_expected_hold_it_back() {
        let mut finality = Finality::new(0);
        finality.expect([0, 1]);
        finality.observe(&BTreeMap::from([(0, at(Some(50), false))]));
        assert_eq!(finality.watermark_us(), MINUS_INFINITY);
        finality.observe(&BTreeMap::from([(1, at(Some(40), false))]));
        assert_eq!(finality.watermark_us(), 40_000_000);
        finality.expect([0, 1]);
        finality.observe(&BTreeMap::new());
        assert_eq!(finality.watermark_us(), 40_000_000, "what is known stays known");
    }
}
