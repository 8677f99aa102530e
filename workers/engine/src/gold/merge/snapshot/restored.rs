//! [`Restored`]: what a snapshot, or a file of spilled windows, tells, section by section.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt32Type};
use snafu::ensure;

use super::super::block::{Block, windows_of_a_block};
use super::super::buckets::{Bucket, Buckets, Part};
use super::super::columns::has_types;
use super::super::finality::Standing;
use super::super::hashes::Hashes;
use super::super::states::{Pending, States};
use super::super::window::Window;
use super::super::{Table, absent};
use super::{
    CAUGHT_UP, IDLE, IS_FINAL, KIND_BLOCK, KIND_BUCKETS, KIND_LOST, KIND_MERGED, KIND_PENDING,
    KIND_POSITIONS, KIND_PROGRESS, KIND_SPILLED, KIND_VALUES, KIND_WINDOW, ROW_COLUMNS, TABLE, WINDOW,
};
use crate::gold::partials::column_hashes;
use crate::gold::plan::{GoldPlan, GoldTable};
use crate::gold::sections::{self, Section};
use crate::state::frame::{StateError, TableSnafu};

/// How far event time has come, and where each partition stands.
pub(super) type Progress = (i64, BTreeMap<i32, Standing>);

/// State in the making, section by section.
pub(in super::super) struct Restored<'a> {
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
    pub(in super::super) fn of(
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
