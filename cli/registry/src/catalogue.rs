//! [`Catalogue`]: all subjects, versions, schemas and settings, in memory. Pure.
//!
//! Changing calls come in two halves: a method on `&self` says what would change (an [`Event`]) and what
//! the answer is, or refuses; [`Catalogue::apply`] makes the change. Between the two the caller makes the
//! event durable. Replaying all events of the log through `apply` gives the same catalogue again.

mod read;
mod write;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use snafu::{OptionExt, ResultExt, Snafu, ensure};

pub(crate) use self::read::{VersionChoice, Visibility};
pub(crate) use self::write::Decision;
use crate::compatibility::Level;
use crate::schema::{AvroSchema, SchemaError};

/// Something that happened, as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Event {
    /// A subject got a version.
    Registered {
        subject: String,
        version: u32,
        id: u32,
        /// The schema; absent if the id was known already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
    },
    /// A version was hidden or, permanently, removed.
    VersionDeleted { subject: String, version: u32, permanent: bool },
    /// All versions of a subject were hidden or, permanently, removed.
    SubjectDeleted { subject: String, permanent: bool },
    /// The compatibility level of a subject, or the global one, was set or (`None`) taken back.
    LevelSet { subject: Option<String>, level: Option<Level> },
    /// The mode of a subject, or the global one, was set or (`None`) taken back.
    ModeSet { subject: Option<String>, mode: Option<Mode> },
}

/// Whether schemas may be registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Mode {
    #[default]
    ReadWrite,
    ReadOnly,
}

/// Why an event does not fit a catalogue: the log is not one that this program wrote.
#[derive(Debug, Snafu)]
pub(crate) enum ApplyError {
    #[snafu(display("schema id {id} has no schema"))]
    SchemaMissing { id: u32 },
    #[snafu(display("schema id {id} does not follow the {known} known ones"))]
    IdOutOfOrder { id: u32, known: usize },
    #[snafu(display("the schema of id {id} is not valid: {source}"))]
    SchemaInvalid { id: u32, source: SchemaError },
    #[snafu(display("subject '{subject}' or its version does not exist"))]
    VersionUnknown { subject: String },
}

/// A value for all subjects, and those of single subjects.
#[derive(Debug, Default)]
struct Setting<T> {
    global: Option<T>,
    subjects: BTreeMap<String, T>,
}

impl<T: Copy + Default> Setting<T> {
    fn global(&self) -> T {
        self.global.unwrap_or_default()
    }

    fn of(&self, subject: &str) -> Option<T> {
        self.subjects.get(subject).copied()
    }

    fn in_force(&self, subject: &str) -> T {
        self.of(subject).unwrap_or_else(|| self.global())
    }

    fn set(&mut self, subject: Option<String>, value: Option<T>) {
        match (subject, value) {
            (None, value) => self.global = value,
            (Some(subject), Some(value)) => {
                self.subjects.insert(subject, value);
            }
            (Some(subject), None) => {
                self.subjects.remove(&subject);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Subject {
    versions: BTreeMap<u32, Version>,
    /// The largest number that was ever given.
    last_version: u32,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    id: u32,
    is_deleted: bool,
}

/// Everything that the registry knows.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// The schema of id `n` is at `n - 1`. Schemas are never forgotten: messages may carry their ids.
    schemas: Vec<AvroSchema>,
    ids_by_canonical: HashMap<String, u32>,
    subjects: BTreeMap<String, Subject>,
    levels: Setting<Level>,
    modes: Setting<Mode>,
}

impl Catalogue {
    /// Makes a change that was decided on, or that the log holds.
    pub(crate) fn apply(&mut self, event: Event) -> Result<(), ApplyError> {
        match event {
            Event::Registered { subject, version, id, schema } => {
                self.apply_registered(subject, version, id, schema)?;
            }
            Event::VersionDeleted { subject, version, permanent } => {
                self.apply_version_deleted(subject, version, permanent)?;
            }
            Event::SubjectDeleted { subject, permanent } => {
                self.apply_subject_deleted(subject, permanent)?;
            }
            Event::LevelSet { subject, level } => self.levels.set(subject, level),
            Event::ModeSet { subject, mode } => self.modes.set(subject, mode),
        }
        Ok(())
    }

    fn apply_registered(
        &mut self,
        subject: String,
        version: u32,
        id: u32,
        schema: Option<String>,
    ) -> Result<(), ApplyError> {
        let known = self.schemas.len();
        if let Some(text) = schema {
            ensure!(id as usize == known + 1, IdOutOfOrderSnafu { id, known });
            let schema = AvroSchema::parse(&text).context(SchemaInvalidSnafu { id })?;
            self.ids_by_canonical.insert(schema.canonical.clone(), id);
            self.schemas.push(schema);
        }
        ensure!((1..=self.schemas.len()).contains(&(id as usize)), SchemaMissingSnafu { id });
        let subject = self.subjects.entry(subject).or_default();
        subject.versions.insert(version, Version { id, is_deleted: false });
        subject.last_version = subject.last_version.max(version);
        Ok(())
    }

    fn apply_version_deleted(
        &mut self,
        name: String,
        version: u32,
        permanent: bool,
    ) -> Result<(), ApplyError> {
        let subject = self.subjects.get_mut(&name).context(VersionUnknownSnafu { subject: name.as_str() })?;
        if permanent {
            subject.versions.remove(&version);
            if subject.versions.is_empty() {
                self.subjects.remove(&name);
            }
        } else {
            let version =
                subject.versions.get_mut(&version).context(VersionUnknownSnafu { subject: name })?;
            version.is_deleted = true;
        }
        Ok(())
    }

    fn apply_subject_deleted(&mut self, name: String, permanent: bool) -> Result<(), ApplyError> {
        if permanent {
            self.subjects.remove(&name);
            return Ok(());
        }
        let subject = self.subjects.get_mut(&name).context(VersionUnknownSnafu { subject: name })?;
        for version in subject.versions.values_mut() {
            version.is_deleted = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
