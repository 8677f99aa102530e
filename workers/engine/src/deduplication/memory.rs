//! [`Memory`]: the identities of one partition's silver rows, each until its expiry.
//!
//! Built for millions of entries, a steady stream of new ones and no pauses:
//!
//! - An entry is 24 bytes in one flat array. The keys are uniform hashes, so an entry's place is its
//!   hash scaled to the array, and entries stand in the order of their hashes (open addressing, sorted
//!   within runs). A search ends at the first larger hash.
//! - 64 tables by the hash's first bits. A table that is full drops what has expired and takes a new size
//!   in one pass; that touches a 64th of the entries, so it takes a fraction of a millisecond.
//! - A new size leaves 64 % of the places taken, and 80 % is full: 30 to 37.5 bytes an entry.
//!
//! Expired entries go when their table is next full, so the memory is proportional to what the last
//! `within` of event time brought, plus a quarter.

use super::Key;

const TABLE_BITS: u32 = 6;
const SMALLEST_CAPACITY: usize = 16;
/// Places beyond a table's capacity for runs that reach over its end.
const TAIL: usize = 16;

/// An identity, and the last watermark at which a copy of it is a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// High half of the hash.
    pub(crate) high: u64,
    /// Low half of the hash.
    pub(crate) low: u64,
    /// The last watermark at which a copy is a duplicate.
    pub(crate) expiry_us: i64,
}

impl Entry {
    /// A free place. No key has this hash, see [`Key::new`].
    const FREE: Self = Self { high: 0, low: 0, expiry_us: 0 };

    pub(crate) fn new(key: Key, expiry_us: i64) -> Self {
        Self { high: key.high(), low: key.low(), expiry_us }
    }

    /// Whether the watermark has passed it.
    pub(crate) fn is_expired(&self, watermark_us: i64) -> bool {
        self.expiry_us < watermark_us
    }

    fn is_free(&self) -> bool {
        self.high == 0 && self.low == 0
    }

    fn hash(&self) -> (u64, u64) {
        (self.high, self.low)
    }
}

/// The identities of one partition's silver rows, each until its expiry.
#[derive(Debug)]
pub(crate) struct Memory {
    tables: Vec<Table>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { tables: vec![Table::default(); 1 << TABLE_BITS] }
    }
}

impl Memory {
    /// Remembers an entry, unless one with its hash is remembered that has not expired.
    pub(crate) fn admit(&mut self, entry: Entry, watermark_us: i64) -> bool {
        self.table(entry).upsert(entry, watermark_us, |known| known.is_expired(watermark_us))
    }

    /// Takes an entry of a state file in: a later one replaces an earlier one, an expired one is left out.
    pub(crate) fn load(&mut self, entry: Entry, watermark_us: i64) {
        if !entry.is_expired(watermark_us) {
            self.table(entry).upsert(entry, watermark_us, |_| true);
        }
    }

    /// What stands where a key's entry would: brings the place into the processor's cache.
    pub(crate) fn glance(&self, key: Key) -> u64 {
        let table = &self.tables[table_of(key.high())];
        table.places.get(table.home(key.high())).map_or(0, |place| place.high)
    }

    fn table(&mut self, entry: Entry) -> &mut Table {
        &mut self.tables[table_of(entry.high)]
    }

    /// Number of entries, those included that have expired and were not dropped yet.
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(|table| table.taken).sum()
    }

    /// Bytes of all places, taken or free.
    pub(crate) fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.places.capacity() * size_of::<Entry>()).sum()
    }
}

fn table_of(high: u64) -> usize {
    (high >> (u64::BITS - TABLE_BITS)) as usize
}

/// One of the flat arrays.
///
/// Invariant: entries stand in ascending order of their hashes, none before its home, and between an
/// entry's home and the entry no place is free.
#[derive(Clone, Debug, Default)]
struct Table {
    places: Vec<Entry>,
    capacity: usize,
    taken: usize,
}

impl Table {
    /// Where an entry stands if nothing else is in the way; ascending with the hash.
    fn home(&self, high: u64) -> usize {
        ((u128::from(high << TABLE_BITS) * self.capacity as u128) >> u64::BITS) as usize
    }

    /// Puts an entry in, or in place of the one with its hash if `may_replace` says so of that one.
    fn upsert(&mut self, entry: Entry, watermark_us: i64, may_replace: impl Fn(&Entry) -> bool) -> bool {
        let mut index = self.home(entry.high);
        loop {
            match self.places.get_mut(index) {
                Some(place) if place.is_free() => {
                    *place = entry;
                    break;
                }
                Some(place) if place.hash() < entry.hash() => index += 1,
                Some(place) if place.hash() == entry.hash() => {
                    let replaced = may_replace(place);
                    if replaced {
                        *place = entry;
                    }
                    return replaced;
                }
                _ => {
                    self.insert_at(index, entry);
                    break;
                }
            }
        }
        self.taken += 1;
        if self.taken * 5 > self.capacity * 4 {
            self.resize(watermark_us);
        }
        true
    }

    /// Moves the run that begins at `index` up by one place and puts the entry there.
    fn insert_at(&mut self, index: usize, entry: Entry) {
        let run = self.places[index.min(self.places.len())..].iter().position(Entry::is_free);
        let end = run.map_or(self.places.len(), |length| index + length);
        if end == self.places.len() {
            self.places.reserve_exact(TAIL);
            self.places.push(Entry::FREE);
        }
        self.places.copy_within(index..end, index + 1);
        self.places[index] = entry;
    }

    /// Drops what has expired and takes the size that the rest needs.
    fn resize(&mut self, watermark_us: i64) {
        let live = |entry: &&Entry| !entry.is_free() && !entry.is_expired(watermark_us);
        self.taken = self.places.iter().filter(live).count();
        self.capacity = (self.taken * 25).div_ceil(16).max(SMALLEST_CAPACITY);
        let before = std::mem::take(&mut self.places);
        let mut after = Vec::with_capacity(self.capacity + TAIL);
        for entry in before.iter().filter(live) {
            let home = self.home(entry.high);
            if home > after.len() {
                after.resize(home, Entry::FREE);
            }
            after.push(*entry);
        }
        after.resize((self.capacity + TAIL).max(after.len()), Entry::FREE);
        self.places = after;
    }
}
