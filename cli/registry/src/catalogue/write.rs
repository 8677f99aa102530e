//! What would change: the first half of each call that changes something.

use snafu::{OptionExt, ResultExt, ensure};

use crate::catalogue::{Catalogue, Event, Mode, Version, VersionChoice, Visibility};
use crate::compatibility::Level;
use crate::refusal::{
    InvalidLevelSnafu, InvalidModeSnafu, InvalidSchemaSnafu, Refusal, SubjectNotFoundSnafu,
    SubjectNotSoftDeletedSnafu, SubjectSoftDeletedSnafu, VersionNotFoundSnafu, VersionNotSoftDeletedSnafu,
    VersionSoftDeletedSnafu,
};
use crate::schema::AvroSchema;

/// What a call answers, and what must be durable before it does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision<T> {
    pub(crate) event: Option<Event>,
    pub(crate) answer: T,
}

impl<T> Decision<T> {
    fn change(event: Event, answer: T) -> Self {
        Self { event: Some(event), answer }
    }
}

impl Catalogue {
    /// Registers a schema under a subject; the answer is its id. A schema that the subject has already
    /// changes nothing.
    pub(crate) fn register(&self, subject: &str, text: &str) -> Result<Decision<u32>, Refusal> {
        let schema = AvroSchema::parse(text).context(InvalidSchemaSnafu)?;
        let known = self.ids_by_canonical.get(&schema.canonical).copied();
        if let Some(id) = known
            && self.version_with_id(subject, id, Visibility::Live).is_some()
        {
            return Ok(Decision { event: None, answer: id });
        }
        ensure!(self.modes.in_force(subject) == Mode::ReadWrite, crate::refusal::ReadOnlySnafu { subject });
        let conflicts = self.conflicts(subject, &schema);
        if !conflicts.is_empty() {
            let conflicts = conflicts.iter().map(ToString::to_string).collect();
            return Err(Refusal::Incompatible { subject: subject.to_owned(), conflicts });
        }
        let id = known.unwrap_or_else(|| self.last_id() + 1);
        let version = self.subject(subject).map_or(0, |subject| subject.last_version) + 1;
        let schema = known.is_none().then_some(schema.text);
        let event = Event::Registered { subject: subject.to_owned(), version, id, schema };
        Ok(Decision::change(event, id))
    }

    /// Hides a version or, permanently, removes one that is hidden; the answer is its number.
    pub(crate) fn delete_version(
        &self,
        name: &str,
        choice: VersionChoice,
        permanent: bool,
    ) -> Result<Decision<u32>, Refusal> {
        let subject = self.subject(name).context(SubjectNotFoundSnafu { subject: name })?;
        let number = match choice {
            VersionChoice::Number(number) => number,
            VersionChoice::Latest => self.version(name, choice, Visibility::Live)?.version,
        };
        let Version { is_deleted, .. } = *subject
            .versions
            .get(&number)
            .with_context(|| VersionNotFoundSnafu { version: number.to_string() })?;
        match (permanent, is_deleted) {
            (false, true) => VersionSoftDeletedSnafu { subject: name, version: number }.fail(),
            (true, false) => VersionNotSoftDeletedSnafu { subject: name, version: number }.fail(),
            _ => {
                let event = Event::VersionDeleted { subject: name.to_owned(), version: number, permanent };
                Ok(Decision::change(event, number))
            }
        }
    }

    /// Hides all versions of a subject or, permanently, removes a hidden subject; the answer is their numbers.
    pub(crate) fn delete_subject(&self, name: &str, permanent: bool) -> Result<Decision<Vec<u32>>, Refusal> {
        let subject = self.subject(name).context(SubjectNotFoundSnafu { subject: name })?;
        let is_deleted = subject.versions.values().all(|version| version.is_deleted);
        match (permanent, is_deleted) {
            (false, true) => return SubjectSoftDeletedSnafu { subject: name }.fail(),
            (true, false) => return SubjectNotSoftDeletedSnafu { subject: name }.fail(),
            _ => {}
        }
        let visibility = if permanent { Visibility::DeletedOnly } else { Visibility::Live };
        let versions = self.versions(name, visibility)?;
        Ok(Decision::change(Event::SubjectDeleted { subject: name.to_owned(), permanent }, versions))
    }

    /// Sets the compatibility level of a subject, or the global one.
    pub(crate) fn set_level(subject: Option<&str>, level: &str) -> Result<Decision<Level>, Refusal> {
        let parsed = Level::parse(level).context(InvalidLevelSnafu { level })?;
        let event = Event::LevelSet { subject: subject.map(str::to_owned), level: Some(parsed) };
        Ok(Decision::change(event, parsed))
    }

    /// Takes a level back; the answer is the level that was.
    pub(crate) fn unset_level(&self, subject: Option<&str>) -> Result<Decision<Level>, Refusal> {
        let level = match subject {
            Some(subject) => self.levels.of(subject).context(SubjectNotFoundSnafu { subject })?,
            None => self.levels.global(),
        };
        Ok(Decision::change(Event::LevelSet { subject: subject.map(str::to_owned), level: None }, level))
    }

    /// Sets the mode of a subject, or the global one.
    pub(crate) fn set_mode(subject: Option<&str>, mode: &str) -> Result<Decision<Mode>, Refusal> {
        let parsed = match mode.to_ascii_uppercase().as_str() {
            "READWRITE" => Mode::ReadWrite,
            "READONLY" => Mode::ReadOnly,
            _ => return InvalidModeSnafu { mode }.fail(),
        };
        let event = Event::ModeSet { subject: subject.map(str::to_owned), mode: Some(parsed) };
        Ok(Decision::change(event, parsed))
    }

    /// Takes a mode back; the answer is the mode that was.
    pub(crate) fn unset_mode(&self, subject: &str) -> Result<Decision<Mode>, Refusal> {
        let mode = self.modes.of(subject).context(SubjectNotFoundSnafu { subject })?;
        Ok(Decision::change(Event::ModeSet { subject: Some(subject.to_owned()), mode: None }, mode))
    }
}
