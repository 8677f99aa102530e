//! Publication: the rows of the buckets that changed.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, RecordBatch, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::datatypes::TimestampMicrosecondType;

use super::block::Block;
use super::buckets::{self, Part};
use super::window::Window;
use super::{Bucket, Merge, Published};
use crate::gold::plan::{GoldTable, MergedColumn};
use crate::silver::Selection;

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
/// Rows of a window that are computed together, about: neither all of a large one, nor each small bucket alone.
const ROWS_AT_ONCE: usize = 1 << 16;

impl Bucket {
    fn new(window_start_us: i64, part: Part) -> Self {
        Self { window_start_us, number: part.number, of: part.of }
    }

    /// The UTC date of the window's start, in days since 1970: the value of the partition column.
    pub fn window_date(&self) -> i32 {
        self.window_start_us.div_euclid(MICROSECONDS_PER_DAY) as i32
    }
}

impl Published {
    /// Counts the rows that changed now, in a window that was final before.
    fn count_corrected(&mut self, updated_at_us: i64) {
        let last = self.rows.num_columns() - 1;
        let updated_at = self.rows.column(last).as_primitive::<TimestampMicrosecondType>();
        let changed = updated_at.values().iter().filter(|at| **at == updated_at_us);
        self.corrected = changed.count() as u64;
    }
}

impl Merge {
    /// The tables with something to publish, ascending: changed rows, or windows that have become final.
    pub fn changed(&self) -> Vec<usize> {
        let tables = self.plan.tables.iter().zip(&self.tables).enumerate();
        let changed = tables.filter(|(_, (plan, table))| {
            let first_open = plan.windows.first_open(self.finality.watermark_us());
            table.blocks.values().any(|block| is_changed(block, first_open))
        });
        changed.map(|(place, _)| place).collect()
    }

    /// Publishes the changed buckets of tables, one after the other: their rows, and the files that these replace.
    pub fn publish(&mut self, tables: &[usize], updated_at_us: i64, mut take: impl FnMut(Published)) {
        self.for_each_changed(tables, updated_at_us, |changed| changed.publish(updated_at_us, &mut take));
    }

    /// Comes to know what it knew after a publication that was made at a time. No row is computed.
    pub fn publish_again(&mut self, tables: &[usize], updated_at_us: i64) {
        self.for_each_changed(tables, updated_at_us, |_| ());
    }

    fn for_each_changed(
        &mut self,
        tables: &[usize],
        updated_at_us: i64,
        mut visit: impl FnMut(ChangedWindow<'_>),
    ) {
        for &table in tables {
            let plan = &self.plan.tables[table];
            let first_open = plan.windows.first_open(self.finality.watermark_us());
            let blocks = self.tables[table].blocks.values_mut();
            for block in blocks.filter(|block| is_changed(block, first_open)) {
                let block = Arc::make_mut(block);
                for index in 0..block.windows.len() {
                    let Some(mut window) = block.windows[index].take() else { continue };
                    let number = block.first + index as i64;
                    if is_changed_window(number, &window, first_open) {
                        let was_final = window.is_final;
                        let becomes_final = number < first_open && !was_final;
                        let buckets = window.publish(becomes_final, updated_at_us);
                        let count = window.rows();
                        window.states.merge(&plan.aggregates, count);
                        let window = &window;
                        visit(ChangedWindow { table, plan, block, number, window, buckets, was_final });
                    }
                    block.windows[index] = Some(window);
                }
            }
        }
    }
}

/// Whether a block has something to publish: changed rows, or windows that have become final.
fn is_changed(block: &Block, first_open: i64) -> bool {
    block.windows().any(|(number, window)| is_changed_window(number, window, first_open))
}

fn is_changed_window(number: i64, window: &Window, first_open: i64) -> bool {
    window.buckets.is_changed() || (number < first_open && !window.is_final)
}

/// A window that is published: its states are merged, and its rows have their revisions.
struct ChangedWindow<'a> {
    table: usize,
    plan: &'a GoldTable,
    block: &'a mut Block,
    number: i64,
    window: &'a Window,
    buckets: Vec<buckets::Bucket>,
    was_final: bool,
}

