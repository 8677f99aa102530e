//! The file of an epoch's partial aggregates.
//!
//! ```text
//! section 1   hashes of the values of a numbered input, by their numbers
//! section 2   a table's groups, as a batch:
//!             pane i64 | closed u32 | key hash, 16 bytes | keys... | states... | values...
//! ```
//! The values of a distinct count are lists of places in a section of hashes, whose number is in the metadata of
//! their column. Tables go by name, so a file can be read after tables were added or removed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, Int64Array, ListArray, RecordBatch, UInt32Array,
};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt32Type};
use snafu::ensure;

use super::Values;
use super::table::Closed;
use crate::gold::cells::Cell;
use crate::gold::plan::{GoldPlan, GoldTable};
use crate::gold::sections::{self, Writer};
use crate::state::frame::{Frame, StateError, TableSnafu};

/// The format that this build writes.
const PARTIAL_AGGREGATES_FORMAT_VERSION: u32 = 1;
const FRAME: Frame = Frame { magic: "SLUICEPA", newest: PARTIAL_AGGREGATES_FORMAT_VERSION };
const KIND_HASHES: u16 = 1;
const KIND_TABLE: u16 = 2;
/// Metadata of a table's schema: its name.
const TABLE: &str = "table";
/// Metadata of a column of values: the number of the section of their hashes.
const HASHES: &str = "hashes";
/// Columns before the keys.
const PANE_CLOSED_HASH: usize = 3;

/// The file of an epoch.
pub(super) fn write(plan: &GoldPlan, values: &[Values], tables: Vec<Option<Closed>>) -> Vec<u8> {
    sections::whole(|take| write_sections(Writer::new(FRAME, take), plan, values, tables))
}

fn write_sections(mut file: Writer<'_>, plan: &GoldPlan, values: &[Values], tables: Vec<Option<Closed>>) {
    let mut section_of = vec![None; plan.numbered.len()];
    let counted = plan.numbered.iter().enumerate().filter(|(_, numbered)| numbered.is_counted);
    for (section, (place, _)) in counted.enumerate() {
        let hashes = &values[place].hashes;
        file.push_hashes(KIND_HASHES, hashes.len(), hashes.iter().copied());
        section_of[place] = Some(section);
    }
    for (table, closed) in plan.tables.iter().zip(tables) {
        if let Some(closed) = closed {
            file.push_batch(KIND_TABLE, &batch(table, closed, &section_of));
        }
    }
    file.finish();
}

fn batch(table: &GoldTable, closed: Closed, section_of: &[Option<usize>]) -> RecordBatch {
    let field = |name: &str, column: &dyn Array| Field::new(name, column.data_type().clone(), true);
    let panes = Int64Array::from_iter_values(closed.cells.iter().map(|cell| cell.pane));
    let counts = UInt32Array::from_iter_values(closed.cells.iter().map(|cell| cell.closed));
    let hashes = hash_column(&closed.key_hashes);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(panes), Arc::new(counts), Arc::new(hashes)];
    columns.extend(closed.keys);
    columns.extend(closed.states);
    let mut fields: Vec<Field> = columns.iter().map(|column| field("", column)).collect();
    for (count, lists) in table.distinct_counts.iter().zip(closed.values) {
        let section = section_of[count.values].expect("what is counted has hashes");
        let metadata = HashMap::from([(HASHES.to_owned(), section.to_string())]);
        fields.push(field("", &lists).with_metadata(metadata));
        columns.push(Arc::new(lists));
    }
    let metadata = HashMap::from([(TABLE.to_owned(), table.table.name.clone())]);
    let schema = Schema::new_with_metadata(fields, metadata);
    RecordBatch::try_new(Arc::new(schema), columns).expect("all columns have a row for each group")
}

/// Hashes as a column.
pub(crate) fn hash_column(hashes: &[u128]) -> FixedSizeBinaryArray {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None)
}

/// What [`hash_column`] made a column of.
pub(crate) fn column_hashes(column: &FixedSizeBinaryArray) -> Vec<u128> {
    let (hashes, _) = column.value_data().as_chunks::<16>();
    hashes.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect()
}

/// The groups of one table in a file.
#[derive(Debug)]
pub(crate) struct TableRows {
    /// Place of the table in the plan.
    pub(crate) table: usize,
    /// The cell of each group.
    pub(crate) cells: Vec<Cell>,
    pub(crate) key_hashes: Vec<u128>,
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) states: Vec<ArrayRef>,
    pub(crate) values: Vec<GroupValues>,
}

/// The values of a distinct count.
#[derive(Clone, Debug)]
pub(crate) struct GroupValues {
    /// The hashes of all values of the column.
    hashes: Arc<Vec<u128>>,
    /// For each group, places in `hashes`.
    places: ListArray,
}

