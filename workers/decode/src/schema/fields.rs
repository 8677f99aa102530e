//! [`Fields`]: the fields of a record, found by name or by place.

use std::collections::HashMap;
use std::ops::Deref;

use super::types::Field;

/// Above this number of fields a table is faster than comparing names.
const FEW: usize = 24;

/// The fields of a record, in order.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    fields: Vec<Field>,
    /// Only for many fields.
    places: HashMap<Vec<u8>, usize>,
}

impl Fields {
    pub(super) fn new(fields: Vec<Field>) -> Self {
        let places = if fields.len() > FEW {
            fields.iter().enumerate().map(|(place, field)| (field.name.clone().into_bytes(), place)).collect()
        } else {
            HashMap::new()
        };
        Self { fields, places }
    }

    /// The place of the field called `name`.
    pub(crate) fn place(&self, name: &[u8]) -> Option<usize> {
        if self.fields.len() > FEW {
            self.places.get(name).copied()
        } else {
            self.fields.iter().position(|field| field.name.as_bytes() == name)
        }
    }
}

impl Deref for Fields {
    type Target = [Field];

    fn deref(&self) -> &[Field] {
        &self.fields
    }
}
