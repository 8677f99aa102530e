//! Works out a [`Plan`]: Avro's schema resolution.
//!
//! Records resolve field by field whatever they are called; enums symbol by symbol; fixed types by
//! name and size. Decimals resolve where the scale is the same: the value decides whether the precision
//! suffices. A timestamp of another unit is converted.

use super::plan::{Action, Plan, RecordPlan, Step, Symbol};
use super::writer::{Node, NodeId, WriterSchema};
use crate::fault::{clipped, unexpected_null};
use crate::schema::{ColumnType, Decimal, Field, Fields, Slot, Symbols};

/// How data of `writer` becomes a record of `fields`.
pub(super) fn plan(writer: WriterSchema, fields: &Fields) -> Plan {
    let row = Resolver { writer: &writer }.row(writer.root, fields);
    Plan { writer, row }
}

struct Resolver<'a> {
    writer: &'a WriterSchema,
}

impl Resolver<'_> {
    fn row(&self, id: NodeId, fields: &Fields) -> Action {
        match self.writer.node(id) {
            Node::Record(written) => Action::Record(self.record(written, fields)),
            Node::Union(branches) => Action::Union(branches.iter().map(|id| self.row(*id, fields)).collect()),
            _ => self.unresolvable(id, "a record"),
        }
    }

    fn action(&self, id: NodeId, slot: &Slot) -> Action {
        match (self.writer.node(id), &slot.column) {
            (Node::Union(branches), _) => {
                Action::Union(branches.iter().map(|branch| self.action(*branch, slot)).collect())
            }
            (Node::Null, _) if slot.nullable => Action::Null,
            (Node::Null, _) => Action::Missing { problem: unexpected_null(slot) },
            (Node::Array(item), ColumnType::List(slot)) => {
                Action::List { item: Box::new(self.action(*item, slot)), minimum: self.writer.minimum(*item) }
            }
            (Node::Map(value), ColumnType::Map(slot)) => Action::Map {
                value: Box::new(self.action(*value, slot)),
                value_node: *value,
                minimum: self.writer.minimum(*value),
            },
            (Node::Record(written), ColumnType::Record(fields)) => {
                Action::Record(self.record(written, fields))
            }
            (Node::Enum(written), ColumnType::Enum(symbols)) => Action::Enum(enum_symbols(written, symbols)),
            (node, column) => {
                scalar(node, column).unwrap_or_else(|| self.unresolvable(id, &slot.column.expected()))
            }
        }
    }

    fn unresolvable(&self, node: NodeId, expected: &str) -> Action {
        let problem = format!("the writer's {} cannot be read as {expected}", self.writer.type_name(node));
        Action::Unresolvable { node, problem }
    }

    fn record(&self, written: &[(String, NodeId)], fields: &Fields) -> RecordPlan {
        let readers = readers_of(written, fields);
        let mut steps = Vec::with_capacity(written.len().max(fields.len()));
        for ((_, id), reader) in written.iter().zip(&readers) {
            steps.push(match reader {
                Some(field) => Step::Read { field: *field, action: self.action(*id, &fields[*field].slot) },
                None => Step::Skip(*id),
            });
        }
        for (place, field) in fields.iter().enumerate() {
            if !readers.contains(&Some(place)) {
                steps.push(match &field.default {
                    Some(value) => Step::Default { field: place, value: value.clone() },
                    None => Step::Missing { field: place, problem: lacking(field) },
                });
            }
        }
        RecordPlan { steps, names: fields.iter().map(|field| field.name.clone()).collect() }
    }
}

fn lacking(field: &Field) -> String {
    format!("the writer's schema lacks it and there is no default, expected {}", field.slot.column.expected())
}

/// For each of the writer's fields the place of the reader's field that takes it: by name, else by an
/// alias.
fn readers_of(written: &[(String, NodeId)], fields: &Fields) -> Vec<Option<usize>> {
    let mut readers: Vec<_> = written.iter().map(|(name, _)| fields.place(name.as_bytes())).collect();
    for (place, field) in fields.iter().enumerate() {
        if readers.contains(&Some(place)) {
            continue;
        }
        let aliased =
            field.aliases.iter().find_map(|alias| written.iter().position(|(name, _)| name == alias));
        if let Some(aliased) = aliased
            && readers[aliased].is_none()
        {
            readers[aliased] = Some(place);
        }
    }
    readers
}

fn scalar(node: &Node, column: &ColumnType) -> Option<Action> {
    let action = match (node, column) {
        (Node::Boolean, ColumnType::Boolean) => Action::Boolean,
        (Node::Int, ColumnType::Int | ColumnType::Date) => Action::Int,
        (Node::Int, ColumnType::Long) => Action::IntAsLong,
        (Node::Int, ColumnType::Float) => Action::IntAsFloat,
        (Node::Int, ColumnType::Double) => Action::IntAsDouble,
        (Node::Int, ColumnType::Timestamp(unit)) => Action::IntAsTimestamp(*unit),
        (Node::Long(_), ColumnType::Long) => Action::Long,
        (Node::Long(_), ColumnType::Float) => Action::LongAsFloat,
        (Node::Long(_), ColumnType::Double) => Action::LongAsDouble,
        (Node::Long(written), ColumnType::Timestamp(unit)) => {
            Action::LongAsTimestamp(written.unwrap_or(*unit))
        }
        (Node::Float, ColumnType::Float) => Action::Float,
        (Node::Float, ColumnType::Double) => Action::FloatAsDouble,
        (Node::Double, ColumnType::Double) => Action::Double,
        (Node::Text, ColumnType::Text | ColumnType::Bytes) => Action::Text,
        (Node::Text, ColumnType::Uuid { fixed: None }) => Action::TextAsUuid,
        (Node::Bytes(_), ColumnType::Bytes) => Action::Bytes,
        (Node::Bytes(_), ColumnType::Text) => Action::BytesAsText,
        (Node::Bytes(_), ColumnType::Uuid { fixed: None }) => Action::BytesAsUuid,
        (Node::Bytes(scale), ColumnType::Decimal(decimal)) if decimal.fixed.is_none() => {
            return same_scale(*scale, decimal).then(|| Action::BytesAsDecimal(decimal.clone()));
        }
        (Node::Fixed(written, _), ColumnType::Fixed(fixed)) if fixed.matches(written) => {
            Action::Fixed(fixed.size)
        }
        (Node::Fixed(written, scale), ColumnType::Decimal(decimal)) => {
            let fixed = decimal.fixed.as_ref().filter(|fixed| fixed.matches(written))?;
            return same_scale(*scale, decimal).then(|| Action::FixedAsDecimal(fixed.size, decimal.clone()));
        }
        (Node::Fixed(written, _), ColumnType::Uuid { fixed: Some(fixed) }) if fixed.matches(written) => {
            Action::FixedAsUuid
        }
        _ => return None,
    };
    Some(action)
}

fn same_scale(written: Option<usize>, decimal: &Decimal) -> bool {
    written.is_none_or(|scale| scale == usize::from(decimal.scale))
}

fn enum_symbols(written: &[String], symbols: &Symbols) -> Vec<Symbol> {
    written
        .iter()
        .map(|symbol| {
            match symbols.symbols.iter().find(|known| *known == symbol).or(symbols.default.as_ref()) {
                Some(known) => Symbol::Known(known.clone()),
                None => Symbol::Unknown {
                    problem: format!("found the symbol {}, which the schema lacks", clipped(symbol)),
                },
            }
        })
        .collect()
}
