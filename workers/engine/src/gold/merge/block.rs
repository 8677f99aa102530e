//! [`Block`]: windows that follow each other and share their groups and the sets of their values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat, take};

use super::hashes::Hashes;
use super::window::Window;
use crate::gold::partials::TableRows;
use crate::gold::plan::GoldTable;
use crate::gold::windows::Windows;

/// Windows of a block at most: as many as an entry of a set of values has bits for.
const MOST_WINDOWS: u32 = 16;
/// Values whose places in a set are read ahead.
const AHEAD: usize = 64;
/// 2⁶⁴ divided by the golden ratio: spreads consecutive groups evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// How many windows of a table make a block: one if they do not overlap. Else so many that the windows of a row are
/// mostly in one block, where a value of a group is one entry however many of them have it.
pub(in crate::gold) fn windows_of_a_block(windows: &Windows) -> i64 {
    match windows.per_pane() {
        1 => 1,
        overlapping => i64::from((overlapping * 2).next_power_of_two().min(MOST_WINDOWS)),
    }
}

/// Windows that follow each other, with their groups and the values of the groups.
#[derive(Clone, Debug)]
pub(in crate::gold) struct Block {
    /// Its first window.
    pub(super) first: i64,
    /// The number of each group plus one, by the hash of its keys.
    numbers: Hashes<32>,
    /// The hash of each group's keys.
    pub(super) hashes: Vec<u128>,
    /// The keys of the groups, each in pieces that follow each other.
    pub(super) keys: Vec<Vec<ArrayRef>>,
    /// For each distinct count: (group, value) with a bit for each window that has it.
    pub(super) values: Vec<Hashes<16>>,
    /// `None`: no rows.
    pub(super) windows: Vec<Option<Window>>,
}

impl Block {
    pub(super) fn new(table: &GoldTable, first: i64, windows: i64) -> Self {
        Self {
            first,
            numbers: Hashes::default(),
            hashes: Vec::new(),
            keys: vec![Vec::new(); table.keys.len()],
            values: table.distinct_counts.iter().map(|_| Hashes::default()).collect(),
            windows: vec![None; windows as usize],
        }
    }

    /// Folds rows of partial aggregates into the windows of the block whose bits are set.
    pub(super) fn fold(&mut self, table: &GoldTable, partials: &TableRows, rows: &UInt32Array, windows: u16) {
        let groups = self.groups(partials, rows);
        // Copies, all rows or not: what waits to be merged must not keep the whole file in memory.
        let states = partials.states.iter();
        let states: Vec<ArrayRef> =
            states.map(|column| take(column, rows, None).expect("the rows have states")).collect();
        for place in bits(windows) {
            let window = self.windows[place].get_or_insert_with(|| Window::new(table));
            window.fold(table, &groups, &states, &self.hashes);
        }
        for distinct_count in 0..self.values.len() {
            self.count_values(partials, distinct_count, rows, &groups, windows);
        }
    }

    /// The group of each row; new ones are added.
    fn groups(&mut self, partials: &TableRows, rows: &UInt32Array) -> Vec<u32> {
        let mut new_rows = Vec::new();
        let mut groups = Vec::with_capacity(rows.len());
        for rows in rows.values().chunks(AHEAD) {
            let hash_of = |row: u32| partials.key_hashes[row as usize];
            self.numbers.glance_at(rows.iter().map(|&row| hash_of(row)));
            for &row in rows {
                let next = self.hashes.len() as u32 + 1;
                let number = self.numbers.update(hash_of(row), |number| {
                    let number = if number == 0 { next } else { number };
                    (number, number)
                });
                if number == next {
                    self.hashes.push(hash_of(row));
                    new_rows.push(row);
                }
                groups.push(number - 1);
            }
        }
        if !new_rows.is_empty() {
            let new_rows = UInt32Array::from(new_rows);
            for (pieces, column) in self.keys.iter_mut().zip(&partials.keys) {
                pieces.push(take(column, &new_rows, None).expect("the rows have keys"));
            }
        }
        groups
    }

