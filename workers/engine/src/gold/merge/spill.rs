//! Spilling: windows that are final leave main memory for a file, and come back for a correction.

use std::collections::BTreeSet;

use super::Merge;
use super::block::{Block, windows_of_a_block};
use super::snapshot::{FRAME, Restored, write_block};
use super::{blocks_of, rows_of_cells};
use crate::gold::partials::{self, TableRows};
use crate::gold::sections::{self, Writer};
use crate::state::StateError;
use crate::state::frame::SpilledSnafu;

/// Names windows that were spilled together: those of a table that begin within a range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpilledBlock {
    /// Place of the table in [`Merge::table_schemas`].
    pub table: usize,
    /// The first moment of its first window, in microseconds.
    pub start_us: i64,
    /// The first moment behind its last window.
    pub end_us: i64,
}

impl Merge {
    /// Takes out of memory what is final and published, each block with the bytes of its file.
    ///
    /// The next snapshot says that they are spilled, and no longer has them: the files must be durable before that
    /// snapshot is anybody's base. A replay from an older base does not spill, which changes nothing but memory.
    pub fn spill(&mut self) -> Vec<(SpilledBlock, Vec<u8>)> {
        let mut spilled = Vec::new();
        for (place, plan) in self.plan.tables.iter().enumerate() {
            let windows = windows_of_a_block(&plan.windows);
            let first_open = plan.windows.first_open(self.finality.watermark_us());
            let table = &mut self.tables[place];
            let is_over = |number: i64, block: &Block| {
                (number + 1) * windows <= first_open
                    && block.windows().all(|(_, window)| window.is_final && !window.buckets.is_changed())
            };
            let over = table.blocks.iter().filter(|(number, block)| is_over(**number, block));
            let over: Vec<i64> = over.map(|(number, _)| *number).collect();
            for number in over {
                let Some(block) = table.blocks.remove(&number) else { continue };
                let mut file = Writer::new(FRAME);
                write_block(&mut file, plan, &block);
                table.spilled.insert(number);
                let name = SpilledBlock {
                    table: place,
                    start_us: plan.windows.start_us(number * windows),
                    end_us: plan.windows.end_us((number + 1) * windows - 1),
                };
                spilled.push((name, file.finish()));
            }
        }
        spilled
    }

    /// The spilled blocks that an epoch corrects: they are to be loaded before it is folded.
    pub fn spilled_blocks_of(&self, partial_aggregates: &[u8]) -> Result<Vec<SpilledBlock>, StateError> {
        Ok(self.needed(&partials::read(&self.plan, partial_aggregates)?).into_iter().collect())
    }

    /// All blocks that are spilled.
    pub fn spilled_blocks(&self) -> Vec<SpilledBlock> {
        let tables = self.tables.iter().enumerate();
        tables
            .flat_map(|(place, table)| table.spilled.iter().map(move |&number| self.name(place, number)))
            .collect()
    }

    /// Takes a spilled block back into memory. Blocks that are in memory, and those of other tables, are left alone.
    pub fn load_spilled(&mut self, file: &[u8]) -> Result<(), StateError> {
        let sections = sections::read(FRAME, file)?;
        let mut restored = Restored::new(&self.plan);
        for section in &sections {
            restored.read(section)?;
        }
        let (tables, _) = restored.finish();
        for (table, loaded) in self.tables.iter_mut().zip(tables) {
            for (number, block) in loaded.blocks {
                if table.spilled.remove(&number) {
                    table.blocks.insert(number, block);
                }
            }
        }
        Ok(())
    }

    /// Refuses an epoch for windows that are not in memory.
    pub(super) fn check_in_memory(&self, epoch: &[TableRows]) -> Result<(), StateError> {
        match self.needed(epoch).first() {
            None => Ok(()),
            Some(block) => {
                let table = self.plan.tables[block.table].table.name.clone();
                SpilledSnafu { table, window_start_us: block.start_us }.fail()
            }
        }
    }

    fn needed(&self, epoch: &[TableRows]) -> BTreeSet<SpilledBlock> {
        let mut needed = BTreeSet::new();
        for rows in epoch {
            let windows = &self.plan.tables[rows.table].windows;
            let spilled = &self.tables[rows.table].spilled;
            if spilled.is_empty() {
                continue;
            }
            for (cell, _) in rows_of_cells(&rows.cells) {
                let blocks = blocks_of(cell, windows.first_of(cell.pane), windows_of_a_block(windows));
                let blocks = blocks.into_iter().filter(|(number, _)| spilled.contains(number));
                needed.extend(blocks.map(|(number, _)| self.name(rows.table, number)));
            }
        }
        needed
    }

    fn name(&self, table: usize, number: i64) -> SpilledBlock {
        let windows = &self.plan.tables[table].windows;
        let of_a_block = windows_of_a_block(windows);
        SpilledBlock {
            table,
            start_us: windows.start_us(number * of_a_block),
            end_us: windows.end_us((number + 1) * of_a_block - 1),
        }
    }
}
