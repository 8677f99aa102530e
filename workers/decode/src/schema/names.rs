//! [`NamedTypes`]: the records, enums and fixed types of a schema, by full name.

use std::collections::HashMap;

use apache_avro::schema::{Aliases, InnerDecimalSchema, Name, Schema, UuidSchema};

/// The named types that a schema defines anywhere, under their full names and full aliases.
pub(crate) struct NamedTypes<'a> {
    types: HashMap<String, &'a Schema>,
}

impl<'a> NamedTypes<'a> {
    /// Collects the definitions in `schema`.
    ///
    /// A fixed type is kept together with its logical type, so that a reference means what the
    /// definition means.
    pub(crate) fn of(schema: &'a Schema) -> Self {
        let mut names = Self { types: HashMap::new() };
        names.collect(schema);
        names
    }

    /// The type to which a reference points; the parser has checked that it exists.
    pub(crate) fn resolve(&self, name: &Name) -> Option<&'a Schema> {
        self.types.get(name.as_ref()).copied()
    }

    fn collect(&mut self, schema: &'a Schema) {
        match schema {
            Schema::Record(record) => {
                self.define(&record.name, &record.aliases, schema);
                for field in &record.fields {
                    self.collect(&field.schema);
                }
            }
            Schema::Enum(symbols) => self.define(&symbols.name, &symbols.aliases, schema),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.define(&fixed.name, &fixed.aliases, schema);
            }
            Schema::Decimal(decimal) => {
                if let InnerDecimalSchema::Fixed(fixed) = &decimal.inner {
                    self.define(&fixed.name, &fixed.aliases, schema);
                }
            }
            Schema::Array(array) => self.collect(&array.items),
            Schema::Map(map) => self.collect(&map.types),
            Schema::Union(union) => union.variants().iter().for_each(|variant| self.collect(variant)),
            _ => {}
        }
    }

    fn define(&mut self, name: &Name, aliases: &Aliases, schema: &'a Schema) {
        for alias in aliases.iter().flatten() {
            self.types.entry(alias.fullname(None)).or_insert(schema);
        }
        self.types.insert(name.fullname(None), schema);
    }
}

/// The aliases' names without their namespaces: what Avro compares.
pub(crate) fn bare_aliases(aliases: &Aliases) -> Vec<String> {
    aliases.iter().flatten().map(|alias| alias.name().to_owned()).collect()
}
