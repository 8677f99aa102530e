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
use super::{Bucket, Merge, Published, Table};
use crate::gold::plan::{GoldTable, MergedColumn};
use crate::silver::Selection;

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

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
            let mut windows = table.blocks.values().flat_map(Block::windows);
            windows.any(|(number, window)| {
                window.buckets.is_changed() || (number < first_open && !window.is_final)
            })
        });
        changed.map(|(place, _)| place).collect()
    }

    /// Publishes the changed buckets of tables: their rows, and the files that these replace.
    ///
    /// A replay passes the time of the original publication: rows keep the time at which they were last changed.
    pub fn publish(&mut self, tables: &[usize], updated_at_us: i64) -> Vec<Published> {
        let mut published = Vec::new();
        for &place in tables {
            let plan = &self.plan.tables[place];
            let first_open = plan.windows.first_open(self.finality.watermark_us());
            let Table { blocks, .. } = &mut self.tables[place];
            for block in blocks.values_mut() {
                for index in 0..block.windows.len() {
                    let Some(mut window) = block.windows[index].take() else { continue };
                    let number = block.first + index as i64;
                    let becomes_final = number < first_open && !window.is_final;
                    if becomes_final || window.buckets.is_changed() {
                        let was_final = window.is_final;
                        let changed = window.publish(becomes_final, updated_at_us);
                        let first = published.len();
                        publish_window((place, plan), block, number, &mut window, changed, &mut published);
                        if was_final {
                            published[first..]
                                .iter_mut()
                                .for_each(|bucket| bucket.count_corrected(updated_at_us));
                        }
                    }
                    block.windows[index] = Some(window);
                }
            }
        }
        published
    }
}

/// The changed buckets of one window. They are computed together, and cut apart at the end.
fn publish_window(
    (table, plan): (usize, &GoldTable),
    block: &mut Block,
    number: i64,
    window: &mut Window,
    changed: Vec<buckets::Bucket>,
    published: &mut Vec<Published>,
) {
    let rows = UInt32Array::from_iter_values(changed.iter().flat_map(|bucket| bucket.rows.iter().copied()));
    let count = window.rows();
    window.states.merge(&plan.aggregates, count);
    let batch = if rows.is_empty() {
        RecordBatch::new_empty(Arc::clone(&plan.table.schema))
    } else {
        rows_of(plan, block, number, window, &rows)
    };
    let start_us = plan.windows.start_us(number);
    let mut first = 0;
    for bucket in changed {
        let length = bucket.rows.len();
        published.push(Published {
            table,
            bucket: Bucket::new(start_us, bucket.part),
            rows: batch.slice(first, length),
            replaces: bucket.replaces.into_iter().map(|part| Bucket::new(start_us, part)).collect(),
            corrected: 0,
        });
        first += length;
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
