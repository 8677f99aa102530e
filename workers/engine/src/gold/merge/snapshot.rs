//! Snapshots: all that the merge knows, in one file.
//!
//! ```text
//! section 1   how far event time has come: watermark i64 | (partition i32 | watermark i64 | flags u8)*
//! section 2   a table's spilled blocks: batch: number i64 | generation u64 | epoch u64
//! section 3   a block: batch of its groups: key hash, 16 bytes | keys...
//! section 4   values of a distinct count of the block before, in the order of the table: entries of 16 bytes
//! section 5   a window of the block before: batch of its rows: group | revision | updated at | touched | counts...
//! section 6   the buckets of the window before: (number u32 | of u32 | changed u32 | n u32 | (number u32 | of u32)*n)*
//! section 7   merged states of the window before: batch: row | states...
//! section 8   states of the window before that wait: the same
//! section 9   blocks of a table that are to be computed again: batch: from i64 | until i64
//! section 10  what ingest has given of the partitions that have told: (partition i32 | next offset i64)*
//! ```
//! Flags of a partition: 1, it is idle; 2, it is read to its end, which format 1 does not tell and thereby denies.
//!
//! What waits is kept as it is: when states are merged decides the last bits of some results, and a restart must
//! give the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt32Type};
use snafu::ensure;

use super::block::{Block, windows_of_a_block};
use super::buckets::{Bucket, Buckets, Part};
use super::columns::{batch, has_types};
use super::finality::Standing;
use super::hashes::Hashes;
use super::states::{Pending, States};
use super::window::Window;
use super::{Merge, Table, absent};
use crate::gold::partials::{column_hashes, hash_column};
use crate::gold::plan::{GoldPlan, GoldTable};
use crate::gold::sections::{self, Section, Writer};
use crate::state::frame::{Frame, StateError, TableSnafu};

/// The format that this build writes.
const MERGE_FORMAT_VERSION: u32 = 2;
pub(super) const FRAME: Frame = Frame { magic: "SLUICEMG", newest: MERGE_FORMAT_VERSION };

const KIND_PROGRESS: u16 = 1;
const KIND_SPILLED: u16 = 2;
const KIND_BLOCK: u16 = 3;
const KIND_VALUES: u16 = 4;
const KIND_WINDOW: u16 = 5;
const KIND_BUCKETS: u16 = 6;
const KIND_MERGED: u16 = 7;
const KIND_PENDING: u16 = 8;
const KIND_LOST: u16 = 9;
const KIND_POSITIONS: u16 = 10;

/// Flag of a partition: it is idle.
const IDLE: u8 = 1;
/// Flag of a partition: it is read to its end.
const CAUGHT_UP: u8 = 2;

/// Metadata: name of the table.
const TABLE: &str = "table";
/// Metadata: number of a window.
const WINDOW: &str = "window";
/// Metadata: whether a window was published as final.
const IS_FINAL: &str = "is_final";
/// Columns of a window's rows before the counts.
const ROW_COLUMNS: usize = 4;

impl Merge {
    /// The file that [`Self::restore`] reads, as a whole.
    pub fn snapshot(&self) -> Vec<u8> {
        sections::whole(|take| self.clone().write_snapshot(take))
    }

    /// Gives the file that [`Self::restore`] reads, in pieces that follow each other. Windows of which this is the last
    /// copy leave memory as they are written.
    pub fn write_snapshot(self, take: &mut dyn FnMut(Vec<u8>)) {
        let mut file = Writer::new(FRAME, take);
        file.push(KIND_PROGRESS, |bytes| {
            bytes.extend_from_slice(&self.finality.watermark_us().to_le_bytes());
            for (partition, standing) in self.finality.partitions() {
                bytes.extend_from_slice(&partition.to_le_bytes());
                bytes.extend_from_slice(&standing.watermark_us.to_le_bytes());
                let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
                bytes.push(flag(standing.idle, IDLE) | flag(standing.caught_up, CAUGHT_UP));
            }
        });
        let positions = self.positions();
        if !positions.is_empty() {
            file.push(KIND_POSITIONS, |bytes| absent::write_positions(&positions, bytes));
        }
        for (plan, table) in self.plan.tables.iter().zip(self.tables) {
            if !table.spilled.is_empty() {
                let spilled = absent::spilled_columns(&table.spilled);
                file.push_batch(KIND_SPILLED, &batch(spilled, [(TABLE, plan.table.name.clone())]));
            }
            if !table.lost.is_empty() {
                file.push_batch(
                    KIND_LOST,
                    &batch(absent::lost_columns(&table.lost), [(TABLE, plan.table.name.clone())]),
                );
            }
            for block in table.blocks.into_values() {
                write_block(&mut file, plan, &block);
            }
        }
        file.finish();
    }

