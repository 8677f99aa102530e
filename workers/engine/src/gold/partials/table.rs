//! [`TablePartials`]: the groups of one table in an open epoch.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, ListArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array,
};
use arrow::buffer::{BooleanBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::Field;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::{Batch, Values, both};
use crate::deduplication::KeyHasher;
use crate::gold::cells::{Cell, Cells};
use crate::gold::pairs::{PairNumbers, PairSet};
use crate::gold::plan::{Aggregate, GoldPlan, GoldTable, Numbered};

/// The groups of one table in an open epoch: their cells, keys and states.
pub(super) struct TablePartials {
    cells: Cells,
    groups: Groups,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// For each distinct count: pairs of a group and the number of a value.
    values: Vec<PairSet>,
}

/// What an epoch leaves of a table.
#[derive(Debug)]
pub(super) struct Closed {
    /// The cell of each group.
    pub(super) cells: Vec<Cell>,
    /// The hash of each group's keys.
    pub(super) key_hashes: Vec<u128>,
    pub(super) keys: Vec<ArrayRef>,
    /// The states of all aggregates, in order.
    pub(super) states: Vec<ArrayRef>,
    /// For each distinct count: the numbers of each group's values.
    pub(super) values: Vec<ListArray>,
}

impl fmt::Debug for TablePartials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TablePartials({} groups)", self.groups.len())
    }
}

impl TablePartials {
    pub(super) fn new(table: &GoldTable) -> Self {
        Self {
            cells: Cells::new(table.windows),
            groups: Groups::new(table.keys.len()),
            accumulators: table.aggregates.iter().map(accumulator).collect(),
            values: table.distinct_counts.iter().map(|_| PairSet::default()).collect(),
        }
    }

    /// Adds rows; gives those that came too late for some windows.
    pub(super) fn add(
        &mut self,
        plan: &GoldPlan,
        table: &GoldTable,
        batch: &Batch,
        times: &TimestampMicrosecondArray,
        watermarks_us: &[i64],
    ) -> Vec<(usize, Cell)> {
        let assigned = self.cells.assign(times, watermarks_us);
        let included = assigned.included.as_ref();
        let keys: Vec<&[usize]> = table.keys.iter().map(|&key| batch.numbers[key].as_slice()).collect();
        let groups = self.groups.number(assigned.cells, &keys, included);
        if self.groups.len() > 0 {
            self.accumulate(table, batch, &groups, included);
            self.count_values(&plan.numbered, table, batch, &groups, included);
        }
        assigned.late
    }

    /// The rows that came too late for some windows. Call it between epochs: it forgets all cells.
    pub(super) fn late(
        &mut self,
        times: &TimestampMicrosecondArray,
        watermarks_us: &[i64],
    ) -> Vec<(usize, Cell)> {
        let late = self.cells.assign(times, watermarks_us).late;
        self.cells.clear();
        late
    }

    fn accumulate(
        &mut self,
        table: &GoldTable,
        batch: &Batch,
        groups: &[usize],
        included: Option<&BooleanBuffer>,
    ) {
        for (aggregate, accumulator) in table.aggregates.iter().zip(&mut self.accumulators) {
            let condition = aggregate.filter.map(|filter| &batch.conditions[&filter]);
            let counted: Option<BooleanArray> = both(included, condition);
            let arguments = aggregate.arguments.iter();
            let arguments: Vec<ArrayRef> =
                arguments.map(|&argument| Arc::clone(&batch.inputs[argument])).collect();
            accumulator
                .update_batch(&arguments, groups, counted.as_ref(), self.groups.len())
                .expect("the arguments are of the types that the aggregate was planned with");
        }
    }

    fn count_values(
        &mut self,
        numbered: &[Numbered],
        table: &GoldTable,
        batch: &Batch,
        groups: &[usize],
        included: Option<&BooleanBuffer>,
    ) {
        for (count, set) in table.distinct_counts.iter().zip(&mut self.values) {
            let condition = count.filter.map(|filter| &batch.conditions[&filter]);
            let counted = both(included, condition);
            let input = &batch.inputs[numbered[count.values].input];
            let nulls = input.logical_nulls();
            let numbers = &batch.numbers[count.values];
            let is_counted = |row: usize| {
                counted.as_ref().is_none_or(|counted| counted.value(row))
                    && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
            };
            let rows = groups.iter().copied().zip(numbers.iter().copied());
            if counted.is_none() && nulls.as_ref().is_none_or(|nulls| nulls.null_count() == 0) {
                set.extend(rows);
            } else {
                set.extend(rows.enumerate().filter(|(row, _)| is_counted(*row)).map(|(_, pair)| pair));
            }
        }
    }

    /// Takes everything out; `None` if there are no groups.
    pub(super) fn close(&mut self, table: &GoldTable, values: &[Values]) -> Option<Closed> {
        let groups = self.groups.take();
        let cells: Vec<Cell> = groups.cells.iter().map(|&cell| self.cells.cell(cell as usize)).collect();
        self.cells.clear();
        if cells.is_empty() {
            return None;
        }
        let mut states = Vec::new();
        for (aggregate, accumulator) in table.aggregates.iter().zip(&mut self.accumulators) {
            states.extend(accumulator.state(EmitTo::All).expect("an aggregate that was planned has states"));
            *accumulator = self::accumulator(aggregate);
        }
        let mut key_hashes = vec![0; cells.len()];
        let mut keys: Vec<ArrayRef> = Vec::with_capacity(table.keys.len());
        for (&key, numbers) in table.keys.iter().zip(groups.keys) {
            let Values { column, hashes } = &values[key];
            for (hash, &number) in key_hashes.iter_mut().zip(&numbers) {
                *hash = with_next_key(*hash, hashes[number as usize]);
            }
            let numbers = UInt32Array::from(numbers);
            keys.push(take(column, &numbers, None).expect("the numbers are those of values"));
        }
        let lists = table.distinct_counts.iter().zip(&mut self.values);
        let lists =
            lists.map(|(count, set)| lists_of(&set.take(), cells.len(), values[count.values].hashes.len()));
        Some(Closed { key_hashes, values: lists.collect(), cells, keys, states })
    }
}