impl GroupValues {
    /// The hashes of a group's values.
    pub(crate) fn of(&self, group: usize) -> impl Iterator<Item = u128> {
        let range = self.places.value_offsets();
        let places = self.places.values().as_primitive::<UInt32Type>().values();
        let places = &places[range[group] as usize..range[group + 1] as usize];
        places.iter().map(|&place| self.hashes[place as usize])
    }
}

/// Checks a file as a whole and gives what it has of the tables of a plan.
pub(crate) fn read(plan: &GoldPlan, file: &[u8]) -> Result<Vec<TableRows>, StateError> {
    let mut hashes: Vec<Arc<Vec<u128>>> = Vec::new();
    let mut tables = Vec::new();
    for section in sections::read(FRAME, file)? {
        match section.kind {
            KIND_HASHES => hashes.push(Arc::new(section.hashes()?)),
            KIND_TABLE => {
                let batch = section.batch()?;
                let schema = batch.schema();
                let name = schema.metadata().get(TABLE).ok_or_else(|| section.problem("names no table"))?;
                // A table that the configuration no longer has is nobody's.
                if let Some(table) = plan.tables.iter().position(|table| table.table.name == *name) {
                    tables.push(rows(plan, table, &batch, &hashes)?);
                }
            }
            _ => return Err(section.problem("is of a kind that this worker does not know")),
        }
    }
    Ok(tables)
}

fn rows(
    plan: &GoldPlan,
    place: usize,
    batch: &RecordBatch,
    hashes: &[Arc<Vec<u128>>],
) -> Result<TableRows, StateError> {
    let table = &plan.tables[place];
    let name = || table.table.name.clone();
    let keys = table.keys.iter().map(|&key| plan.inputs[plan.numbered[key].input].data_type().clone());
    let states = table.aggregates.iter().flat_map(|aggregate| aggregate.state_types.clone());
    let expected: Vec<DataType> = [DataType::Int64, DataType::UInt32, DataType::FixedSizeBinary(16)]
        .into_iter()
        .chain(keys)
        .chain(states)
        .collect();
    let found: Vec<DataType> =
        batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let is_as_planned = found.len() == expected.len() + table.distinct_counts.len()
        && found.iter().zip(&expected).all(|(found, expected)| found.equals_datatype(expected));
    ensure!(is_as_planned, TableSnafu { table: name(), problem: "had other keys or measures" });

    let columns = batch.columns();
    let (panes, closed) = (columns[0].as_primitive::<Int64Type>(), columns[1].as_primitive::<UInt32Type>());
    let cells = panes.values().iter().zip(closed.values());
    let cells: Vec<Cell> = cells.map(|(&pane, &closed)| Cell { pane, closed }).collect();
    let is_possible = cells.iter().all(|cell| cell.closed < table.windows.per_pane());
    ensure!(is_possible, TableSnafu { table: name(), problem: "had other windows" });
    let (keys, rest) = columns[PANE_CLOSED_HASH..].split_at(table.keys.len());
    let (states, lists) = rest.split_at(rest.len() - table.distinct_counts.len());
    let schema = batch.schema();
    let fields = schema.fields().iter().skip(expected.len());
    let values = fields.zip(lists).map(|(field, lists)| {
        let section = field.metadata().get(HASHES).and_then(|section| section.parse::<usize>().ok());
        let hashes = section.and_then(|section| hashes.get(section));
        let values = hashes.and_then(|hashes| group_values(hashes, lists));
        values.ok_or_else(|| TableSnafu { table: name(), problem: "has values without hashes" }.build())
    });
    Ok(TableRows {
        table: place,
        cells,
        key_hashes: column_hashes(columns[2].as_fixed_size_binary()),
        values: values.collect::<Result<_, _>>()?,
        keys: keys.to_vec(),
        states: states.to_vec(),
    })
}

/// The values of a column of lists; `None` if it is none, or if a place is not in the hashes.
fn group_values(hashes: &Arc<Vec<u128>>, lists: &ArrayRef) -> Option<GroupValues> {
    let lists = lists.as_list_opt::<i32>()?;
    if !lists.value_type().is_unsigned_integer() {
        return None;
    }
    let places = cast(lists.values(), &DataType::UInt32).ok()?;
    let numbers = places.as_primitive::<UInt32Type>().values();
    if numbers.iter().any(|&place| place as usize >= hashes.len()) {
        return None;
    }
    let item = Arc::new(Field::new("item", DataType::UInt32, false));
    let places = ListArray::try_new(item, lists.offsets().clone(), places, None).ok()?;
    Some(GroupValues { hashes: Arc::clone(hashes), places })
}