    /// Checks a snapshot, or a file of spilled windows, as a whole.
    pub fn check(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        FRAME.check(pieces)
    }

    /// Takes the place of all state: the pieces of a snapshot that has been [checked](Self::check). On an error nothing
    /// changes.
    pub fn restore(&mut self, pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        let (tables, finality) = Restored::of(&self.plan, pieces)?;
        self.tables = tables;
        if let Some((watermark_us, partitions)) = finality {
            self.finality.restore(watermark_us, partitions);
        }
        Ok(())
    }
}

/// Writes the sections of a block.
pub(super) fn write_block(file: &mut Writer<'_>, plan: &GoldTable, block: &Block) {
    let mut groups: Vec<ArrayRef> = vec![Arc::new(hash_column(&block.hashes))];
    groups.extend(block.all_keys());
    let metadata = [(TABLE, plan.table.name.clone()), (WINDOW, block.first.to_string())];
    file.push_batch(KIND_BLOCK, &batch(groups, metadata));
    for values in &block.values {
        file.push_hashes(KIND_VALUES, values.len(), values.entries());
    }
    for (number, window) in block.windows() {
        write_window(file, number, window);
    }
}

fn write_window(file: &mut Writer<'_>, number: i64, window: &Window) {
    let mut rows: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(window.groups.clone())),
        Arc::new(Int32Array::from(window.revisions.clone())),
        Arc::new(Int64Array::from(window.updated_at_us.clone())),
        Arc::new(BooleanArray::from(window.is_touched.clone())),
    ];
    let counts = window.distinct_counts.iter();
    rows.extend(counts.map(|counts| Arc::new(Int64Array::from(counts.clone())) as ArrayRef));
    let metadata = [(WINDOW, number.to_string()), (IS_FINAL, window.is_final.to_string())];
    file.push_batch(KIND_WINDOW, &batch(rows, metadata));
    file.push(KIND_BUCKETS, |bytes| {
        for Bucket { part, is_changed, replaces, .. } in window.buckets.all() {
            let head = [part.number, part.of, u32::from(*is_changed), replaces.len() as u32];
            let words = head.into_iter().chain(replaces.iter().flat_map(|part| [part.number, part.of]));
            words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
    });
    let (merged, merged_rows, pending) = window.states.parts();
    let states = |rows: UInt32Array, states: &[ArrayRef]| {
        let rows: ArrayRef = Arc::new(rows);
        batch(std::iter::once(rows).chain(states.iter().cloned()).collect(), [])
    };
    if merged_rows > 0 {
        let rows = UInt32Array::from_iter_values(0..merged_rows as u32);
        file.push_batch(KIND_MERGED, &states(rows, merged));
    }
    for pending in pending {
        let rows = UInt32Array::from(pending.rows.clone());
        file.push_batch(KIND_PENDING, &states(rows, &pending.states));
    }
}

/// How far event time has come, and where each partition stands.
type Progress = (i64, BTreeMap<i32, Standing>);

/// State in the making, section by section.
pub(super) struct Restored<'a> {
    plan: &'a GoldPlan,
    tables: Vec<Table>,
    finality: Option<Progress>,
    /// The block that sections belong to; `None`: one of a table that the configuration no longer has.
    current: Option<Current>,
}

struct Current {
    table: usize,
    block: Block,
    /// Number of sections of values so far.
    values: usize,
    /// The place of the window that sections belong to.
    window: usize,
    merged: (Vec<ArrayRef>, usize),
    pending: Vec<Pending>,
}

