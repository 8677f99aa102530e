//! [`Window`]: the rows of one window, as far as they have come.

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use std::sync::Arc;

use super::buckets::{Bucket, Buckets};
use super::states::{Pending, States};
use crate::gold::plan::GoldTable;

/// A group of the block that has no row in the window.
const NO_ROW: u32 = u32::MAX;

/// The rows of one window, as far as they have come: one for each group that has rows in it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The row of each group of the block, as far as the list goes.
    row_of_group: Vec<u32>,
    /// The group of each row.
    pub(super) groups: Vec<u32>,
    pub(super) states: States,
    /// For each distinct count of the table, the count of each row.
    pub(super) distinct_counts: Vec<Vec<i64>>,
    /// How many publications have changed each row.
    pub(super) revisions: Vec<i32>,
    /// The last of them.
    pub(super) updated_at_us: Vec<i64>,
    /// Whether the row has changed since.
    pub(super) is_touched: Vec<bool>,
    /// Whether there may be rows that have changed by no more than the order of addition makes: their buckets have not.
    pub(super) has_drifted: bool,
    /// Whether it was published as final.
    pub(super) is_final: bool,
    pub(super) buckets: Buckets,
}

impl Window {
    pub(super) fn new(table: &GoldTable) -> Self {
        Self {
            row_of_group: Vec::new(),
            groups: Vec::new(),
            states: States::default(),
            distinct_counts: vec![Vec::new(); table.distinct_counts.len()],
            revisions: Vec::new(),
            updated_at_us: Vec::new(),
            is_touched: Vec::new(),
            has_drifted: false,
            is_final: false,
            buckets: Buckets::default(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.groups.len()
    }

    /// Folds states of groups in; `hashes` are those of the block's groups.
    pub(super) fn fold(&mut self, table: &GoldTable, groups: &[u32], states: &[ArrayRef], hashes: &[u128]) {
        let rows: Vec<u32> = groups.iter().map(|&group| self.touch(group, hashes)).collect();
        let pending = Pending { rows, states: states.to_vec() };
        let count = self.rows();
        self.states.add(&table.aggregates, pending, count);
    }

    /// The row of a group, which is added if it has none, and has changed now.
    fn touch(&mut self, group: u32, hashes: &[u128]) -> u32 {
        if let Some(&row) = self.row_of_group.get(group as usize).filter(|&&row| row != NO_ROW) {
            if !self.is_touched[row as usize] || self.has_drifted {
                self.is_touched[row as usize] = true;
                self.buckets.touch(hashes[group as usize]);
            }
            return row;
        }
        let row = self.rows() as u32;
        self.put(row, group);
        self.distinct_counts.iter_mut().for_each(|counts| counts.push(0));
        self.revisions.push(0);
        self.updated_at_us.push(0);
        self.is_touched.push(true);
        self.buckets.insert(row, |row| hashes[self.groups[row as usize] as usize]);
        row
    }

    /// Makes a group's row known.
    pub(super) fn put(&mut self, row: u32, group: u32) {
        if self.row_of_group.len() <= group as usize {
            self.row_of_group.resize(group as usize + 1, NO_ROW);
        }
        self.row_of_group[group as usize] = row;
        self.groups.push(group);
    }

    /// Counts a value of a group that is new in the window.
    pub(super) fn count(&mut self, distinct_count: usize, group: u32) {
        let row = self.row_of_group[group as usize];
        self.distinct_counts[distinct_count][row as usize] += 1;
    }

    /// The distinct counts of rows.
    pub(super) fn counts_of(&self, distinct_count: usize, rows: &UInt32Array) -> ArrayRef {
        let counts = &self.distinct_counts[distinct_count];
        Arc::new(Int64Array::from_iter_values(rows.values().iter().map(|&row| counts[row as usize])))
    }

    /// Gives the changed buckets, whose changed rows are marked as published at a time; all rows if the window becomes
    /// final by it.
    pub(super) fn publish(&mut self, becomes_final: bool, updated_at_us: i64) -> Vec<Bucket> {
        if becomes_final {
            self.is_final = true;
            self.buckets.touch_all();
        }
        let changed = self.buckets.take_changed();
        for row in changed.iter().flat_map(|bucket| &bucket.rows).map(|row| *row as usize) {
            if self.is_touched[row] || becomes_final {
                self.is_touched[row] = false;
                self.revisions[row] = self.revisions[row].saturating_add(1);
                self.updated_at_us[row] = updated_at_us;
            }
        }
        changed
    }

    /// Bytes of main memory.
    pub(super) fn bytes(&self) -> usize {
        let row = 4 + 4 + 4 + 8 + 1 + 8 * self.distinct_counts.len();
        self.rows() * row + self.states.bytes() + self.buckets.bytes()
    }
}
