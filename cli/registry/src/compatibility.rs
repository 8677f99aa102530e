//! Which earlier versions a new schema must get on with, and whether it does. Pure.

use std::fmt;

use apache_avro::Schema;
use apache_avro::error::CompatibilityError;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde::{Deserialize, Serialize};

/// What must be able to read what.
///
/// | level | new reads old | old reads new | against |
/// |---|---|---|---|
/// | `NONE` | | | |
/// | `BACKWARD` | yes | | the last version |
/// | `BACKWARD_TRANSITIVE` | yes | | all versions |
/// | `FORWARD` | | yes | the last version |
/// | `FORWARD_TRANSITIVE` | | yes | all versions |
/// | `FULL` | yes | yes | the last version |
/// | `FULL_TRANSITIVE` | yes | yes | all versions |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Level {
    None,
    #[default]
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

impl Level {
    /// Reads a level's name; `None` if there is no such level.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "NONE" => Self::None,
            "BACKWARD" => Self::Backward,
            "BACKWARD_TRANSITIVE" => Self::BackwardTransitive,
            "FORWARD" => Self::Forward,
            "FORWARD_TRANSITIVE" => Self::ForwardTransitive,
            "FULL" => Self::Full,
            "FULL_TRANSITIVE" => Self::FullTransitive,
            _ => return None,
        })
    }

    fn new_reads_old(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    fn old_reads_new(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }

    fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }
}

/// A pair of schemas of which one cannot read what the other writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    version: u32,
    reader: &'static str,
    writer: &'static str,
    reason: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, reader, writer, reason } = self;
        write!(
            formatter,
            "the {reader} schema cannot read data of the {writer} schema (version {version}): {reason}"
        )
    }
}

/// Compares a new schema with earlier versions, oldest first. No conflicts: it is compatible.
pub(crate) fn conflicts(level: Level, new: &Schema, earlier: &[(u32, &Schema)]) -> Vec<Conflict> {
    let checked = if level.is_transitive() { earlier } else { &earlier[earlier.len().saturating_sub(1)..] };
    let mut conflicts = Vec::new();
    for (version, old) in checked.iter().rev() {
        let mut check = |applies: bool, writer: (&Schema, &'static str), reader: (&Schema, &'static str)| {
            if applies && let Some(reason) = why_unreadable(writer.0, reader.0) {
                conflicts.push(Conflict { version: *version, reader: reader.1, writer: writer.1, reason });
            }
        };
        check(level.new_reads_old(), (old, "old"), (new, "new"));
        check(level.old_reads_new(), (new, "new"), (old, "old"));
    }
    conflicts
}

/// Why some datum of the writer's schema cannot be read with the reader's; `None` if each can.
fn why_unreadable(writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => {
            Some("a branch of a union or a symbol of an enum is missing in the reader's schema".to_owned())
        }
        Err(error) => Some(explain(&error)),
    }
}

/// The cause with the path of the field, without the dumps of whole schemas.
fn explain(error: &CompatibilityError) -> String {
    let mut path = Vec::new();
    let mut error = error;
    while let CompatibilityError::FieldTypeMismatch(field, inner) = error {
        path.push(field.as_str());
        error = inner;
    }
    let cause = match error {
        CompatibilityError::WrongType { .. } => {
            "the type is another, and the old one is not promoted to it".to_owned()
        }
        CompatibilityError::MissingDefaultValue(field) => {
            path.push(field.as_str());
            "the writer's schema has no such field, and the reader's gives it no default".to_owned()
        }
        CompatibilityError::NameMismatch { writer_name, reader_name } => {
            format!("the name is '{reader_name}', the writer's schema has '{writer_name}'")
        }
        CompatibilityError::MissingUnionElements | CompatibilityError::SchemaMismatchAllUnionElements => {
            "no branch of the union fits".to_owned()
        }
        other => other.to_string(),
    };
    if path.is_empty() { cause } else { format!("field '{}': {cause}", path.join(".")) }
}

#[cfg(test)]
mod tests;