impl<'a> Restored<'a> {
    /// What the pieces of a file tell.
    pub(super) fn of(
        plan: &'a GoldPlan,
        pieces: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<(Vec<Table>, Option<Progress>), StateError> {
        let mut restored = Self::new(plan);
        sections::visit(pieces, |section| restored.read(section))?;
        Ok(restored.finish())
    }

    fn new(plan: &'a GoldPlan) -> Self {
        Self { plan, tables: vec![Table::default(); plan.tables.len()], finality: None, current: None }
    }

    fn finish(mut self) -> (Vec<Table>, Option<Progress>) {
        self.end_block();
        (self.tables, self.finality)
    }

    fn read(&mut self, section: &Section<'_>) -> Result<(), StateError> {
        match section.kind {
            KIND_PROGRESS => self.progress(section)?,
            KIND_SPILLED => {
                let batch = section.batch()?;
                if let Some(table) = self.table_of(&batch) {
                    self.tables[table].spilled = absent::spilled(&batch, section)?;
                }
            }
            KIND_POSITIONS => {
                let Some((_, standings)) = &mut self.finality else { return Ok(()) };
                for (partition, next_offset) in absent::positions(section)? {
                    if let Some(standing) = standings.get_mut(&partition) {
                        standing.next_offset = Some(next_offset);
                    }
                }
            }
            KIND_LOST => {
                let batch = section.batch()?;
                if let Some(table) = self.table_of(&batch) {
                    self.tables[table].lost = absent::lost(&batch, section)?;
                }
            }
            KIND_BLOCK => self.block(section)?,
            KIND_VALUES | KIND_WINDOW | KIND_BUCKETS | KIND_MERGED | KIND_PENDING => {
                let Some(current) = &mut self.current else { return Ok(()) };
                current.read(section, &self.plan.tables[current.table])?;
            }
            _ => return Err(section.problem("is of a kind that this worker does not know")),
        }
        Ok(())
    }

    fn table_of(&self, batch: &RecordBatch) -> Option<usize> {
        let schema = batch.schema();
        let name = schema.metadata().get(TABLE)?;
        self.plan.tables.iter().position(|table| table.table.name == *name)
    }

    fn progress(&mut self, section: &Section<'_>) -> Result<(), StateError> {
        const STANDING_BYTES: usize = 13;
        let cut = || section.problem("holds part of a watermark");
        let (watermark, rest) = section.content.split_first_chunk::<8>().ok_or_else(cut)?;
        section.ensure_whole(rest.len(), STANDING_BYTES)?;
        let standings = rest.chunks_exact(STANDING_BYTES).map(|standing| {
            let (partition, rest) = standing.split_first_chunk::<4>().ok_or_else(cut)?;
            let (watermark, flags) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
            let &[flags] = flags else { return Err(cut()) };
            let standing = Standing {
                watermark_us: i64::from_le_bytes(*watermark),
                idle: flags & IDLE != 0,
                caught_up: flags & CAUGHT_UP != 0,
                next_offset: None,
            };
            Ok((i32::from_le_bytes(*partition), standing))
        });
        let standings = standings.collect::<Result<_, StateError>>()?;
        self.finality = Some((i64::from_le_bytes(*watermark), standings));
        Ok(())
    }

    fn block(&mut self, section: &Section<'_>) -> Result<(), StateError> {
        self.end_block();
        let batch = section.batch()?;
        let Some(table) = self.table_of(&batch) else { return Ok(()) };
        let plan = &self.plan.tables[table];
        let keys = plan.keys.iter().map(|&key| &self.plan.inputs[self.plan.numbered[key].input]);
        let types: Vec<DataType> = keys.map(|key| key.data_type().clone()).collect();
        ensure!(
            has_types(&batch.columns()[1..], &types),
            TableSnafu { table: &plan.table.name, problem: "had other keys" }
        );
        let first = number_of(&batch, section)?;
        let windows = windows_of_a_block(&plan.windows);
        let mut block = Block::new(plan, first, windows);
        let hashes = column_hashes(batch.column(0).as_fixed_size_binary());
        block.restore_groups(hashes, batch.columns()[1..].to_vec());
        self.current = Some(Current {
            table,
            block,
            values: 0,
            window: 0,
            merged: (Vec::new(), 0),
            pending: Vec::new(),
        });
        Ok(())
    }

    fn end_block(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        current.end_window();
        let number = current.block.first.div_euclid(current.block.windows.len() as i64);
        self.tables[current.table].blocks.insert(number, Arc::new(current.block));
    }
}

impl Current {
    fn read(&mut self, section: &Section<'_>, plan: &GoldTable) -> Result<(), StateError> {
        let misfit = |problem| TableSnafu { table: plan.table.name.clone(), problem };
        match section.kind {
            KIND_VALUES => {
                ensure!(self.values < self.block.values.len(), misfit("had other distinct counts"));
                self.block.values[self.values] = Hashes::of(&section.hashes()?);
                self.values += 1;
            }
            KIND_WINDOW => {
                ensure!(self.values == self.block.values.len(), misfit("had other distinct counts"));
                self.window(section, plan)?;
            }
            KIND_BUCKETS => self.buckets(section)?,
            _ => {
                let batch = section.batch()?;
                let types: Vec<DataType> =
                    plan.aggregates.iter().flat_map(|aggregate| aggregate.state_types.clone()).collect();
                ensure!(has_types(&batch.columns()[1..], &types), misfit("had other measures"));
                let rows = batch.column(0).as_primitive::<UInt32Type>().values().to_vec();
                let states = batch.columns()[1..].to_vec();
                match section.kind {
                    KIND_MERGED => self.merged = (states, rows.len()),
                    _ => self.pending.push(Pending { rows, states }),
                }
            }
        }
        Ok(())
    }

