//! [`Ranges`]: a set of whole numbers, kept as ranges.

use std::collections::BTreeMap;

/// A set of whole numbers, kept as half-open ranges that do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// The end of each range by its start.
    ends: BTreeMap<i64, i64>,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn contains(&self, number: i64) -> bool {
        self.ends.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// The ranges, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.ends.iter().map(|(start, end)| (*start, *end))
    }

    /// Adds the numbers from `start` up to `end`, which is not among them.
    pub(crate) fn insert(&mut self, mut start: i64, mut end: i64) {
        if start >= end {
            return;
        }
        while let Some((&before, &until)) = self.ends.range(..=end).next_back() {
            if until < start {
                break;
            }
            (start, end) = (start.min(before), end.max(until));
            self.ends.remove(&before);
        }
        self.ends.insert(start, end);
    }

    /// Takes out the numbers below `end`.
    pub(crate) fn remove_below(&mut self, end: i64) {
        let above = self.ends.split_off(&end);
        let cut = std::mem::replace(&mut self.ends, above);
        if let Some(until) = cut.into_values().max().filter(|until| *until > end) {
            self.insert(end, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(steps in prop::collection::vec((any::<bool>(), -30..30_i64, 0..9_i64), 0..30)) {
            let (mut ranges, mut expected) = (Ranges::default(), BTreeSet::new());
            for (inserts, start, length) in steps {
                if inserts {
                    ranges.insert(start, start + length);
                    expected.extend(start..start + length);
                } else {
                    ranges.remove_below(start);
                    expected.retain(|number| *number >= start);
                }
                prop_assert_eq!(ranges.is_empty(), expected.is_empty());
                let found: BTreeSet<i64> = (-40..50).filter(|number| ranges.contains(*number)).collect();
                prop_assert_eq!(&found, &expected);
                let listed: BTreeSet<i64> = ranges.iter().flat_map(|(start, end)| start..end).collect();
                prop_assert_eq!(&listed, &expected);
                let pairs: Vec<_> = ranges.iter().collect();
                prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", pairs);
            }
        }
    }
}
