//! [`Hashes`]: a map from hashes to small numbers, 16 bytes an entry.

use std::hint::black_box;

const SMALLEST: usize = 16;

/// A map from 128-bit hashes to numbers of `BITS` bits that are never 0.
///
/// An entry is one place of a flat array: the hash without its last `BITS` bits, then the number. What is left of a
/// hash identifies it: with 96 bits, two of ten million collide with a probability below 2⁻⁴⁹.
/// Open addressing, at most three quarters full; an entry's place is given by the first bits of its hash, so a larger
/// array is filled in one pass.
#[derive(Clone, Debug)]
pub(super) struct Hashes<const BITS: u32> {
    places: Vec<u128>,
    taken: usize,
}

impl<const BITS: u32> Default for Hashes<BITS> {
    fn default() -> Self {
        Self { places: vec![0; SMALLEST], taken: 0 }
    }
}

impl<const BITS: u32> Hashes<BITS> {
    const NUMBER: u128 = (1 << BITS) - 1;

    /// Changes the number of a hash, which is 0 if the hash is new; the new number must not be 0.
    pub(super) fn update<T>(&mut self, hash: u128, change: impl FnOnce(u32) -> (u32, T)) -> T {
        if (self.taken + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        let identity = hash & !Self::NUMBER;
        let place = self.place(identity);
        let number = (self.places[place] & Self::NUMBER) as u32;
        self.taken += usize::from(number == 0);
        let (number, outcome) = change(number);
        self.places[place] = identity | u128::from(number);
        outcome
    }

    /// What stands where a hash would: brings the place into the processor's cache.
    pub(super) fn glance(&self, hash: u128) -> u64 {
        self.places[self.home(hash)] as u64
    }

    /// Glances at the places of several hashes in one go, so that the waits for them overlap.
    pub(super) fn glance_at(&self, hashes: impl Iterator<Item = u128>) {
        black_box(hashes.map(|hash| self.glance(hash)).fold(0, u64::wrapping_add));
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The entries, each in one number, in an order that depends on the insertions.
    pub(super) fn entries(&self) -> impl Iterator<Item = u128> {
        self.places.iter().copied().filter(|&entry| entry != 0)
    }

    /// The map that has these [entries](Self::entries).
    ///
    /// It has room for all of them from the start: they come in the order of their hashes, and would crowd at the
    /// beginning of an array that grows as it is filled, each behind all that came before.
    pub(super) fn of(entries: &[u128]) -> Self {
        let places = (entries.len() * 4).div_ceil(3).next_power_of_two().max(SMALLEST);
        let mut hashes = Self { places: vec![0; places], taken: 0 };
        for entry in entries {
            hashes.update(entry & !Self::NUMBER, |_| ((entry & Self::NUMBER) as u32, ()));
        }
        hashes
    }

    pub(super) fn bytes(&self) -> usize {
        self.places.len() * size_of::<u128>()
    }

    fn home(&self, hash: u128) -> usize {
        (hash >> (u128::BITS - self.places.len().ilog2())) as usize
    }

    /// Where a hash stands, or would stand.
    fn place(&self, identity: u128) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.home(identity);
        while self.places[place] != 0 && self.places[place] & !Self::NUMBER != identity {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let larger = vec![0; self.places.len() * 2];
        let before = std::mem::replace(&mut self.places, larger);
        for entry in before.into_iter().filter(|&entry| entry != 0) {
            let place = self.place(entry & !Self::NUMBER);
            self.places[place] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Without room from the start this takes minutes.
    #[test]
    fn entries_in_the_order_of_their_hashes_are_loaded_in_one_pass() {
        let mut hashes = Hashes::<16>::default();
        for key in 1..=1_000_000_u128 {
            hashes.update(key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835), |_| (1, ()));
        }
        let entries: Vec<u128> = hashes.entries().collect();
        let loaded: BTreeSet<u128> = Hashes::<16>::of(&entries).entries().collect();
        assert_eq!((entries.len(), loaded), (1_000_000, entries.into_iter().collect()));
    }

    proptest! {
        #[test]
        fn it_is_a_map(updates in prop::collection::vec((0..200_u64, 1..9_u32), 0..1_000)) {
            let mut hashes = Hashes::<16>::default();
            let mut expected = BTreeMap::<u64, u32>::new();
            for (key, bit) in updates {
                // Keys whose first bits are the same, and the hash of zero.
                let hash = u128::from(key % 7) << 120 | u128::from(key) << 16;
                let before = expected.get(&key).copied().unwrap_or_default();
                prop_assert_eq!(hashes.update(hash, |number| (number | bit, number)), before);
                expected.insert(key, before | bit);
            }
            let mut loaded = Hashes::<16>::of(&hashes.entries().collect::<Vec<_>>());
            prop_assert!(loaded.places.len() <= hashes.places.len());
            for (&key, &number) in &expected {
                let hash = u128::from(key % 7) << 120 | u128::from(key) << 16;
                prop_assert_eq!(loaded.update(hash, |found| (found, found)), number);
            }
            prop_assert_eq!(loaded.entries().count(), expected.len());
        }
    }
}
