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
type Outcome = Result<Option<Box<Fault>>, Malformed>;

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
        let mut first: Option<(usize, Box<Fault>)> = None;
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
            Action::Union(branches) => {
                let branch = self.cursor.branch(branches.len())?;
                return self.value(&branches[branch], column);
            }
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
            Action::IntAsTimestamp(unit) => {
                let time = self.cursor.int()?;
                return Ok(push_timestamp(time.into(), *unit, column));
            }
            Action::LongAsTimestamp(unit) => {
                let time = self.cursor.long()?;
                return Ok(push_timestamp(time, *unit, column));
            }
            Action::TextAsUuid => return Ok(push_uuid(self.cursor.text()?, column)),
            Action::BytesAsUuid => return Ok(push_uuid(self.cursor.sized_bytes()?, column)),
            Action::BytesAsText => return Ok(push_text(self.cursor.sized_bytes()?, column)),
            Action::BytesAsDecimal(decimal) => return Ok(push_decimal(self.cursor.sized_bytes()?, decimal, column)),
            Action::FixedAsDecimal(size, decimal) => {
                return Ok(push_decimal(self.cursor.bytes(*size)?, decimal, column));
            }
            Action::Enum(symbols) => match &symbols[self.cursor.symbol(symbols.len())?] {
                Symbol::Known(symbol) => column.push_bytes(symbol.as_bytes()),
                Symbol::Unknown { problem } => return Ok(faulty(column, Fault::wrong_type(problem))),
            },
            Action::List { item, minimum } => return self.list(item, *minimum, column),
            Action::Map { value, value_node, minimum } => return self.map(value, *value_node, *minimum, column),
            Action::Record(plan) => {
                let fault = self.record(plan, column.fields())?;
                column.end_record();
                return Ok(fault);
            }
            Action::Missing { problem } => return Ok(faulty(column, Fault::missing(problem))),
            Action::Unresolvable { node, problem } => {
                self.skip(*node)?;
                return Ok(faulty(column, Fault::wrong_type(problem)));
            }
            Action::Text | Action::Int | Action::Long | Action::Float | Action::Double | Action::Boolean => {
                return self.value(action, column);
            }
        }
        Ok(None)
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
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        while let Some(block) = self.cursor.block(minimum.saturating_add(1))? {
            for _ in 0..block.count {
                keys.push(self.cursor.text()?);
                places.push(self.cursor.at());
                self.skip(node)?;
            }
            self.cursor.end_block(block)?;
        }
        let end = self.cursor.at();
        let (key_column, value_column) = column.entries();
        let mut first = None;
        for ((key, place), counts) in keys.iter().zip(places).zip(last_of_each(&keys)) {
            if counts {
                self.cursor = self.cursor.moved_to(place);
                key_column.push(key);
                let fault = self.value(value, value_column)?;
                first = first.or_else(|| fault.map(|fault| fault.in_entry(&String::from_utf8_lossy(key))));
            }
        }
        self.cursor = self.cursor.moved_to(end);
        column.end_map();
        Ok(first)
    }
}

/// Keeps the column in step with the others; the row will be dropped.
#[cold]
fn faulty(column: &mut Column, fault: Box<Fault>) -> Option<Box<Fault>> {
    column.push_null();
    Some(fault)
}

fn push_timestamp(time: i64, unit: TimestampUnit, column: &mut Column) -> Option<Box<Fault>> {
    match unit.to_micros(time) {
        Some(micros) => {
            column.push_long(micros);
            None
        }
        None => faulty(column, Fault::wrong_type(format!("found {time} ms, beyond what a timestamp can hold"))),
    }
}

fn push_uuid(text: &[u8], column: &mut Column) -> Option<Box<Fault>> {
    if is_uuid(text) {
        column.push_bytes(text);
        return None;
    }
    let found = clipped(&String::from_utf8_lossy(text));
    faulty(column, Fault::wrong_type(format!("found {found:?}, expected a uuid")))
}

fn push_text(bytes: &[u8], column: &mut Column) -> Option<Box<Fault>> {
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        column.push_bytes(bytes);
        return None;
    }
    faulty(column, Fault::wrong_type("found bytes that are not valid UTF-8, expected a string"))
}

fn push_decimal(bytes: &[u8], decimal: &Decimal, column: &mut Column) -> Option<Box<Fault>> {
    if let Some(unscaled) = decimal.read(bytes) {
        column.push_decimal(unscaled);
        return None;
    }
    let Decimal { precision, scale, .. } = decimal;
    let problem = format!("found a number of {} bytes, expected a decimal({precision}, {scale})", bytes.len());
    faulty(column, Fault::wrong_type(problem))
}