/// The hash of some keys and one more. The hashes of values are random in all bits, and so are their sums with odd
/// factors: two lists of keys are as unlikely to collide as two values.
fn with_next_key(keys: u128, next: u128) -> u128 {
    /// 2¹²⁸ divided by the golden ratio, which is odd.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    keys.wrapping_mul(FACTOR).wrapping_add(next)
}

/// The hash of the keys of each of so many rows.
pub(crate) fn key_hashes(keys: &[ArrayRef], rows: usize, hasher: &KeyHasher) -> Vec<u128> {
    let mut hashes = vec![0; rows];
    for key in keys {
        for (hash, next) in hashes.iter_mut().zip(hasher.hash_values(key)) {
            *hash = with_next_key(*hash, next);
        }
    }
    hashes
}

/// A fresh accumulator of an aggregate.
fn accumulator(aggregate: &Aggregate) -> Box<dyn GroupsAccumulator> {
    aggregate.function.create_groups_accumulator().expect("the plan checked that there is one")
}

/// The groups: numbered (cell, keys...), one key after the other.
#[derive(Debug)]
struct Groups {
    /// For each key, numbers of (what comes before it, its value).
    levels: Vec<PairNumbers>,
    /// Without keys: the group of each cell.
    of_cells: PairNumbers,
    /// The cell of each group.
    cells: Vec<u32>,
    /// The numbers of each group's keys, a list for each key.
    keys: Vec<Vec<u32>>,
}

impl Groups {
    fn new(keys: usize) -> Self {
        Self {
            levels: (0..keys).map(|_| PairNumbers::default()).collect(),
            of_cells: PairNumbers::default(),
            cells: Vec::new(),
            keys: vec![Vec::new(); keys],
        }
    }

    fn len(&self) -> usize {
        self.cells.len()
    }

    /// Takes all groups out, and leaves room for as many.
    fn take(&mut self) -> Self {
        let empty = Self {
            levels: self.levels.iter().map(PairNumbers::fresh).collect(),
            of_cells: self.of_cells.fresh(),
            cells: Vec::with_capacity(self.cells.len()),
            keys: self.keys.iter().map(|numbers| Vec::with_capacity(numbers.len())).collect(),
        };
        std::mem::replace(self, empty)
    }

    /// The group of each row, given its cell and the numbers of its keys; 0 for rows that are not included.
    fn number(
        &mut self,
        cells: Vec<usize>,
        keys: &[&[usize]],
        included: Option<&BooleanBuffer>,
    ) -> Vec<usize> {
        let Self { levels, of_cells, cells: cells_of_groups, keys: keys_of_groups } = self;
        let mut groups = cells.clone();
        let add = |row: usize| {
            cells_of_groups.push(cells[row] as u32);
            for (list, numbers) in keys_of_groups.iter_mut().zip(keys) {
                list.push(numbers[row] as u32);
            }
        };
        if let (Some((last_level, levels)), Some((last_key, keys))) =
            (levels.split_last_mut(), keys.split_last())
        {
            for (level, numbers) in levels.iter_mut().zip(keys) {
                number_level(level, &mut groups, numbers, included, |_| {});
            }
            number_level(last_level, &mut groups, last_key, included, add);
        } else {
            let nothing = vec![0; cells.len()];
            number_level(of_cells, &mut groups, &nothing, included, add);
        }
        groups
    }
}

/// Replaces what comes before a key by the number of both, for the rows that are included.
fn number_level(
    level: &mut PairNumbers,
    groups: &mut [usize],
    numbers: &[usize],
    included: Option<&BooleanBuffer>,
    mut new: impl FnMut(usize),
) {
    let Some(included) = included else { return level.number_all(groups, numbers, new) };
    for row in included.set_indices() {
        let (number, is_new) = level.number(groups[row], numbers[row]);
        groups[row] = number;
        if is_new {
            new(row);
        }
    }
}

/// The second numbers of the pairs, a list for each first number, in the smallest integers that hold them.
fn lists_of(pairs: &PairSet, groups: usize, values: usize) -> ListArray {
    let mut ends = vec![0_u32; groups];
    for (group, _) in pairs.iter() {
        ends[group] += 1;
    }
    let lengths: Vec<usize> = ends.iter().map(|&length| length as usize).collect();
    let mut start = 0;
    for end in &mut ends {
        (*end, start) = (start, start + *end);
    }
    let mut numbers = vec![0_u32; pairs.len()];
    for (group, number) in pairs.iter() {
        let place = &mut ends[group];
        numbers[*place as usize] = number;
        *place += 1;
    }
    let numbers: ArrayRef = if values <= 1 << u8::BITS {
        Arc::new(UInt8Array::from_iter_values(numbers.into_iter().map(|number| number as u8)))
    } else if values <= 1 << u16::BITS {
        Arc::new(UInt16Array::from_iter_values(numbers.into_iter().map(|number| number as u16)))
    } else {
        Arc::new(UInt32Array::from(numbers))
    };
    let item = Arc::new(Field::new("item", numbers.data_type().clone(), false));
    ListArray::new(item, OffsetBuffer::from_lengths(lengths), numbers, None)
}
