//! Pairs of small numbers: [`PairNumbers`] numbers them, [`PairSet`] holds each once.
//!
//! Both are open addressing over one flat array, at most half full, and find a place by a multiplication: keys
//! are pairs of numbers that we gave ourselves, so nobody can make them collide on purpose.

use std::hint::black_box;

/// Pairs whose places are read ahead: each is somewhere else in a large array, so that the waits for them overlap.
const AHEAD: usize = 32;
/// No pair: numbers stay below `u32::MAX`.
const FREE: u64 = u64::MAX;
const SMALLEST: usize = 64;
/// 2⁶⁴ divided by the golden ratio: spreads consecutive keys evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A pair as one key.
fn key(first: usize, second: usize) -> u64 {
    ((first as u64) << 32) | second as u64
}

/// The place where a key would stand in an array of 2^`bits` places if nothing else were in the way.
fn home(key: u64, bits: u32) -> usize {
    (key.wrapping_mul(SPREAD) >> (u64::BITS - bits)) as usize
}

/// The size of an array that holds that many keys.
fn places_for(keys: usize) -> usize {
    (keys * 2).next_power_of_two().max(SMALLEST)
}

/// Numbers pairs from 0, in the order in which they first come.
#[derive(Debug)]
pub(crate) struct PairNumbers {
    /// Key and number.
    places: Vec<(u64, u32)>,
    bits: u32,
    taken: usize,
}

impl Default for PairNumbers {
    fn default() -> Self {
        Self { places: vec![(FREE, 0); SMALLEST], bits: SMALLEST.ilog2(), taken: 0 }
    }
}

impl PairNumbers {
    /// Empty numbers with room for as many pairs as these have.
    pub(crate) fn fresh(&self) -> Self {
        let places = places_for(self.taken);
        Self { places: vec![(FREE, 0); places], bits: places.ilog2(), taken: 0 }
    }

    /// The number of a pair, and whether it is new.
    pub(crate) fn number(&mut self, first: usize, second: usize) -> (usize, bool) {
        let key = key(first, second);
        let place = self.place(key);
        if self.places[place].0 == key {
            return (self.places[place].1 as usize, false);
        }
        let number = self.taken;
        self.places[place] = (key, number as u32);
        self.taken += 1;
        if self.taken * 2 > self.places.len() {
            self.grow();
        }
        (number, true)
    }

    /// Replaces each first by the number of its pair, and calls `new` with the places of pairs that are new.
    pub(crate) fn number_all(&mut self, firsts: &mut [usize], seconds: &[usize], mut new: impl FnMut(usize)) {
        let chunks = firsts.chunks_mut(AHEAD).zip(seconds.chunks(AHEAD));
        for (start, (firsts, seconds)) in (0..).step_by(AHEAD).zip(chunks) {
            let keys = firsts.iter().zip(seconds).map(|(&first, &second)| key(first, second));
            black_box(keys.map(|key| self.places[home(key, self.bits)].0).fold(0, u64::wrapping_add));
            for (index, (first, &second)) in firsts.iter_mut().zip(seconds).enumerate() {
                let (number, is_new) = self.number(*first, second);
                *first = number;
                if is_new {
                    new(start + index);
                }
            }
        }
    }

    /// Where a key stands, or would stand.
    fn place(&self, key: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut place = home(key, self.bits);
        while self.places[place].0 != FREE && self.places[place].0 != key {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let larger = vec![(FREE, 0); self.places.len() * 2];
        let before = std::mem::replace(&mut self.places, larger);
        self.bits += 1;
        for (key, number) in before {
            if key != FREE {
                let place = self.place(key);
                self.places[place] = (key, number);
            }
        }
    }
}

/// A set of pairs.
#[derive(Debug)]
pub(crate) struct PairSet {
    places: Vec<u64>,
    bits: u32,
    taken: usize,
}

impl Default for PairSet {
    fn default() -> Self {
        Self { places: vec![FREE; SMALLEST], bits: SMALLEST.ilog2(), taken: 0 }
    }
}

impl PairSet {
    /// Takes all pairs out, and leaves room for as many.
    pub(crate) fn take(&mut self) -> Self {
        let places = places_for(self.taken);
        let empty = Self { places: vec![FREE; places], bits: places.ilog2(), taken: 0 };
        std::mem::replace(self, empty)
    }

