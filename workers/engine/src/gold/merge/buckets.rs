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

    /// Buckets of which these have files, all without rows. Where there was no row there is no file.
    pub(super) fn published(mut parts: Vec<Part>) -> Self {
        if parts.is_empty() {
            return Self::default();
        }
        let most = parts.iter().map(|part| part.of).max().unwrap_or(1);
        parts.sort_by_key(|part| part.number * (most / part.of));
        let mut buckets = Vec::new();
        let mut next = 0;
        let ends = parts.iter().map(|part| part.number * (most / part.of)).chain([most]);
        let ends: Vec<u32> = ends.collect();
        for (end, part) in ends.into_iter().zip(parts.into_iter().map(Some).chain([None])) {
            while next < end {
                // The largest part that begins here and ends before the next file's.
                let width = (1 << next.trailing_zeros().min(most.ilog2())).min(1 << (end - next).ilog2());
                buckets.push(Bucket::new(Part { number: next / width, of: most / width }));
                next += width;
            }
            if let Some(part) = part {
                buckets.push(Bucket { replaces: vec![part], ..Bucket::new(part) });
                next += most / part.of;
            }
        }
        Self::restored(buckets)
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
            bucket.is_changed |= !bucket.rows.is_empty();
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
            // What has no rows has no file.
            bucket.replaces = if bucket.rows.is_empty() { Vec::new() } else { vec![bucket.part] };
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
    fn buckets_that_have_files_are_found_again_and_the_rest_is_without_rows() {
        let mut buckets = Buckets::default();
        // Almost all hashes begin with three bits that are set.
        let hash = |row: u32| if row == 0 { 0 } else { hash(row) >> 3 | 0b111 << 125 };
        for row in 0..MOST_ROWS as u32 * 2 {
            buckets.insert(row, hash);
        }
        let published = buckets.take_changed();
        assert!(published.len() > 2, "{published:?}");
        let parts: Vec<Part> = published.iter().map(|bucket| bucket.part).rev().collect();
        let mut found = Buckets::published(parts);
        for row in 0..MOST_ROWS as u32 * 2 {
            found.restore_row(row, hash(row));
        }
        assert!(!found.is_changed());
        found.touch_all();
        let again = found.take_changed();
        assert_eq!(again.len(), published.len());
        for (again, published) in again.iter().zip(&published) {
            assert_eq!((again.part, &again.rows), (published.part, &published.rows));
            assert_eq!(again.replaces, [published.part]);
        }
        // A row where there is no file.
        found.insert(MOST_ROWS as u32 * 2, |_| 1 << 127);
        let new = found.take_changed();
        assert_eq!((new.len(), new[0].rows.len(), new[0].replaces.len()), (1, 1, 0));
    }

    #[test]
    fn a_bucket_that_has_lost_its_rows_is_replaced_by_nothing_and_once() {
        let part = Part { number: 0, of: 1 };
        let mut buckets = Buckets::published(vec![part]);
        buckets.touch(7);
        let published = buckets.take_changed();
        assert_eq!((published[0].rows.len(), &published[0].replaces), (0, &vec![part]));
        buckets.insert(0, |_| 7);
        assert_eq!(buckets.take_changed()[0].replaces, []);
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
