//! Spilling: windows that are final leave main memory for a file, and come back for a correction.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Merge;
use super::block::{Block, windows_of_a_block};
use super::snapshot::{FRAME, Restored, write_block};
use super::{blocks_of, rows_of_cells};
use crate::gold::partials::TableRows;
use crate::gold::plan::GoldPlan;
use crate::gold::sections::Writer;
use crate::state::StateError;

/// When windows were spilled: after an epoch of the merge's own chain. With their name it tells their file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpilledAt {
    /// The generation.
    pub generation: u64,
    /// The epoch.
    pub epoch: u64,
}

/// Names windows that were spilled together: those of a table that begin within a range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpilledBlock {
    /// Place of the table in [`Merge::table_schemas`].
    pub table: usize,
    /// The first moment of its first window, in microseconds.
    pub start_us: i64,
    /// The first moment behind its last window.
    pub end_us: i64,
    /// When they were spilled.
    pub at: SpilledAt,
}

/// Windows on their way from memory into a file.
#[derive(Debug)]
pub struct Leaving {
    plan: Arc<GoldPlan>,
    table: usize,
    block: Arc<Block>,
}

impl Leaving {
    /// Gives the file, in pieces that follow each other.
    pub fn write(self, take: &mut dyn FnMut(Vec<u8>)) {
        let mut file = Writer::new(FRAME, take);
        write_block(&mut file, &self.plan.tables[self.table], &self.block);
        file.finish();
    }
}

impl Merge {
    /// Takes out what is final and published. It is done after the
    /// epoch `at`, and at most once after each.
    ///
    /// The next snapshot says that they are spilled, and no longer has them: the files must be durable before that
    /// snapshot is anybody's base. A replay from an older base does not spill, which changes nothing but memory.
    pub fn spill(&mut self, at: SpilledAt) -> Vec<(SpilledBlock, Leaving)> {
        let mut spilled = Vec::new();
        for place in 0..self.tables.len() {
            for number in self.over(place) {
                let table = &mut self.tables[place];
                let Some(block) = table.blocks.remove(&number) else { continue };
                table.spilled.insert(number, at);
                let leaving = Leaving { plan: Arc::clone(&self.plan), table: place, block };
                spilled.push((self.name(place, number, at), leaving));
            }
        }
        spilled
    }

    /// The numbers of a table's blocks that are final and published as a whole.
    fn over(&self, place: usize) -> Vec<i64> {
        let windows = &self.plan.tables[place].windows;
        let of_a_block = windows_of_a_block(windows);
        let first_open = windows.first_open(self.finality.watermark_us());
        let is_over = |number: i64, block: &Block| {
            (number + 1) * of_a_block <= first_open
                && block.windows().all(|(_, window)| window.is_final && !window.buckets.is_changed())
        };
        let blocks = self.tables[place].blocks.iter();
        blocks.filter(|(number, block)| is_over(**number, block)).map(|(number, _)| *number).collect()
    }

    /// Takes a spilled block back into memory: the pieces of its file, which has been [checked](Self::check). Blocks
    /// that are in memory, and those of other tables, are left alone.
    pub fn load_spilled(&mut self, pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        let (tables, _) = Restored::of(&self.plan, pieces)?;
        for (table, loaded) in self.tables.iter_mut().zip(tables) {
            for (number, block) in loaded.blocks {
                if table.spilled.remove(&number).is_some() {
                    table.blocks.insert(number, block);
                }
            }
        }
        Ok(())
    }

    /// The spilled blocks that an epoch corrects, in order.
    pub(super) fn missing(&self, epoch: &[TableRows]) -> Vec<SpilledBlock> {
        let mut missing = BTreeSet::new();
        for rows in epoch {
            let windows = &self.plan.tables[rows.table].windows;
            let spilled = &self.tables[rows.table].spilled;
            if spilled.is_empty() {
                continue;
            }
            for (cell, _) in rows_of_cells(&rows.cells) {
                let blocks = blocks_of(cell, windows.first_of(cell.pane), windows_of_a_block(windows));
                for (number, _) in blocks {
                    missing.extend(spilled.get(&number).map(|at| self.name(rows.table, number, *at)));
                }
            }
        }
        missing.into_iter().collect()
    }

    fn name(&self, table: usize, number: i64, at: SpilledAt) -> SpilledBlock {
        let windows = &self.plan.tables[table].windows;
        let of_a_block = windows_of_a_block(windows);
        SpilledBlock {
            table,
            start_us: windows.start_us(number * of_a_block),
            end_us: windows.end_us((number + 1) * of_a_block - 1),
            at,
        }
    }
}
