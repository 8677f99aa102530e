//! Replaces references to named types by their definitions, so that two schemas compare by structure.
//!
//! apache-avro's check takes two references of one name as equal without looking, and a reference and
//! a definition as different. Both are wrong when the versions define the type at different places.
//! What is left after inlining are the references of recursive types, inside their own definition.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{Name, ResolvedSchema, UnionSchema};
use snafu::{IntoError, Snafu, ensure};

/// An inlined schema has at most so many nodes: nested references may double it at each level.
const MAX_NODES: usize = 100_000;

/// Why a schema cannot be inlined.
#[derive(Debug, Snafu)]
pub(crate) enum InlineError {
    #[snafu(display("{source}"))]
    Unresolved {
        #[snafu(source(from(apache_avro::Error, Box::new)))]
        source: Box<apache_avro::Error>,
    },
    #[snafu(display("the schema has more than {MAX_NODES} nodes once its named types are written out"))]
    TooLarge,
}

/// The schema with each reference replaced by what it names, except inside that definition itself.
pub(crate) fn inline(schema: &Schema) -> Result<Schema, InlineError> {
    let resolved = ResolvedSchema::new(schema).map_err(|source| UnresolvedSnafu.into_error(source))?;
    let mut inliner = Inliner { definitions: resolved.get_names(), enclosing: Vec::new(), nodes: 0 };
    inliner.expand(schema)
}

struct Inliner<'a> {
    definitions: &'a HashMap<Name, &'a Schema>,
    enclosing: Vec<Name>,
    nodes: usize,
}

impl Inliner<'_> {
    fn expand(&mut self, schema: &Schema) -> Result<Schema, InlineError> {
        self.nodes += 1;
        ensure!(self.nodes <= MAX_NODES, TooLargeSnafu);
        match schema {
            Schema::Ref { name } if !self.enclosing.contains(name) => match self.definitions.get(name) {
                Some(definition) => self.expand(definition),
                None => Ok(schema.clone()),
            },
            Schema::Record(record) => {
                let mut record = record.clone();
                self.enclosing.push(record.name.clone());
                for field in &mut record.fields {
                    field.schema = self.expand(&field.schema)?;
                }
                self.enclosing.pop();
                Ok(Schema::Record(record))
            }
            Schema::Array(array) => {
                let mut array = array.clone();
                *array.items = self.expand(&array.items)?;
                Ok(Schema::Array(array))
            }
            Schema::Map(map) => {
                let mut map = map.clone();
                *map.types = self.expand(&map.types)?;
                Ok(Schema::Map(map))
            }
            Schema::Union(union) => {
                let branches =
                    union.variants().iter().map(|branch| self.expand(branch)).collect::<Result<_, _>>()?;
                let union =
                    UnionSchema::new(branches).map_err(|source| UnresolvedSnafu.into_error(source))?;
                Ok(Schema::Union(union))
            }
            leaf => Ok(leaf.clone()),
        }
    }
}
