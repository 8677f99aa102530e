//! [`Positions`]: places in a topic. Pure.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

/// Places in a topic, as ranges of offsets of each partition: a range costs as much as a single place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions(BTreeMap<i32, Vec<Range<i64>>>);

impl Positions {
    /// Adds offsets of a partition, which are not before those that it has.
    ///
    /// # Panics
    /// If they are before the newest ones.
    pub fn push(&mut self, partition: i32, offsets: Range<i64>) {
        if offsets.is_empty() {
            return;
        }
        let ranges = self.0.entry(partition).or_default();
        match ranges.last_mut() {
            Some(last) if offsets.start <= last.end => {
                assert!(last.start <= offsets.start, "offsets come in order");
                last.end = last.end.max(offsets.end);
            }
            _ => ranges.push(offsets),
        }
    }

    /// Adds all of others, none of which is before those of its partition.
    ///
    /// # Panics
    /// If one is before the newest ones.
    pub fn append(&mut self, others: Self) {
        for (partition, ranges) in others.0 {
            for range in ranges {
                self.push(partition, range);
            }
        }
    }

    /// The same places in portions of so many ranges or fewer, in order.
    pub fn portions(self, most: usize) -> Vec<Self> {
        let (mut portions, mut portion, mut ranges_of_portion) = (Vec::new(), Self::default(), 0);
        for (partition, ranges) in self.0 {
            for range in ranges {
                if ranges_of_portion == most {
                    portions.push(std::mem::take(&mut portion));
                    ranges_of_portion = 0;
                }
                portion.0.entry(partition).or_default().push(range);
                ranges_of_portion += 1;
            }
        }
        portions.extend((!portion.is_empty()).then_some(portion));
        portions
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an offset of a partition is one of them.
    pub fn contains(&self, partition: i32, offset: i64) -> bool {
        self.meets_in(partition, offset..=offset)
    }

    /// Whether some of them have such a partition, and such an offset.
    pub(crate) fn meets(&self, partitions: RangeInclusive<i32>, offsets: &RangeInclusive<i64>) -> bool {
        !partitions.is_empty()
            && self.0.range(partitions).any(|(partition, _)| self.meets_in(*partition, offsets.clone()))
    }

    fn meets_in(&self, partition: i32, offsets: RangeInclusive<i64>) -> bool {
        let Some(ranges) = self.0.get(&partition) else { return false };
        let next = ranges.partition_point(|range| range.end <= *offsets.start());
        ranges.get(next).is_some_and(|range| range.start <= *offsets.end())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    #[test]
    fn portions_are_the_same_places() {
        let mut positions = Positions::default();
        for (partition, offsets) in [(0, 0..3), (0, 5..6), (0, 9..10), (2, 1..2), (3, 4..9)] {
            positions.push(partition, offsets);
        }
        let portions = positions.clone().portions(2);
        assert_eq!(portions.len(), 3);
        let mut together = Positions::default();
        for portion in portions {
            together.append(portion);
        }
        assert_eq!(together, positions);
        assert!(Positions::default().portions(2).is_empty());
    }

    #[test]
    fn ranges_hold_what_single_places_would() {
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let (mut positions, mut places) = (Positions::default(), BTreeSet::new());
            for partition in 0..3 {
                let mut next = 0;
                for _ in 0..random.random_range(0..6) {
                    let start = next + random.random_range(0..4);
                    next = start + random.random_range(0..4);
                    positions.push(partition, start..next);
                    places.extend((start..next).map(|offset| (partition, offset)));
                }
            }
            assert_eq!(positions.is_empty(), places.is_empty(), "seed {seed}");
            for partition in -1..4 {
                for from in -1..40 {
                    let wanted = places.contains(&(partition, from));
                    assert_eq!(
                        positions.contains(partition, from),
                        wanted,
                        "seed {seed}: {partition}/{from}"
                    );
                    let to = from + 3;
                    let wanted = places.iter().any(|(of, at)| *of >= partition && (from..=to).contains(at));
                    assert_eq!(
                        positions.meets(partition..=9, &(from..=to)),
                        wanted,
                        "seed {seed}: {from}..={to}"
                    );
                }
            }
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let mut positions = Positions::default();
        for offset in 0..1_000 {
            positions.push(2, offset..offset + 1);
        }
        assert_eq!(positions.0[&2], std::iter::once(0..1_000).collect::<Vec<_>>());
    }
}
