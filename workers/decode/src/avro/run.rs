//! [`Run`]: carries out a plan on one message.

use super::cursor::{Cursor, Malformed};
use super::plan::{Action, Plan, RecordPlan, Step, Symbol};
use super::skip::Skipper;
use super::writer::{NodeId, WriterSchema};
use crate::columns::Column;
use crate::duplicates::last_of_each;
use crate::fault::{Fault, clipped};
use crate::schema::{Decimal, TimestampUnit};
use crate::text_forms::{is_uuid, uuid_text};

/// What reading a value comes to. A value with a fault has been read to its end, and its column has
/// got some value in its place.
type Outcome = Result<Option<Fault>, Malformed>;

/// One message on its way into the columns.
pub(super) struct Run<'a> {
    writer: &'a WriterSchema,
    skipper: &'a mut Skipper,
    cursor: Cursor<'a>,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan, skipper: &'a mut Skipper, cursor: Cursor<'a>) -> Self {
        Self { writer: &plan.writer, skipper, cursor }
    }

    /// Number of bytes that follow what has been read.
    pub(super) fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    /// Reads the datum into the columns of the row.
    pub(super) fn row(&mut self, action: &Action, columns: &mut [Column]) -> Outcome {
        match action {
            Action::Record(plan) => self.record(plan, columns),
            Action::Union(branches) => {
                let branch = self.cursor.branch(branches.len())?;
                self.row(&branches[branch], columns)
            }
            Action::Unresolvable { node, problem } => {
                self.skip(*node)?;
                Ok(Some(Fault::wrong_type(problem)))
            }
            _ => unreachable!("a row is read from a record"),
        }
    }

    /// Reads a record: its first faulty field, in the reader's order.
    fn record(&mut self, plan: &RecordPlan, columns: &mut [Column]) -> Outcome {
        let mut first: Option<(usize, Fault)> = None;
        for step in &plan.steps {
            let (field, fault) = match step {
                Step::Read { field, action } => match self.value(action, &mut columns[*field])? {
                    None => continue,
                    Some(fault) => (*field, fault),
                },
                Step::Skip(node) => {
                    self.skip(*node)?;
                    continue;
                }
                Step::Default { field, value } => {
                    columns[*field].push_default(value);
                    continue;
                }
                Step::Missing { field, problem } => {
                    columns[*field].push_null();
                    (*field, Fault::missing(problem))
                }
            };
            if first.as_ref().is_none_or(|(earlier, _)| field < *earlier) {
                first = Some((field, fault.in_field(&plan.names[field])));
            }
        }
        Ok(first.map(|(_, fault)| fault))
    }

    fn skip(&mut self, node: NodeId) -> Result<(), Malformed> {
        self.skipper.skip(self.writer, node, &mut self.cursor)
    }

    #[inline]
    fn value(&mut self, action: &Action, column: &mut Column) -> Outcome {
        match action {
            Action::Text => column.push_bytes(self.cursor.text()?),
            Action::Int => column.push_int(self.cursor.int()?),
            Action::Long => column.push_long(self.cursor.long()?),
            Action::Float => column.push_float(self.cursor.float()?),
            Action::Double => column.push_double(self.cursor.double()?),
            Action::Boolean => column.push_boolean(self.cursor.boolean()?),
            _ => return self.other_value(action, column),
        }
        Ok(None)
    }

    fn other_value(&mut self, action: &Action, column: &mut Column) -> Outcome {
        match action {
            Action::Null => column.push_null(),
            Action::Bytes => column.push_bytes(self.cursor.sized_bytes()?),
            Action::Fixed(size) => column.push_bytes(self.cursor.bytes(*size)?),
            Action::IntAsLong => column.push_long(self.cursor.int()?.into()),
            Action::IntAsFloat => column.push_float(self.cursor.int()? as f32),
            Action::IntAsDouble => column.push_double(self.cursor.int()?.into()),
            Action::LongAsFloat => column.push_float(self.cursor.long()? as f32),
            Action::LongAsDouble => column.push_double(self.cursor.long()? as f64),
            Action::FloatAsDouble => column.push_double(self.cursor.float()?.into()),
            Action::FixedAsUuid => column.push_bytes(&uuid_text(&self.cursor.array()?)),
            Action::Union(branches) => {
                let branch = self.cursor.branch(branches.len())?;
                return self.value(&branches[branch], column);
            }
            Action::List { item, minimum } => return self.list(item, *minimum, column),
            Action::Map { value, value_node, minimum } => {
                return self.map(value, *value_node, *minimum, column);
            }
            Action::Record(plan) => {
                let fault = self.record(plan, column.fields())?;
                column.end_record();
                return Ok(fault);
            }
            _ => return self.judged_value(action, column),
        }
        Ok(None)
    }

    /// Reads a value that may turn out not to fit its column.
    fn judged_value(&mut self, action: &Action, column: &mut Column) -> Outcome {
        let cursor = &mut self.cursor;
        Ok(match action {
            Action::IntAsTimestamp(unit) => {
                push(timestamp(cursor.int()?.into(), *unit), column, Column::push_long)
            }
            Action::LongAsTimestamp(unit) => {
                push(timestamp(cursor.long()?, *unit), column, Column::push_long)
            }
            Action::TextAsUuid => push(uuid(cursor.text()?), column, Column::push_bytes),
            Action::BytesAsUuid => push(uuid(cursor.sized_bytes()?), column, Column::push_bytes),
            Action::BytesAsText => push(utf8(cursor.sized_bytes()?), column, Column::push_bytes),
            Action::BytesAsDecimal(decimal) => {
                push(decimal_number(cursor.sized_bytes()?, decimal), column, Column::push_decimal)
            }
            Action::FixedAsDecimal(size, decimal) => {
                push(decimal_number(cursor.bytes(*size)?, decimal), column, Column::push_decimal)
            }
            Action::Enum(symbols) => {
                let symbol = &symbols[cursor.symbol(symbols.len())?];
                push(symbol_text(symbol), column, Column::push_bytes)
            }
            Action::Missing { problem } => {
                column.push_null();
                Some(Fault::missing(problem))
            }
            Action::Unresolvable { node, problem } => {
                self.skip(*node)?;
                column.push_null();
                Some(Fault::wrong_type(problem))
            }
            _ => unreachable!("every other action is carried out before"),
        })
    }

    fn list(&mut self, item: &Action, minimum: usize, column: &mut Column) -> Outcome {
        let items = column.items();
        let mut first = None;
        let mut index = 0;
        while let Some(block) = self.cursor.block(minimum)? {
            for _ in 0..block.count {
                let fault = self.value(item, items)?;
                first = first.or_else(|| fault.map(|fault| fault.in_item(index)));
                index += 1;
            }
            self.cursor.end_block(block)?;
        }
        column.end_list();
        Ok(first)
    }

    /// Reads a map. All of it is walked first, because of equal keys the last one counts.
    fn map(&mut self, value: &Action, node: NodeId, minimum: usize, column: &mut Column) -> Outcome {
        let start = self.cursor.clone();
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        while let Some(block) = self.cursor.block(minimum.saturating_add(1))? {
            for _ in 0..block.count {
                keys.push(self.cursor.text()?);
                places.push(self.cursor.at());
                self.skip(node)?;
            }
            self.cursor.end_block(block)?;
        }
        let end = self.cursor.clone();
        let (key_column, value_column) = column.entries();
        let mut first = None;
        for ((key, place), counts) in keys.iter().zip(places).zip(last_of_each(&keys)) {
            if counts {
                self.cursor = start.moved_to(place);
                key_column.push(key);
                let fault = self.value(value, value_column)?;
                first = first.or_else(|| fault.map(|fault| fault.in_entry(&String::from_utf8_lossy(key))));
            }
        }
        self.cursor = end;
        column.end_map();
        Ok(first)
    }
}

