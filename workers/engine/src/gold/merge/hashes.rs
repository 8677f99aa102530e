//! [`Hashes`]: a map from hashes to small numbers, 16 bytes an entry.
//!
//! ```text
//!  hash, as a fraction of all hashes ──► place ──► entries in ascending order, free places in between
//!  places      0 .......... PIECE .......... 2 * PIECE .......... size ... as many more as the last entries need
//! ```
//! Entries are in the order of their hashes, so a search ends early though few places are free, and a larger map is
//! filled in one pass. It is filled piece by piece while the smaller one is let go: a map is never twice in memory.

use std::hint::black_box;

/// Places of the smallest map.
const SMALLEST: usize = 16;
/// Places that are allocated together, of a map that has so many.
const PIECE: usize = 4096;

/// A map from 128-bit hashes to numbers of `BITS` bits that are never 0.
///
/// An entry is one place: the hash without its last `BITS` bits, then the number. What is left of a hash identifies
/// it: with 96 bits, two of ten million collide with a probability below 2⁻⁴⁹.
///
/// Open addressing with linear probing, at most seven eighths full, and ordered as in Amble and Knuth, "Ordered hash
/// tables", 1974.
#[derive(Clone, Debug)]
pub(super) struct Hashes<const BITS: u32> {
    /// All of [`PIECE`] places; a single one may be smaller.
    pieces: Vec<Vec<u128>>,
    /// Places over which hashes are spread. There are more if the last of them do not suffice.
    size: usize,
    taken: usize,
}

impl<const BITS: u32> Default for Hashes<BITS> {
    fn default() -> Self {
        Self::with_size(SMALLEST)
    }
}

impl<const BITS: u32> Hashes<BITS> {
    const NUMBER: u128 = (1 << BITS) - 1;

    fn with_size(size: usize) -> Self {
        let mut hashes = Self { pieces: Vec::new(), size, taken: 0 };
        hashes.reach(size - 1);
        hashes
    }

    /// Changes the number of a hash, which is 0 if the hash is new; the new number must not be 0.
    pub(super) fn update<T>(&mut self, hash: u128, change: impl FnOnce(u32) -> (u32, T)) -> T {
        if (self.taken + 1) * 8 > self.size * 7 {
            self.grow();
        }
        let identity = hash & !Self::NUMBER;
        let place = self.place(identity);
        // A free place is 0, and so may a hash be.
        let found = self.at(place).filter(|entry| *entry != 0 && entry & !Self::NUMBER == identity);
        let (number, outcome) = change(found.map_or(0, |entry| (entry & Self::NUMBER) as u32));
        let entry = identity | u128::from(number);
        match found {
            Some(_) => self.put(place, entry),
            None => self.insert(place, entry),
        }
        outcome
    }

    /// What stands where a hash would: brings the place into the processor's cache.
    pub(super) fn glance(&self, hash: u128) -> u64 {
        self.at(self.home(hash)).unwrap_or_default() as u64
    }

