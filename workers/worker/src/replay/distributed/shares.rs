//! Which worker gets which partitions. Pure.

use std::cmp::Reverse;

use super::super::pass::Share;
use super::super::range::Extents;

/// Deals the partitions of ranges to so many workers or fewer: the longest first, each to who has least so far. A
/// partition is as long as what is gone through before its range ends.
pub(in super::super) fn shares(extents: &Extents, ranges: &Extents, workers: usize) -> Vec<Share> {
    let length = |partition: i32| {
        let first = extents.get(&partition).map_or(0, |extent| extent.start);
        ranges.get(&partition).map_or(0, |range| range.end - first)
    };
    let mut partitions: Vec<i32> = ranges.keys().copied().collect();
    partitions.sort_by_key(|partition| (Reverse(length(*partition)), *partition));
    let mut shares = vec![(0, Share::default()); workers.clamp(1, partitions.len().max(1))];
    for partition in partitions {
        let (total, share) = shares.iter_mut().min_by_key(|(total, _)| *total).expect("there is one");
        *total += length(partition);
        share.ranges.insert(partition, ranges[&partition].clone());
        share.extents.extend(extents.get(&partition).map(|extent| (partition, extent.clone())));
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(workers: usize) -> Vec<Vec<i32>> {
        let extents = Extents::from([(0, 0..100), (1, 0..90), (2, 50..100), (3, 0..40), (4, 0..10)]);
        let ranges = Extents::from([(0, 0..100), (1, 80..90), (2, 60..100), (3, 0..40)]);
        let shares = shares(&extents, &ranges, workers);
        for share in &shares {
            assert!(share.ranges.iter().all(|(partition, range)| ranges[partition] == *range));
            assert!(share.extents.iter().all(|(partition, extent)| extents[partition] == *extent));
            assert!(share.extents.keys().eq(share.ranges.keys()));
        }
        shares.into_iter().map(|share| share.ranges.into_keys().collect()).collect()
    }

    #[test]
    fn each_partition_of_the_ranges_is_dealt_once_and_nobody_has_much_more_than_others() {
        assert_eq!(partitions(1), [[0, 1, 2, 3]]);
        assert_eq!(partitions(2), [[0, 3], [1, 2]]);
        assert_eq!(partitions(9).concat().len(), 4);
        assert!(partitions(9).iter().all(|share| share.len() == 1), "nobody is idle");
    }

    #[test]
    fn nothing_to_do_is_a_share_too() {
        assert_eq!(shares(&Extents::new(), &Extents::new(), 3), [Share::default()]);
    }
}
