//! What the catalogue answers without changing.

use snafu::{OptionExt, ResultExt};

use crate::catalogue::{Catalogue, Mode, Subject, Version};
use crate::compatibility::{Conflict, Level, conflicts};
use crate::refusal::{
    InvalidSchemaSnafu, InvalidVersionSnafu, LevelNotConfiguredSnafu, ModeNotConfiguredSnafu, Refusal,
    SubjectNotFoundSnafu, VersionNotFoundSnafu,
};
use crate::schema::AvroSchema;

/// Which of the versions a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Live,
    LiveAndDeleted,
    DeletedOnly,
}

impl Visibility {
    fn shows(self, version: Version) -> bool {
        match self {
            Self::Live => !version.is_deleted,
            Self::LiveAndDeleted => true,
            Self::DeletedOnly => version.is_deleted,
        }
    }
}

/// The version that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionChoice {
    Latest,
    Number(u32),
}

impl VersionChoice {
    /// Reads `latest`, `-1` or a number from 1.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text == "latest" || text == "-1" {
            return Ok(Self::Latest);
        }
        match text.parse::<i32>() {
            Ok(number) if number >= 1 => Ok(Self::Number(number.unsigned_abs())),
            _ => InvalidVersionSnafu { version: text }.fail(),
        }
    }
}

/// One version of a subject with its schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) version: u32,
    pub(crate) id: u32,
    pub(crate) text: &'a str,
}

impl Catalogue {
    /// Names of the subjects that have a version to show.
    pub(crate) fn subjects(&self, visibility: Visibility) -> impl Iterator<Item = &str> {
        self.subjects.iter().filter_map(move |(name, subject)| {
            let is_deleted = subject.versions.values().all(|version| version.is_deleted);
            let shown = match visibility {
                Visibility::Live => !is_deleted,
                Visibility::LiveAndDeleted => true,
                Visibility::DeletedOnly => is_deleted,
            };
            shown.then_some(name.as_str())
        })
    }

    /// Version numbers of a subject.
    pub(crate) fn versions(&self, subject: &str, visibility: Visibility) -> Result<Vec<u32>, Refusal> {
        let versions: Vec<u32> = self.shown_versions(subject, visibility).map(|(number, _)| number).collect();
        if versions.is_empty() { SubjectNotFoundSnafu { subject }.fail() } else { Ok(versions) }
    }