    /// Glances at the places of several hashes in one go, so that the waits for them overlap.
    pub(super) fn glance_at(&self, hashes: impl Iterator<Item = u128>) {
        black_box(hashes.map(|hash| self.glance(hash)).fold(0, u64::wrapping_add));
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The entries, each in one number, ascending.
    pub(super) fn entries(&self) -> impl Iterator<Item = u128> {
        self.pieces.iter().flatten().copied().filter(|&entry| entry != 0)
    }

    /// The map that has these [entries](Self::entries), in any order.
    pub(super) fn of(entries: &[u128]) -> Self {
        let mut size = SMALLEST;
        while entries.len() * 8 > size * 7 {
            size = larger(size);
        }
        let mut hashes = Self::with_size(size);
        for entry in entries {
            hashes.update(entry & !Self::NUMBER, |_| ((entry & Self::NUMBER) as u32, ()));
        }
        hashes
    }

    /// Bytes of main memory.
    pub(super) fn bytes(&self) -> usize {
        let places: usize = self.pieces.iter().map(Vec::len).sum();
        places * size_of::<u128>() + self.pieces.len() * size_of::<Vec<u128>>()
    }

    fn home(&self, hash: u128) -> usize {
        (((hash >> u64::BITS) * self.size as u128) >> u64::BITS) as usize
    }

    /// Where a hash stands, or would have to be inserted.
    fn place(&self, identity: u128) -> usize {
        let mut place = self.home(identity);
        while self.at(place).is_some_and(|entry| entry != 0 && entry < identity) {
            place += 1;
        }
        place
    }

    /// What a place has, if there is such a place.
    fn at(&self, place: usize) -> Option<u128> {
        self.pieces.get(place / PIECE)?.get(place % PIECE).copied()
    }

    /// The place must be there.
    fn put(&mut self, place: usize, entry: u128) {
        self.pieces[place / PIECE][place % PIECE] = entry;
    }

    /// Inserts a new entry where it belongs; those behind it make room.
    fn insert(&mut self, mut place: usize, mut entry: u128) {
        self.taken += 1;
        while entry != 0 {
            self.reach(place);
            std::mem::swap(&mut self.pieces[place / PIECE][place % PIECE], &mut entry);
            place += 1;
        }
    }

    /// Adds free places, if necessary, until there is one of this number.
    fn reach(&mut self, place: usize) {
        while self.at(place).is_none() {
            match self.pieces.as_mut_slice() {
                [only] if only.len() < PIECE => only.resize((place + 1).next_power_of_two().min(PIECE), 0),
                [] => self.pieces.push(vec![0; self.size.min(PIECE)]),
                _ => self.pieces.push(vec![0; PIECE]),
            }
        }
    }

    fn grow(&mut self) {
        self.size = larger(self.size);
        let before = std::mem::take(&mut self.pieces);
        let mut free = 0;
        for piece in before {
            for entry in piece.into_iter().filter(|&entry| entry != 0) {
                let place = self.home(entry).max(free);
                self.reach(place);
                self.put(place, entry);
                free = place + 1;
            }
        }
        self.reach(self.size - 1);
    }
}

/// The next size.
fn larger(size: usize) -> usize {
    if size < PIECE { size * 2 } else { size + (size / 4).next_multiple_of(PIECE) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Hashes that are spread evenly.
    fn hash(key: u128) -> u128 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn with(hashes: impl Iterator<Item = u128>) -> Hashes<16> {
        let mut map = Hashes::default();
        for hash in hashes {
            map.update(hash, |_| (1, ()));
        }
        map
    }

    #[test]
    fn entries_are_in_the_order_of_their_hashes_and_make_the_same_map_again() {
        let hashes = with((1..=1_000_000).map(hash));
        let entries: Vec<u128> = hashes.entries().collect();
        assert_eq!((entries.len(), entries.is_sorted()), (1_000_000, true));
        let again = Hashes::<16>::of(&entries);
        assert!(again.entries().eq(entries) && again.bytes() <= hashes.bytes());
    }

    #[test]
    fn two_thirds_of_a_large_map_are_entries() {
        let mut hashes = Hashes::<16>::default();
        for key in 1..=1_000_000 {
            hashes.update(hash(key), |_| (1, ()));
            let full = (hashes.len() * 16) as f64 / hashes.bytes() as f64;
            assert!(key < 50_000 || full > 0.66, "{full} of it are {key} entries");
        }
    }

    #[test]
    fn an_empty_map_has_places_to_glance_at() {
        Hashes::<16>::default().glance_at([hash(1), 0, u128::MAX].into_iter());
        Hashes::<16>::of(&[]).glance_at([hash(1), 0, u128::MAX].into_iter());
    }

    #[test]
    fn hashes_at_the_very_end_get_more_places() {
        let hashes = with((0..10_000).map(|key| u128::MAX - (key << 16)));
        assert_eq!(hashes.len(), 10_000);
        assert!(hashes.entries().is_sorted() && hashes.bytes() < 10_000 * 16 * 3, "{} bytes", hashes.bytes());
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
            prop_assert_eq!(hashes.len(), expected.len());
            let mut loaded = Hashes::<16>::of(&hashes.entries().collect::<Vec<_>>());
            prop_assert!(loaded.bytes() <= hashes.bytes());
            for (&key, &number) in &expected {
                let hash = u128::from(key % 7) << 120 | u128::from(key) << 16;
                prop_assert_eq!(loaded.update(hash, |found| (found, found)), number);
            }
            prop_assert_eq!(loaded.entries().count(), expected.len());
        }
    }
}
