//! [`Plan`]: how a datum of one writer schema becomes a row, worked out once per schema.

use super::writer::{NodeId, WriterSchema};
use crate::schema::{Decimal, DefaultValue, TimestampUnit};

/// How a datum of one writer schema becomes a row.
pub(super) struct Plan {
    pub(super) writer: WriterSchema,
    /// The row itself: a record, or a union of what may be one.
    pub(super) row: Action,
}

/// How a record's fields get their values.
pub(super) struct RecordPlan {
    /// What to do, in the order of the data; then what needs no data.
    pub(super) steps: Vec<Step>,
    /// Names of the reader's fields, in order.
    pub(super) names: Vec<String>,
}

/// One thing to do; `field` is the place of a field in the reader's record.
pub(super) enum Step {
    /// Read a value into a field.
    Read { field: usize, action: Action },
    /// Read a value that no field takes.
    Skip(NodeId),
    /// Give a field its default: the writer lacks it.
    Default { field: usize, value: DefaultValue },
    /// The writer lacks the field, and it has no default.
    Missing { field: usize, problem: String },
}

/// How a value on the wire becomes the value of a column.
///
/// The names say what is read, and after `As` what it becomes.
pub(super) enum Action {
    Boolean,
    Int,
    IntAsLong,
    IntAsFloat,
    IntAsDouble,
    IntAsTimestamp(TimestampUnit),
    Long,
    LongAsFloat,
    LongAsDouble,
    LongAsTimestamp(TimestampUnit),
    Float,
    FloatAsDouble,
    Double,
    /// Text as text or bytes.
    Text,
    TextAsUuid,
    Bytes,
    BytesAsText,
    BytesAsUuid,
    BytesAsDecimal(Decimal),
    Fixed(usize),
    FixedAsDecimal(usize, Decimal),
    FixedAsUuid,
    Enum(Vec<Symbol>),
    List {
        item: Box<Action>,
        minimum: usize,
    },
    Map {
        value: Box<Action>,
        value_node: NodeId,
        minimum: usize,
    },
    Record(RecordPlan),
    /// One action per branch.
    Union(Vec<Action>),
    Null,
    /// Null where the reader has no null.
    Missing {
        problem: String,
    },
    /// A type that does not become the reader's; its value is read and checked nevertheless.
    Unresolvable {
        node: NodeId,
        problem: String,
    },
}

/// What a writer's symbol is to the reader.
pub(super) enum Symbol {
    Known(String),
    Unknown { problem: String },
}