    /// One version of a subject.
    pub(crate) fn version(
        &self,
        subject: &str,
        choice: VersionChoice,
        visibility: Visibility,
    ) -> Result<Found<'_>, Refusal> {
        let mut found = None;
        let mut has_versions = false;
        for (number, version) in self.shown_versions(subject, visibility) {
            has_versions = true;
            if choice == VersionChoice::Latest || choice == VersionChoice::Number(number) {
                found = Some((number, version));
            }
        }
        match (found, choice) {
            (Some((number, version)), _) => {
                Ok(Found { version: number, id: version.id, text: &self.stored(version.id).text })
            }
            (None, VersionChoice::Number(number)) if has_versions => {
                VersionNotFoundSnafu { version: number.to_string() }.fail()
            }
            (None, _) => SubjectNotFoundSnafu { subject }.fail(),
        }
    }

    /// The version of a subject that has this schema.
    pub(crate) fn lookup(
        &self,
        subject: &str,
        text: &str,
        visibility: Visibility,
    ) -> Result<Found<'_>, Refusal> {
        let schema = AvroSchema::parse(text).context(InvalidSchemaSnafu)?;
        self.versions(subject, visibility)?;
        self.ids_by_canonical
            .get(&schema.canonical)
            .and_then(|id| self.version_with_id(subject, *id, visibility))
            .ok_or(Refusal::SchemaNotFound)
    }

    /// The newest shown version of a subject that has this id.
    pub(super) fn version_with_id(
        &self,
        subject: &str,
        id: u32,
        visibility: Visibility,
    ) -> Option<Found<'_>> {
        let (number, _) =
            self.shown_versions(subject, visibility).filter(|(_, version)| version.id == id).last()?;
        Some(Found { version: number, id, text: &self.stored(id).text })
    }

    /// The text of a schema by its id, as a path names it.
    pub(crate) fn schema(&self, id: &str) -> Result<(u32, &str), Refusal> {
        let number: u32 = id.parse().unwrap_or(0);
        (number as usize)
            .checked_sub(1)
            .and_then(|index| self.schemas.get(index))
            .map(|schema| (number, schema.text.as_str()))
            .ok_or_else(|| Refusal::SchemaIdNotFound { id: id.to_owned() })
    }

    /// The largest id that was given.
    pub(crate) fn last_id(&self) -> u32 {
        u32::try_from(self.schemas.len()).expect("ids are u32")
    }

    /// Where a schema is used, as subject and version.
    pub(crate) fn uses(&self, id: u32, visibility: Visibility) -> Vec<(&str, u32)> {
        let mut uses = Vec::new();
        for name in self.subjects.keys() {
            for (number, version) in self.shown_versions(name, visibility) {
                if version.id == id {
                    uses.push((name.as_str(), number));
                }
            }
        }
        uses
    }

    /// The compatibility level for all subjects.
    pub(crate) fn global_level(&self) -> Level {
        self.levels.global()
    }

    /// The compatibility level of a subject.
    pub(crate) fn level(&self, subject: &str, or_global: bool) -> Result<Level, Refusal> {
        let level = self.levels.of(subject);
        level.or_else(|| or_global.then(|| self.levels.global())).context(LevelNotConfiguredSnafu { subject })
    }

    /// The mode for all subjects.
    pub(crate) fn global_mode(&self) -> Mode {
        self.modes.global()
    }

    /// The mode of a subject.
    pub(crate) fn mode(&self, subject: &str, or_global: bool) -> Result<Mode, Refusal> {
        let mode = self.modes.of(subject);
        mode.or_else(|| or_global.then(|| self.modes.global())).context(ModeNotConfiguredSnafu { subject })
    }

    /// What is against a schema as the next version of a subject; empty if nothing is.
    pub(crate) fn conflicts(&self, subject: &str, schema: &AvroSchema) -> Vec<Conflict> {
        let earlier: Vec<_> = self
            .shown_versions(subject, Visibility::Live)
            .map(|(number, version)| (number, &self.stored(version.id).inlined))
            .collect();
        conflicts(self.levels.in_force(subject), &schema.inlined, &earlier)
    }

    /// What is against a schema beside one version, by the subject's level. The latest version of a
    /// subject that does not exist has nothing against anything.
    pub(crate) fn conflicts_with(
        &self,
        subject: &str,
        choice: VersionChoice,
        schema: &AvroSchema,
    ) -> Result<Vec<Conflict>, Refusal> {
        match self.version(subject, choice, Visibility::Live) {
            Ok(found) => {
                let old = [(found.version, &self.stored(found.id).inlined)];
                Ok(conflicts(self.levels.in_force(subject), &schema.inlined, &old))
            }
            Err(Refusal::SubjectNotFound { .. }) if choice == VersionChoice::Latest => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn subject(&self, subject: &str) -> Option<&Subject> {
        self.subjects.get(subject)
    }

    fn shown_versions(&self, subject: &str, visibility: Visibility) -> impl Iterator<Item = (u32, Version)> {
        self.subjects
            .get(subject)
            .into_iter()
            .flat_map(|subject| &subject.versions)
            .map(|(number, version)| (*number, *version))
            .filter(move |(_, version)| visibility.shows(*version))
    }

    fn stored(&self, id: u32) -> &AvroSchema {
        self.schemas.get(id as usize - 1).expect("apply lets in versions of stored schemas only")
    }
}
