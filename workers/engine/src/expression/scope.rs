//! [`Scope`]: the columns that an expression may name.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{DFSchema, Result};

use crate::tables::nullable;

/// The longest list of names that an error shows.
const MAX_SUGGESTIONS: usize = 12;

/// The columns that an expression may name, in the order of their slots.
///
/// Names are case-sensitive. A column whose name an earlier one has gets a slot but no name, so an input
/// column wins over a silver column that is called the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    columns: Vec<ScopeColumn>,
    /// Further names of slots.
    aliases: Vec<(String, usize)>,
}

#[derive(Clone, Debug)]
struct ScopeColumn {
    name: String,
    data_type: DataType,
    is_named: bool,
}

impl Scope {
    /// Adds a column and gives its slot.
    pub(crate) fn push(&mut self, name: &str, data_type: DataType) -> usize {
        let is_named = self.slot(name).is_none();
        self.columns.push(ScopeColumn { name: name.to_owned(), data_type, is_named });
        self.columns.len() - 1
    }

    /// Gives a slot one more name, unless an earlier column has it.
    pub(crate) fn alias(&mut self, name: &str, slot: usize) {
        if self.slot(name).is_none() {
            self.aliases.push((name.to_owned(), slot));
        }
    }

    /// The slot of the column of that name.
    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.names().find(|(known, _)| *known == name).map(|(_, slot)| slot)
    }

    /// All names, with their slots.
    fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| column.is_named);
        let columns = columns.map(|(slot, column)| (column.name.as_str(), slot));
        columns.chain(self.aliases.iter().map(|(name, slot)| (name.as_str(), *slot)))
    }

    /// The type of the column in a slot.
    pub(crate) fn data_type(&self, slot: usize) -> &DataType {
        &self.columns[slot].data_type
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// All columns that have a name, for planning.
    pub(crate) fn schema(&self) -> Result<DFSchema> {
        DFSchema::try_from(self.projection(self.names()))
    }

    /// The columns in some slots, by the names given.
    pub(crate) fn projection<'a>(&self, named: impl IntoIterator<Item = (&'a str, usize)>) -> Schema {
        let field = |(name, slot): (&str, usize)| nullable(name, self.data_type(slot).clone());
        Schema::new(named.into_iter().map(field).collect::<Vec<_>>())
    }

    /// What to write instead of a name that is not there.
    pub(crate) fn suggest(&self, name: &str) -> String {
        let names: Vec<&str> = self.names().map(|(name, _)| name).collect();
        let allowed = (name.chars().count() / 3).max(2);
        let mut near: Vec<(usize, &str)> = names
            .iter()
            .map(|&candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
            .filter(|&(distance, _)| distance <= allowed)
            .collect();
        near.sort_unstable();
        // Of several near names, those that are hardly farther than the nearest.
        near.retain({
            let nearest = near.first().map_or(0, |&(distance, _)| distance);
            move |&(distance, _)| distance <= nearest + 1
        });
        let quoted =
            |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if near.is_empty() {
            let shown = &names[..names.len().min(MAX_SUGGESTIONS)];
            let more = if names.len() > shown.len() { ", ..." } else { "" };
            return format!("the columns are {}{more}", quoted(shown));
        }
        let near: Vec<&str> = near.into_iter().map(|(_, name)| name).take(3).collect();
        format!("write {} (names are case-sensitive)", quoted(&near).replace(", ", " or "))
    }
}

/// Edits (insert, delete, replace) between two texts.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
