//! [`Merge`]: the windows of all partitions together, and the rows that they publish.
//!
//! ```text
//!  epochs of the ingest chains, each in order
//!      │ partial aggregates                      │ where the partitions stand
//!      ▼                                         ▼
//!  table ──► block of windows ──► groups      the smallest watermark: what is final
//!              │     │              │
//!              │     └► window ──► rows: states, counts, revisions ──► buckets ──► files that replace others
//!              └► values: one entry for a value of a group, with a bit for each window
//! ```
//! The same folds and publications in the same order give the same state, the same rows and the same files: a
//! restart folds and publishes again what the manifests since its base say, and throws the rows away.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::PartitionProgress;
use sluice_decode::RowSchema;

use super::cells::Cell;
use super::partials::{self, TableRows};
use super::plan::{GoldPlan, GoldTable};
use super::ranges::Ranges;
use crate::plan::{Plan, PlanError};
use crate::state::StateError;
use crate::tables::TableSchema;

mod absent;
mod block;
mod buckets;
mod columns;
mod finality;
mod hashes;
mod publish;
mod recompute;
mod snapshot;
mod spill;
mod states;
mod window;

pub(super) use block::{Block, windows_of_a_block};
use finality::Finality;
pub use recompute::PublishedBefore;
pub use spill::{Leaving, SpilledAt, SpilledBlock};

/// The state of the merge. A clone is a frozen copy, for a snapshot in the background: it shares its windows until they
/// change.
///
/// A new or restarted process calls [`Merge::new`], [`Merge::restore`] with the newest base, if there is one, and
/// [`Merge::expect`] with the partitions of the topic. Then it folds epochs, each chain's in order, and publishes.
#[derive(Clone, Debug)]
pub struct Merge {
    plan: Arc<GoldPlan>,
    schemas: Vec<TableSchema>,
    tables: Vec<Table>,
    finality: Finality,
}

/// The windows of one table.
#[derive(Clone, Debug, Default)]
struct Table {
    /// By the first window divided by the number of windows of a block.
    blocks: BTreeMap<i64, Arc<Block>>,
    /// The numbers of blocks that were taken out of memory, and when.
    spilled: BTreeMap<i64, SpilledAt>,
    /// The numbers of blocks that are to be computed again from silver. Nothing else is known of them.
    lost: Ranges,
}

/// What became of an epoch.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It is in the windows.
    Done,
    /// Nothing of it is: it corrects windows that were taken out of memory. [`Merge::load_spilled`] brings them back,
    /// and then it can be folded.
    Missing(Vec<SpilledBlock>),
}

/// A part of the rows of a window, by the hashes of their keys: what one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// The first moment of the window, in microseconds.
    pub window_start_us: i64,
    /// Which of the equal parts of all hashes, from 0.
    pub number: u32,
    /// How many parts there would be if all were of this size: 1, 2, 4, ... Parts of one window may differ.
    pub of: u32,
}

/// A bucket that changed, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Place of the table in [`Merge::table_schemas`].
    pub table: usize,
    /// The bucket.
    pub bucket: Bucket,
    /// All its rows, with the table's schema.
    pub rows: RecordBatch,
    /// Buckets published before whose files go with this publication: itself, or one that was split. Each is named
    /// once, so all buckets of a publication become visible together.
    pub replaces: Vec<Bucket>,
    /// How many of its rows changed though they were final before.
    pub corrected: u64,
}

/// How large the state of the merge is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeSize {
    /// Windows in memory, of all tables.
    pub open_windows: u64,
    /// Rows of these windows.
    pub groups: u64,
    /// Bytes of main memory, about.
    pub bytes: u64,
    /// Files of windows that were taken out of memory.
    pub spilled: u64,
}

impl Merge {
    /// Compiles a configuration, or tells everything that is wrong with it.
    pub fn new(config: &WorkerConfig, schema: &RowSchema) -> Result<Self, Vec<PlanError>> {
        let plan = Plan::compile(config, schema)?.gold;
        Ok(Self {
            schemas: plan.tables.iter().map(|table| table.table.clone()).collect(),
            tables: vec![Table::default(); plan.tables.len()],
            finality: Finality::new(&config.source.event_time),
            plan: Arc::new(plan),
        })
    }

