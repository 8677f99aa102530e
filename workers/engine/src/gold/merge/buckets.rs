//! [`Buckets`]: the rows of a window, cut into files by the hashes of their keys.
//!
//! A window begins with one bucket. One that would exceed [`MOST_ROWS`] splits in two by the next bit of the hash, so
//! a row that changes costs the rewriting of one small file, and every row is in exactly one of them.

/// Rows of a bucket at most.
pub(super) const MOST_ROWS: usize = 8_000;
/// Buckets of more bits are not split: their hashes are not those of different keys.
const MOST_BITS: u32 = 20;

/// One of `of` equal parts of all hashes. Parts of one window may be of different sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// From 0, by the first bits of the hash.
    pub(super) number: u32,
    /// A power of two.
    pub(super) of: u32,
}

/// The rows of a window by their buckets.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    /// The bucket of each value of the first bits of a hash, as many bits as the smallest part needs.
    directory: Vec<u32>,
    buckets: Vec<Bucket>,
}

/// The rows of one part.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) part: Part,
    /// Ascending.
    pub(super) rows: Vec<u32>,
    /// Whether something of its rows changed since it was published.
    pub(super) is_changed: bool,
    /// The parts published before whose rows are now in this one, or in those that were split from them.
    pub(super) replaces: Vec<Part>,
}

impl Bucket {
    fn new(part: Part) -> Self {
        Self { part, rows: Vec::new(), is_changed: false, replaces: Vec::new() }
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self { directory: vec![0], buckets: vec![Bucket::new(Part { number: 0, of: 1 })] }
    }
}

impl Buckets {
    /// Buckets as they were, without their rows.
    pub(super) fn restored(buckets: Vec<Bucket>) -> Self {
        let most = buckets.iter().map(|bucket| bucket.part.of).max().unwrap_or(1);
        let mut directory = vec![0; most as usize];
        for (place, bucket) in buckets.iter().enumerate() {
            let width = most / bucket.part.of;
            let start = (bucket.part.number * width) as usize;
            directory[start..start + width as usize].fill(place as u32);
        }
        Self { directory, buckets }
    }

    /// The buckets, in no particular order.
    pub(super) fn all(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Puts a row back whose bucket was restored.
    pub(super) fn restore_row(&mut self, row: u32, hash: u128) {
        let place = self.place(hash);
        self.buckets[place].rows.push(row);
    }

    /// Adds a row, whose number is larger than that of all rows so far. `hashes` are those of all rows.
    pub(super) fn insert(&mut self, row: u32, hashes: impl Fn(u32) -> u128) {
        let mut place = self.place(hashes(row));
        self.buckets[place].rows.push(row);
        self.buckets[place].is_changed = true;
        while self.buckets[place].rows.len() > MOST_ROWS && self.buckets[place].part.of < 1 << MOST_BITS {
            self.split(place, &hashes);
            place = self.place(hashes(row));
        }
    }

    /// Says that something of a row changed.
    pub(super) fn touch(&mut self, hash: u128) {
        let place = self.place(hash);
        self.buckets[place].is_changed = true;
    }

    /// Says that something of all rows changed.
    pub(super) fn touch_all(&mut self) {
        for bucket in &mut self.buckets {
            bucket.is_changed = !bucket.rows.is_empty();
        }
    }

    /// Whether something changed since it was published.
    pub(super) fn is_changed(&self) -> bool {
        self.buckets.iter().any(|bucket| bucket.is_changed)
    }

    /// The buckets that changed, in the order of their hashes. The caller publishes them.
    pub(super) fn take_changed(&mut self) -> Vec<Bucket> {
        let mut changed = Vec::new();
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.is_changed) {
            changed.push(bucket.clone());
            bucket.is_changed = false;
            bucket.replaces = vec![bucket.part];
        }
        // The start of a part, as a fraction of all hashes.
        let start = |part: Part| u64::from(part.number) << (32 - part.of.ilog2());
        changed.sort_by_key(|bucket| start(bucket.part));
        changed
    }

    /// Bytes of main memory.
    pub(super) fn bytes(&self) -> usize {
        self.directory.len() * 4 + self.buckets.iter().map(|bucket| bucket.rows.capacity() * 4).sum::<usize>()
    }

    fn place(&self, hash: u128) -> usize {
        let bits = self.directory.len().ilog2();
        let first = if bits == 0 { 0 } else { (hash >> (u128::BITS - bits)) as usize };
        self.directory[first] as usize
    }