impl ChangedWindow<'_> {
    /// Computes the rows: of several buckets together, which are cut apart at the end.
    fn publish(mut self, updated_at_us: i64, take: &mut impl FnMut(Published)) {
        let mut buckets = std::mem::take(&mut self.buckets).into_iter().peekable();
        while buckets.peek().is_some() {
            let mut together = Vec::new();
            let mut count = 0;
            while let Some(bucket) = buckets.next_if(|_| count < ROWS_AT_ONCE) {
                count += bucket.rows.len();
                together.push(bucket);
            }
            self.publish_together(together, updated_at_us, take);
        }
    }

    fn publish_together(
        &mut self,
        buckets: Vec<buckets::Bucket>,
        updated_at_us: i64,
        take: &mut impl FnMut(Published),
    ) {
        let rows =
            UInt32Array::from_iter_values(buckets.iter().flat_map(|bucket| bucket.rows.iter().copied()));
        let batch = if rows.is_empty() {
            RecordBatch::new_empty(Arc::clone(&self.plan.table.schema))
        } else {
            rows_of(self.plan, self.block, self.number, self.window, &rows)
        };
        let start_us = self.plan.windows.start_us(self.number);
        let mut first = 0;
        for bucket in buckets {
            let length = bucket.rows.len();
            let mut published = Published {
                table: self.table,
                bucket: Bucket::new(start_us, bucket.part),
                rows: batch.slice(first, length),
                replaces: bucket.replaces.into_iter().map(|part| Bucket::new(start_us, part)).collect(),
                corrected: 0,
            };
            if self.was_final {
                published.count_corrected(updated_at_us);
            }
            take(published);
            first += length;
        }
    }
}

/// Rows of a window as the table has them. Of its states nothing may wait.
pub(super) fn rows_of(
    plan: &GoldTable,
    block: &mut Block,
    number: i64,
    window: &Window,
    rows: &UInt32Array,
) -> RecordBatch {
    let groups = UInt32Array::from_iter_values(rows.values().iter().map(|&row| window.groups[row as usize]));
    let keys = block.keys_of(&groups);
    let merged = merged_columns(plan, keys.clone(), window, rows);
    let (start_us, end_us) = (plan.windows.start_us(number), plan.windows.end_us(number));
    let time = |time_us: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_value(time_us, rows.len()).with_timezone("UTC"))
    };
    let date = start_us.div_euclid(MICROSECONDS_PER_DAY) as i32;
    let of_rows = || rows.values().iter().map(|&row| row as usize);
    let revisions = Int32Array::from_iter_values(of_rows().map(|row| window.revisions[row]));
    let updated_at =
        TimestampMicrosecondArray::from_iter_values(of_rows().map(|row| window.updated_at_us[row]));

    let mut columns = vec![time(start_us), time(end_us)];
    columns.extend(keys);
    columns.extend(plan.measures.iter().map(|&slot| Arc::clone(&merged[slot])));
    columns.extend([
        Arc::new(Date32Array::from_value(date, rows.len())) as ArrayRef,
        Arc::new(revisions),
        Arc::new(BooleanArray::from(vec![window.is_final; rows.len()])),
        Arc::new(updated_at.with_timezone("UTC")),
    ]);
    let schema = Arc::clone(&plan.table.schema);
    RecordBatch::try_new(schema, columns).expect("the columns were planned with this schema")
}

/// The columns of merged rows by their slots: keys, aggregates, measures. A measure that fails on a row is null there.
fn merged_columns(
    plan: &GoldTable,
    keys: Vec<ArrayRef>,
    window: &Window,
    rows: &UInt32Array,
) -> Vec<ArrayRef> {
    let aggregates = window.states.evaluate(&plan.aggregates, rows);
    let selection = Selection::all(rows.len());
    let mut columns = keys;
    for column in &plan.columns {
        let values = match column {
            MergedColumn::Aggregate(place) => Arc::clone(&aggregates[*place]),
            MergedColumn::DistinctCount(place) => window.counts_of(*place, rows),
            MergedColumn::Measure(expression) => expression.evaluate(&columns, &selection).values,
        };
        columns.push(values);
    }
    columns
}