    /// The windowed tables, in the order of the configuration.
    pub fn table_schemas(&self) -> &[TableSchema] {
        &self.schemas
    }

    /// Names partitions of the topic. One that no epoch has told of holds back what is final: without it, the first
    /// shard to be folded would decide alone.
    pub fn expect(&mut self, partitions: impl IntoIterator<Item = i32>) {
        self.finality.expect(partitions);
    }

    /// Folds one epoch of one ingest chain: its partial aggregates, if any, and where its partitions stand after it.
    ///
    /// On an error nothing was folded.
    pub fn fold(
        &mut self,
        partial_aggregates: Option<&[u8]>,
        partitions: &BTreeMap<i32, PartitionProgress>,
    ) -> Result<Folded, StateError> {
        let epoch = match partial_aggregates {
            Some(file) => partials::read(&self.plan, file)?,
            None => Vec::new(),
        };
        let missing = self.missing(&epoch);
        if !missing.is_empty() {
            return Ok(Folded::Missing(missing));
        }
        for rows in epoch {
            self.fold_table(&rows);
        }
        self.finality.observe(partitions);
        Ok(Folded::Done)
    }

    fn fold_table(&mut self, partials: &TableRows) {
        let plan = &self.plan.tables[partials.table];
        let Table { blocks, lost, .. } = &mut self.tables[partials.table];
        fold_blocks(plan, blocks, partials, |number| !lost.contains(number));
    }

    /// The partitions that windows do not wait for although they are not idle: read to their ends, they trail the
    /// median by more than `stalledAfter`. One without a silver row is not named: if none comes, it is idle soon.
    pub fn stalled_partitions(&self) -> Vec<i32> {
        self.finality.stalled_partitions()
    }

    /// How large the state is.
    pub fn size(&self) -> MergeSize {
        let blocks = || self.tables.iter().flat_map(|table| table.blocks.values());
        MergeSize {
            open_windows: blocks().map(|block| block.windows().count() as u64).sum(),
            groups: blocks().flat_map(|block| block.windows()).map(|(_, window)| window.rows() as u64).sum(),
            bytes: blocks().map(|block| block.bytes() as u64).sum(),
            spilled: self.tables.iter().map(|table| table.spilled.len() as u64).sum(),
        }
    }
}

/// Folds rows of a table into those of its blocks that are wanted.
pub(super) fn fold_blocks(
    plan: &GoldTable,
    blocks: &mut BTreeMap<i64, Arc<Block>>,
    partials: &TableRows,
    is_wanted: impl Fn(i64) -> bool,
) {
    let windows = windows_of_a_block(&plan.windows);
    for (cell, rows) in rows_of_cells(&partials.cells) {
        let rows = UInt32Array::from(rows);
        for (number, set) in blocks_of(cell, plan.windows.first_of(cell.pane), windows) {
            if is_wanted(number) {
                let new = || Arc::new(Block::new(plan, number * windows, windows));
                Arc::make_mut(blocks.entry(number).or_insert_with(new)).fold(plan, partials, &rows, set);
            }
        }
    }
}

/// The rows of each cell, cells in the order in which they first come.
fn rows_of_cells(cells: &[Cell]) -> Vec<(Cell, Vec<u32>)> {
    let mut lists: Vec<(Cell, Vec<u32>)> = Vec::new();
    let mut last = 0;
    for (row, cell) in cells.iter().enumerate() {
        if lists.get(last).is_none_or(|(known, _)| known != cell) {
            last = lists.iter().position(|(known, _)| known == cell).unwrap_or_else(|| {
                lists.push((*cell, Vec::new()));
                lists.len() - 1
            });
        }
        lists[last].1.push(row as u32);
    }
    lists
}

/// The numbers of the blocks that have the windows of a cell, each with a bit for each of these windows.
fn blocks_of(cell: Cell, first_of_pane: i64, windows_of_a_block: i64) -> Vec<(i64, u16)> {
    let mut blocks: Vec<(i64, u16)> = Vec::new();
    for window in first_of_pane + i64::from(cell.closed)..=cell.pane {
        let number = window.div_euclid(windows_of_a_block);
        let bit = 1 << window.rem_euclid(windows_of_a_block);
        match blocks.last_mut() {
            Some((last, set)) if *last == number => *set |= bit,
            _ => blocks.push((number, bit)),
        }
    }
    blocks
}