    /// Puts pairs in that are not in.
    pub(crate) fn extend(&mut self, pairs: impl Iterator<Item = (usize, usize)>) {
        let mut keys = pairs.map(|(first, second)| key(first, second));
        let mut ahead = [FREE; AHEAD];
        loop {
            let mut count = 0;
            for (slot, key) in ahead.iter_mut().zip(&mut keys) {
                *slot = key;
                count += 1;
            }
            let keys = &ahead[..count];
            black_box(keys.iter().map(|&key| self.places[home(key, self.bits)]).fold(0, u64::wrapping_add));
            for &key in keys {
                self.insert(key);
            }
            if count < AHEAD {
                return;
            }
        }
    }

    fn insert(&mut self, key: u64) {
        let place = self.place(key);
        if self.places[place] == key {
            return;
        }
        self.places[place] = key;
        self.taken += 1;
        if self.taken * 2 > self.places.len() {
            self.grow();
        }
    }

    /// The pairs, in no particular order, which is always the same for the same insertions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, u32)> {
        let taken = self.places.iter().filter(|&&key| key != FREE);
        taken.map(|&key| ((key >> 32) as usize, key as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    fn place(&self, key: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut place = home(key, self.bits);
        while self.places[place] != FREE && self.places[place] != key {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let larger = vec![FREE; self.places.len() * 2];
        let before = std::mem::replace(&mut self.places, larger);
        self.bits += 1;
        for key in before {
            if key != FREE {
                let place = self.place(key);
                self.places[place] = key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_are_numbered_in_the_order_in_which_they_first_come(
            pairs in prop::collection::vec((0..40_usize, 0..40_usize), 0..2_000),
        ) {
            let mut numbers = PairNumbers::default();
            let mut expected = BTreeMap::new();
            for (first, second) in pairs {
                let next = expected.len();
                let is_new = !expected.contains_key(&(first, second));
                let number = *expected.entry((first, second)).or_insert(next);
                prop_assert_eq!(numbers.number(first, second), (number, is_new));
            }
        }

        #[test]
        fn many_pairs_are_numbered_like_one_after_the_other(
            pairs in prop::collection::vec((0..40_usize, 0..40_usize), 0..2_000),
        ) {
            let (mut firsts, seconds): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
            let (mut together, mut apart) = (PairNumbers::default(), PairNumbers::default());
            let mut new = Vec::new();
            together.number_all(&mut firsts, &seconds, |place| new.push(place));
            let apart: Vec<(usize, bool)> =
                pairs.into_iter().map(|(first, second)| apart.number(first, second)).collect();
            let expected: Vec<usize> = apart.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(firsts, expected);
            let expected: Vec<usize> = (0..apart.len()).filter(|&place| apart[place].1).collect();
            prop_assert_eq!(new, expected);
        }

        #[test]
        fn a_set_holds_each_pair_once(pairs in prop::collection::vec((0..40_usize, 0..40_u32), 0..2_000)) {
            let mut set = PairSet::default();
            set.extend(pairs.iter().map(|&(first, second)| (first, second as usize)));
            let found: Vec<(usize, u32)> = set.iter().collect();
            let expected: BTreeSet<(usize, u32)> = pairs.into_iter().collect();
            let expected_len = expected.len();
            prop_assert_eq!((found.len(), set.len()), (expected_len, expected_len));
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            prop_assert_eq!((set.take().len(), set.len(), set.iter().count()), (expected_len, 0, 0));
        }
    }
}