    /// Cuts a bucket in two by the next bit of the hash.
    fn split(&mut self, place: usize, hashes: &impl Fn(u32) -> u128) {
        let Part { number, of } = self.buckets[place].part;
        if of as usize == self.directory.len() {
            self.directory = self.directory.iter().flat_map(|&place| [place, place]).collect();
        }
        let part = |half: u32| Part { number: number * 2 + half, of: of * 2 };
        let next_bit = u128::BITS - 1 - of.ilog2();
        let whole = std::mem::replace(&mut self.buckets[place], Bucket::new(part(0)));
        let (upper_rows, lower_rows): (Vec<u32>, Vec<u32>) =
            whole.rows.into_iter().partition(|&row| hashes(row) >> next_bit & 1 == 1);
        // One of the two takes the files of the whole with it, and it has to have rows.
        let (lower, upper) =
            if lower_rows.is_empty() { (Vec::new(), whole.replaces) } else { (whole.replaces, Vec::new()) };
        let half = |half, rows: Vec<u32>, replaces| Bucket {
            part: part(half),
            is_changed: !rows.is_empty(),
            rows,
            replaces,
        };
        let upper_place = self.buckets.len();
        self.buckets[place] = half(0, lower_rows, lower);
        self.buckets.push(half(1, upper_rows, upper));
        let width = self.directory.len() / (of as usize * 2);
        let start = (number as usize * 2 + 1) * width;
        self.directory[start..start + width].fill(upper_place as u32);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A hash of a row's number.
    fn hash(row: u32) -> u128 {
        u128::from(u64::from(row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64
    }

    #[test]
    fn a_bucket_is_whole_at_the_limit_and_splits_beyond_it() {
        let mut buckets = Buckets::default();
        for row in 0..MOST_ROWS as u32 {
            buckets.insert(row, hash);
        }
        let whole = Part { number: 0, of: 1 };
        let published = buckets.take_changed();
        assert_eq!(published.iter().map(|bucket| bucket.part).collect::<Vec<_>>(), [whole]);
        assert!(published[0].replaces.is_empty() && !buckets.is_changed());
        buckets.insert(MOST_ROWS as u32, hash);
        let published = buckets.take_changed();
        let parts: Vec<Part> = published.iter().map(|bucket| bucket.part).collect();
        assert_eq!(parts, [Part { number: 0, of: 2 }, Part { number: 1, of: 2 }]);
        assert_eq!(published[0].replaces, [whole]);
        assert!(published[1].replaces.is_empty());
        buckets.touch(hash(0));
        let published = buckets.take_changed();
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].replaces, [published[0].part]);
    }

    #[test]
    fn rows_of_one_hash_do_not_split_for_ever() {
        let mut buckets = Buckets::default();
        for row in 0..MOST_ROWS as u32 + 10 {
            buckets.insert(row, |_| u128::MAX);
        }
        let published = buckets.take_changed();
        assert_eq!(published.len(), 1, "halves without rows are no files");
        assert_eq!(published[0].rows.len(), MOST_ROWS + 10);
        buckets.touch_all();
        assert_eq!(buckets.take_changed().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

        #[test]
        fn every_row_is_in_exactly_one_live_file(
            steps in prop::collection::vec((1..12_000_u32, any::<u32>()), 1..10),
        ) {
            let mut buckets = Buckets::default();
            let mut rows = 0;
            let mut files: Vec<(Part, Vec<u32>)> = Vec::new();
            for (more, touched) in steps {
                for row in rows..rows + more {
                    buckets.insert(row, hash);
                }
                rows += more;
                buckets.touch(hash(touched % rows));
                for bucket in buckets.take_changed() {
                    for part in &bucket.replaces {
                        let before = files.len();
                        files.retain(|(file, _)| file != part);
                        prop_assert_eq!(files.len(), before - 1, "a file is replaced once");
                    }
                    prop_assert!(bucket.rows.len() <= MOST_ROWS);
                    prop_assert!(bucket.rows.is_sorted());
                    files.push((bucket.part, bucket.rows));
                }
                let in_files: Vec<u32> = files.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
                prop_assert_eq!(in_files.len(), rows as usize);
                prop_assert_eq!(in_files.into_iter().collect::<BTreeSet<_>>().len(), rows as usize);
                for (part, rows) in &files {
                    let bits = part.of.ilog2();
                    for &row in rows {
                        prop_assert_eq!(hash(row).checked_shr(128 - bits).unwrap_or(0) as u32, part.number);
                    }
                }
            }
        }
    }
}
