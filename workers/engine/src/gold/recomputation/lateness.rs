//! [`Lateness`]: after which offset of a partition a window had closed, found in one pass in any order.

use std::collections::BTreeMap;

use crate::gold::windows::Windows;
use crate::watermark::MINUS_INFINITY;

/// When the windows of some tables closed on each partition: the first offset whose row brought the watermark there.
///
/// Rows are [observed](Self::observe) in any order, since only the first offset counts; then it tells a watermark before
/// any row that is as good as the exact one: the same windows have closed.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    tables: Vec<Closings>,
}

#[derive(Clone, Debug)]
struct Closings {
    windows: Windows,
    partitions: BTreeMap<i32, First>,
}

/// For a partition, the first window that is open and the first offset that left it so.
#[derive(Clone, Debug)]
enum First {
    Found(BTreeMap<i64, i64>),
    /// Both ascend.
    Sorted(Vec<(i64, i64)>),
}

impl Lateness {
    pub(super) fn new(tables: impl IntoIterator<Item = Windows>) -> Self {
        let closings = |windows| Closings { windows, partitions: BTreeMap::new() };
        Self { tables: tables.into_iter().map(closings).collect() }
    }

    /// A silver row after which, if it were the only one, the watermark would be this.
    pub(super) fn observe(&mut self, partition: i32, offset: i64, watermark_us: i64) {
        for Closings { windows, partitions } in &mut self.tables {
            let first_open = windows.first_open(watermark_us);
            let first = partitions.entry(partition).or_insert_with(|| First::Found(BTreeMap::new()));
            let First::Found(found) = first else { continue };
            let known = found.entry(first_open).or_insert(offset);
            *known = (*known).min(offset);
        }
    }

    /// All rows were observed.
    pub(super) fn sort(&mut self) {
        for first in self.tables.iter_mut().flat_map(|table| table.partitions.values_mut()) {
            let First::Found(found) = first else { continue };
            let mut sorted: Vec<(i64, i64)> = std::mem::take(found).into_iter().collect();
            let mut smallest = i64::MAX;
            for (_, offset) in sorted.iter_mut().rev() {
                smallest = smallest.min(*offset);
                *offset = smallest;
            }
            *first = First::Sorted(sorted);
        }
    }

    /// A watermark at which the windows have closed that had before the row at this offset, and no others.
    pub(super) fn watermark_before_us(&self, partition: i32, offset: i64) -> i64 {
        let of_table = |Closings { windows, partitions }: &Closings| {
            let Some(First::Sorted(sorted)) = partitions.get(&partition) else { return MINUS_INFINITY };
            match sorted.partition_point(|(_, first)| *first < offset).checked_sub(1) {
                Some(last) => windows.closing_us(sorted[last].0 - 1),
                None => MINUS_INFINITY,
            }
        };
        // None of them is beyond the exact one, and for each table one of them has reached its last closing.
        self.tables.iter().map(of_table).max().unwrap_or(MINUS_INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_windows_that_have_closed_are_those_of_the_exact_watermark(
            tables in prop::collection::vec((1..20_u64, 1..5_u64, 0..30_u64), 1..4),
            rows in prop::collection::vec((0..3_i32, -50_000..100_000_i64), 1..80),
            order in any::<u64>(),
        ) {
            let tables = tables.into_iter();
            let tables: Vec<Windows> =
                tables.map(|(slide, panes, lateness)| Windows::new(slide * panes, slide, lateness)).collect();
            let mut lateness = Lateness::new(tables.iter().copied());
            let mut shuffled: Vec<usize> = (0..rows.len()).collect();
            shuffled.sort_by_key(|row| (*row as u64 + 1).wrapping_mul(order | 1));
            for row in shuffled {
                let (partition, watermark_us) = rows[row];
                lateness.observe(partition, row as i64, watermark_us);
            }
            lateness.sort();
            let mut exact = BTreeMap::new();
            for (offset, (partition, watermark_us)) in rows.into_iter().enumerate() {
                let before = exact.entry(partition).or_insert(MINUS_INFINITY);
                let found = lateness.watermark_before_us(partition, offset as i64);
                for windows in &tables {
                    prop_assert_eq!(windows.first_open(found), windows.first_open(*before));
                }
                *before = watermark_us.max(*before);
            }
        }
    }
}