    fn count_values(
        &mut self,
        partials: &TableRows,
        distinct_count: usize,
        rows: &UInt32Array,
        groups: &[u32],
        windows: u16,
    ) {
        let values = &partials.values[distinct_count];
        let mut ahead: Vec<(u32, u128)> = Vec::with_capacity(AHEAD);
        for (&row, &group) in rows.values().iter().zip(groups) {
            for hash in values.of(row as usize) {
                ahead.push((group, of_group(hash, group)));
                if ahead.len() == AHEAD {
                    self.insert_values(distinct_count, &ahead, windows);
                    ahead.clear();
                }
            }
        }
        self.insert_values(distinct_count, &ahead, windows);
    }

    fn insert_values(&mut self, distinct_count: usize, values: &[(u32, u128)], windows: u16) {
        let set = &mut self.values[distinct_count];
        set.glance_at(values.iter().map(|(_, hash)| *hash));
        for &(group, hash) in values {
            let new = set.update(hash, |known| (known | u32::from(windows), windows & !(known as u16)));
            for place in bits(new) {
                let window = self.windows[place].as_mut().expect("its states were folded before");
                window.count(distinct_count, group);
            }
        }
    }

    /// Puts the groups of a snapshot in.
    pub(super) fn restore_groups(&mut self, hashes: Vec<u128>, keys: Vec<ArrayRef>) {
        for (group, &hash) in hashes.iter().enumerate() {
            self.numbers.update(hash, |_| (group as u32 + 1, ()));
        }
        self.hashes = hashes;
        self.keys = keys.into_iter().map(|column| vec![column]).collect();
    }

    /// The keys of groups.
    pub(super) fn keys_of(&mut self, groups: &UInt32Array) -> Vec<ArrayRef> {
        self.join_keys();
        let keys = self.keys.iter();
        keys.map(|pieces| take(&pieces[0], groups, None).expect("the groups have keys")).collect()
    }

    /// Makes one piece of each key.
    fn join_keys(&mut self) {
        for pieces in self.keys.iter_mut().filter(|pieces| pieces.len() > 1) {
            let parts: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
            *pieces = vec![concat(&parts).expect("the pieces of a key have one type")];
        }
    }

    /// The keys of all groups.
    pub(super) fn all_keys(&self) -> Vec<ArrayRef> {
        let joined = |pieces: &Vec<ArrayRef>| match pieces.as_slice() {
            [one] => Arc::clone(one),
            pieces => {
                let parts: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
                concat(&parts).expect("the pieces of a key have one type")
            }
        };
        self.keys.iter().map(joined).collect()
    }

    /// The windows that have rows.
    pub(super) fn windows(&self) -> impl Iterator<Item = (i64, &Window)> {
        let windows = (self.first..).zip(&self.windows);
        windows.filter_map(|(number, window)| window.as_ref().map(|window| (number, window)))
    }

    /// Bytes of main memory.
    pub(super) fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().flatten().map(|piece| piece.get_array_memory_size()).sum();
        let sets: usize = self.values.iter().map(Hashes::bytes).sum();
        let windows: usize = self.windows().map(|(_, window)| window.bytes()).sum();
        self.numbers.bytes() + self.hashes.len() * 16 + keys + sets + windows
    }
}

/// The hash of a value in a group: no two groups have the same for one value.
fn of_group(hash: u128, group: u32) -> u128 {
    hash ^ (u128::from(u64::from(group).wrapping_mul(SPREAD)) << 64)
}

/// The places of the bits that are set.
fn bits(set: u16) -> impl Iterator<Item = usize> {
    let mut rest = set;
    std::iter::from_fn(move || {
        let place = rest.trailing_zeros() as usize;
        let is_set = rest != 0;
        // Without the lowest bit.
        rest &= rest.wrapping_sub(1);
        is_set.then_some(place)
    })
}
