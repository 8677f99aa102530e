//! [`WriterSchema`]: what a datum looks like on the wire, as a graph that may have cycles.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use serde_json::Value;

use crate::schema::{Fixed, NamedTypes, TimestampUnit, fixed_type};

/// Index of a node.
pub(super) type NodeId = usize;

/// One type of the writer's schema.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    /// With its unit where it is a timestamp.
    Long(Option<TimestampUnit>),
    Float,
    Double,
    /// With its scale where it is a decimal.
    Bytes(Option<usize>),
    Text,
    /// With its scale where it is a decimal.
    Fixed(Fixed, Option<usize>),
    Enum(Vec<String>),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Vec<(String, NodeId)>),
}

/// The types of a writer's schema.
pub(super) struct WriterSchema {
    nodes: Vec<Node>,
    /// The least number of bytes of a node's values; `usize::MAX` where no finite value exists.
    ///
    /// Only types that have no choice at all take none.
    minimums: Vec<usize>,
    pub(super) root: NodeId,
}

impl WriterSchema {
    /// Parses a writer's schema text.
    ///
    /// Defaults do not matter for reading, so one that the parser objects to is not held against the
    /// text: old registries have taken defaults of the wrong type.
    pub(super) fn parse(text: &str) -> Result<Self, apache_avro::Error> {
        let schema = Schema::parse_str(text).or_else(|error| match serde_json::from_str(text) {
            Ok(mut json) => {
                drop_field_defaults(&mut json);
                Schema::parse(&json)
            }
            Err(_) => Err(error),
        })?;
        Ok(Self::new(&schema))
    }

    fn new(schema: &Schema) -> Self {
        let mut builder =
            Builder { names: NamedTypes::of(schema), nodes: Vec::new(), records: HashMap::new() };
        let root = builder.node(schema);
        let nodes = builder.nodes;
        let minimums = minimum_sizes(&nodes);
        Self { nodes, minimums, root }
    }

    #[inline]
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    #[inline]
    pub(super) fn minimum(&self, id: NodeId) -> usize {
        self.minimums[id]
    }

    /// The type as it is spelled in a schema text.
    pub(super) fn type_name(&self, id: NodeId) -> &'static str {
        match self.node(id) {
            Node::Null => "null",
            Node::Boolean => "boolean",
            Node::Int => "int",
            Node::Long(_) => "long",
            Node::Float => "float",
            Node::Double => "double",
            Node::Bytes(None) => "bytes",
            Node::Bytes(Some(_)) => "decimal (bytes)",
            Node::Text => "string",
            Node::Fixed(_, None) => "fixed",
            Node::Fixed(_, Some(_)) => "decimal (fixed)",
            Node::Enum(_) => "enum",
            Node::Array(_) => "array",
            Node::Map(_) => "map",
            Node::Union(_) => "union",
            Node::Record(_) => "record",
        }
    }
}

fn drop_field_defaults(json: &mut Value) {
    match json {
        Value::Array(parts) => parts.iter_mut().for_each(drop_field_defaults),
        Value::Object(parts) => {
            let fields = parts.get_mut("fields").and_then(Value::as_array_mut);
            for field in fields.into_iter().flatten().filter_map(Value::as_object_mut) {
                field.remove("default");
            }
            parts.values_mut().for_each(drop_field_defaults);
        }
        _ => {}
    }
}

struct Builder<'a> {
    names: NamedTypes<'a>,
    nodes: Vec<Node>,
    /// The records that have a node, by full name: where a cycle closes.
    records: HashMap<&'a Name, NodeId>,
}

impl<'a> Builder<'a> {
    fn node(&mut self, schema: &'a Schema) -> NodeId {
        let node = match schema {
            Schema::Ref { name } => match self.names.resolve(name) {
                Some(target) => return self.node(target),
                // The parser refuses references to what is not defined.
                None => Node::Null,
            },
            Schema::Record(record) => {
                if let Some(id) = self.records.get(&record.name) {
                    return *id;
                }
                let id = self.add(Node::Null);
                self.records.insert(&record.name, id);
                let fields = record
                    .fields
                    .iter()
                    .map(|field| (field.name.clone(), self.node(&field.schema)))
                    .collect();
                self.nodes[id] = Node::Record(fields);
                return id;
            }
            Schema::Array(array) => Node::Array(self.node(&array.items)),
            Schema::Map(map) => Node::Map(self.node(&map.types)),
            Schema::Union(union) => {
                Node::Union(union.variants().iter().map(|branch| self.node(branch)).collect())
            }
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long | Schema::TimeMicros => Node::Long(None),
            Schema::TimestampMillis | Schema::LocalTimestampMillis => Node::Long(Some(TimestampUnit::Millis)),
            Schema::TimestampMicros | Schema::LocalTimestampMicros => Node::Long(Some(TimestampUnit::Micros)),
            Schema::TimestampNanos | Schema::LocalTimestampNanos => Node::Long(Some(TimestampUnit::Nanos)),
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes(None),
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Node::Fixed(fixed_type(fixed), None)
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Bytes(Some(decimal.scale)),
                InnerDecimalSchema::Fixed(fixed) => Node::Fixed(fixed_type(fixed), Some(decimal.scale)),
            },
            Schema::Enum(symbols) => Node::Enum(symbols.symbols.clone()),
        };
        self.add(node)
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

/// The least sizes that satisfy the types, found by lowering them from infinity until they hold.
fn minimum_sizes(nodes: &[Node]) -> Vec<usize> {
    let mut minimums = vec![usize::MAX; nodes.len()];
    loop {
        let mut settled = true;
        // Children mostly have higher numbers than their parents.
        for id in (0..nodes.len()).rev() {
            let minimum = minimum_size(&nodes[id], &minimums);
            settled &= minimum == minimums[id];
            minimums[id] = minimum;
        }
        if settled {
            return minimums;
        }
    }
}

fn minimum_size(node: &Node, minimums: &[usize]) -> usize {
    match node {
        Node::Null => 0,
        // An array or map that is empty takes its end mark.
        Node::Boolean
        | Node::Int
        | Node::Long(_)
        | Node::Bytes(_)
        | Node::Text
        | Node::Enum(_)
        | Node::Array(_)
        | Node::Map(_) => 1,
        Node::Float => 4,
        Node::Double => 8,
        Node::Fixed(fixed, _) => fixed.size,
        Node::Union(branches) => {
            branches.iter().map(|id| minimums[*id]).min().unwrap_or(usize::MAX).saturating_add(1)
        }
        Node::Record(fields) => fields.iter().fold(0usize, |sum, (_, id)| sum.saturating_add(minimums[*id])),
    }
}