    fn window(&mut self, section: &Section<'_>, plan: &GoldTable) -> Result<(), StateError> {
        self.end_window();
        let batch = section.batch()?;
        let place = usize::try_from(number_of(&batch, section)? - self.block.first).ok();
        let place = place.filter(|&place| place < self.block.windows.len());
        self.window = place.ok_or_else(|| section.problem("is a window of another block"))?;
        let counts = plan.distinct_counts.iter().map(|_| DataType::Int64);
        let types: Vec<DataType> = [DataType::UInt32, DataType::Int32, DataType::Int64, DataType::Boolean]
            .into_iter()
            .chain(counts)
            .collect();
        ensure!(
            has_types(batch.columns(), &types),
            TableSnafu { table: &plan.table.name, problem: "had other distinct counts" }
        );
        let mut window = Window::new(plan);
        for (row, &group) in batch.column(0).as_primitive::<UInt32Type>().values().iter().enumerate() {
            window.put(row as u32, group);
        }
        window.revisions = batch.column(1).as_primitive::<Int32Type>().values().to_vec();
        window.updated_at_us = batch.column(2).as_primitive::<Int64Type>().values().to_vec();
        window.is_touched = batch.column(3).as_boolean().values().iter().collect();
        window.has_drifted = window.is_touched.contains(&true);
        let counts = batch.columns()[ROW_COLUMNS..].iter();
        window.distinct_counts =
            counts.map(|counts| counts.as_primitive::<Int64Type>().values().to_vec()).collect();
        window.is_final = batch.schema().metadata().get(IS_FINAL).is_some_and(|is_final| is_final == "true");
        self.block.windows[self.window] = Some(window);
        Ok(())
    }

    fn buckets(&mut self, section: &Section<'_>) -> Result<(), StateError> {
        section.ensure_whole(section.content.len(), 4)?;
        let (words, _) = section.content.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut buckets = Vec::new();
        while let Some(number) = words.next() {
            let mut next = || words.next().ok_or_else(|| section.problem("holds part of a bucket"));
            let part = Part { number, of: next()? };
            let (is_changed, replaces) = (next()? == 1, next()?);
            let replaces = (0..replaces).map(|_| Ok(Part { number: next()?, of: next()? }));
            let replaces = replaces.collect::<Result<_, StateError>>()?;
            buckets.push(Bucket { part, rows: Vec::new(), is_changed, replaces });
        }
        let mut buckets = Buckets::restored(buckets);
        if let Some(window) = &mut self.block.windows[self.window] {
            for (row, &group) in window.groups.iter().enumerate() {
                buckets.restore_row(row as u32, self.block.hashes[group as usize]);
            }
            window.buckets = buckets;
        }
        Ok(())
    }

    /// Gives the current window its states.
    fn end_window(&mut self) {
        let (merged, rows) = std::mem::take(&mut self.merged);
        let pending = std::mem::take(&mut self.pending);
        if let Some(window) = &mut self.block.windows[self.window] {
            window.states = States::restored(merged, rows, pending);
        }
    }
}

fn number_of(batch: &RecordBatch, section: &Section<'_>) -> Result<i64, StateError> {
    let schema = batch.schema();
    let number = schema.metadata().get(WINDOW).and_then(|number| number.parse().ok());
    number.ok_or_else(|| section.problem("names no window"))
}

#[cfg(test)]
mod tests {
    use crate::fixture;

    use super::*;

    /// A file of a format version, which tells of partition 7 alone.
    fn file(version: u32, flags: u8) -> Vec<u8> {
        sections::whole(|take| {
            let mut file = Writer::new(Frame { newest: version, ..FRAME }, take);
            file.push(KIND_PROGRESS, |bytes| {
                bytes.extend_from_slice(&9_i64.to_le_bytes());
                bytes.extend_from_slice(&7_i32.to_le_bytes());
                bytes.extend_from_slice(&5_i64.to_le_bytes());
                bytes.push(flags);
            });
            file.finish();
        })
    }

    fn restored(file: &[u8]) -> Merge {
        let config = fixture::configuration_with_gold();
        let mut merge = Merge::new(&config, &fixture::schema()).expect("the example is valid");
        merge.restore([file]).expect("the file is whole");
        merge
    }

    #[test]
    fn a_snapshot_of_format_1_says_of_no_partition_that_it_is_read_to_its_end() {
        for idle in [false, true] {
            let merge = restored(&file(1, u8::from(idle)));
            let standing = Standing { watermark_us: 5, idle, caught_up: false, next_offset: None };
            assert_eq!(*merge.finality.partitions(), BTreeMap::from([(7, standing)]));
        }
    }

    #[test]
    fn a_snapshot_keeps_which_partitions_are_idle_and_which_are_read_to_their_ends() {
        for flags in 0..4 {
            assert_eq!(
                restored(&file(MERGE_FORMAT_VERSION, flags)).snapshot(),
                file(MERGE_FORMAT_VERSION, flags)
            );
        }
    }
}