/// Appends a value; in place of a faulty one any value, because the row will be dropped.
fn push<T>(
    value: Result<T, Fault>,
    column: &mut Column,
    append: impl FnOnce(&mut Column, T),
) -> Option<Fault> {
    match value {
        Ok(value) => {
            append(column, value);
            None
        }
        Err(fault) => {
            column.push_null();
            Some(fault)
        }
    }
}

fn timestamp(time: i64, unit: TimestampUnit) -> Result<i64, Fault> {
    unit.to_micros(time)
        .ok_or_else(|| Fault::wrong_type(format!("found {time} ms, beyond what a timestamp can hold")))
}

fn uuid(text: &[u8]) -> Result<&[u8], Fault> {
    if is_uuid(text) {
        return Ok(text);
    }
    let found = clipped(&String::from_utf8_lossy(text));
    Err(Fault::wrong_type(format!("found {found:?}, expected a uuid")))
}

fn utf8(bytes: &[u8]) -> Result<&[u8], Fault> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Ok(text.as_bytes()),
        Err(_) => Err(Fault::wrong_type("found bytes that are not valid UTF-8, expected a string")),
    }
}

fn decimal_number(bytes: &[u8], decimal: &Decimal) -> Result<i128, Fault> {
    decimal.read(bytes).ok_or_else(|| {
        let Decimal { precision, scale, .. } = decimal;
        let length = bytes.len();
        Fault::wrong_type(format!(
            "found a number of {length} bytes, expected a decimal({precision}, {scale})"
        ))
    })
}

fn symbol_text(symbol: &Symbol) -> Result<&[u8], Fault> {
    match symbol {
        Symbol::Known(symbol) => Ok(symbol.as_bytes()),
        Symbol::Unknown { problem } => Err(Fault::wrong_type(problem)),
    }
}
