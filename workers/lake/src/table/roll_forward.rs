//! [`Table::roll_forward`]: a manifest becomes one version of the table, once.
//!
//! Delta records the newest epoch of each chain (`txn`) but nobody enforces it: comparing before a commit,
//! and reading what landed after a conflict, is what makes a repeated call harmless.

use std::time::Duration;

use sluice_contract::manifest::{Manifest, TableProgress};
use snafu::{OptionExt, ResultExt};
use uuid::Uuid;

use super::Table;
use super::head::{self, entry_path};
use super::landed::Landed;
use super::live_files::LiveFiles;
use super::log_entry::{self, Defect, LogEntry, Removed};
use crate::error::{
    ContendedSnafu, FileMissingSnafu, FileReplacedSnafu, ForeignWriterSnafu, LakeError, LogEntryTornSnafu,
    UnreadableSnafu,
};
use crate::failpoint;
use crate::store::Created;

/// Races for the next version that others may win in one call.
const ATTEMPTS: u32 = 200;

/// After so many entries of others in a row the log is looked at as a whole.
const LOOK_AHEAD_AFTER: u64 = 8;

/// A table that is further ahead than this is read again, instead of entry by entry.
const FAR_BEHIND: u64 = 32;

/// After a longer silence entries may have expired: look where the log ends before creating one.
const TRUSTED_SILENCE: Duration = Duration::from_mins(1);

/// How far back the entry of an epoch is searched that the table says it has.
const SEARCHED: usize = 256;

/// How [`Table::roll_forward`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolledForward {
    /// The manifest's actions are this new version of the table.
    Committed {
        /// The version.
        version: u64,
    },
    /// They were committed before.
    AlreadyThere {
        /// The version that has them; `None` when its log entry is no longer at hand.
        version: Option<u64>,
    },
    /// Another writer has put other files in the place of those that the manifest removes, and the manifest
    /// [gives way](Manifest::gives_way): the table has this version for it, with none of its files.
    Overtaken {
        /// The version.
        version: u64,
    },
    /// The manifest has no actions for the table.
    Nothing,
}

impl RolledForward {
    /// What the entry of a manifest at a version says that others, or an earlier try, have committed.
    fn found(entry: &LogEntry, manifest: &Manifest, table: &str, version: u64) -> Self {
        if is_void(entry, manifest, table) {
            Self::Overtaken { version }
        } else {
            Self::AlreadyThere { version: Some(version) }
        }
    }
}

/// Whether an entry has nothing of what its manifest holds for a table.
fn is_void(entry: &LogEntry, manifest: &Manifest, table: &str) -> bool {
    let is_empty = entry.added.is_empty() && entry.removed.is_empty();
    is_empty && manifest.commit_to(table).is_some_and(TableProgress::has_actions)
}

impl Table {
    /// Commits what a manifest holds for this table, unless the table has it. Safe to repeat.
    pub async fn roll_forward(&mut self, manifest: &Manifest) -> Result<RolledForward, LakeError> {
        let Some(progress) = manifest.commit_to(&self.spec.name) else {
            return Ok(RolledForward::Nothing);
        };
        if self.seen.elapsed() > TRUSTED_SILENCE && self.is_behind(0).await? {
            self.reload().await?;
        }
        let application = manifest.chain.to_string();
        if let Some(known) = self.transaction(&application).await?
            && known >= manifest.epoch as i64
        {
            return self.find_committed(manifest, known).await;
        }
        failpoint::hit(&self.failpoint("before"));
        for attempt in 0..ATTEMPTS {
            let text = self.entry(manifest, progress).await?;
            let version = self.version + 1;
            let path = entry_path(&self.spec.name, version);
            let entry = LogEntry::parse(text.as_bytes()).expect("our own entries are whole");
            if self.store.create(&path, text.into()).await? == Created::Created {
                self.absorb(&entry, true);
                failpoint::hit(&self.failpoint("after"));
                return Ok(if is_void(&entry, manifest, &self.spec.name) {
                    RolledForward::Overtaken { version }
                } else {
                    RolledForward::Committed { version }
                });
            }
            pause(attempt).await;
            if let Some(there) = self.catch_up(manifest).await? {
                return Ok(there);
            }
        }
        ContendedSnafu { action: "commit to", path: self.store.name(&self.spec.name), attempts: ATTEMPTS }
            .fail()
    }

    /// The entry that commits a manifest after the newest version known here.
    ///
    /// If a file that it removes is not live there, its rows would stay beside those in its place: then it fails, or
    /// the entry has none of the manifest's files, where that gives way.
    pub(super) async fn entry(
        &mut self,
        manifest: &Manifest,
        progress: &TableProgress,
    ) -> Result<String, LakeError> {
        let now_ms = crate::now_ms();
        if progress.removes.is_empty() {
            return Ok(log_entry::commit(&self.spec, manifest, progress, &[], now_ms));
        }
        self.live().await?;
        let live = self.live.as_ref().expect("just read");
        if manifest.gives_way() && progress.removes.iter().any(|path| live.get(path).is_none()) {
            let nothing = TableProgress { last_epoch: progress.last_epoch, ..TableProgress::default() };
            return Ok(log_entry::commit(&self.spec, manifest, &nothing, &[], now_ms));
        }
        let removed = progress.removes.iter().map(|path| self.removed(live, manifest, path));
        let removed: Vec<Removed<'_>> = removed.collect::<Result<_, _>>()?;
        Ok(log_entry::commit(&self.spec, manifest, progress, &removed, now_ms))
    }

    fn removed<'a>(
        &self,
        live: &'a LiveFiles,
        manifest: &Manifest,
        path: &'a str,
    ) -> Result<Removed<'a>, LakeError> {
        let file = live.get(path).with_context(|| FileReplacedSnafu {
            table: &self.spec.name,
            version: self.version,
            path,
            application: manifest.chain.to_string(),
            epoch: manifest.epoch,
        })?;
        Ok(Removed { path, file })
    }

    /// Takes note of all entries that others have created, from the next version on, which is taken.
    ///
    /// To the end of the log: who tried each version in turn would fall ever further behind writers that are
    /// faster together than one is alone. Returns where the manifest was found, if it is there.
    async fn catch_up(&mut self, manifest: &Manifest) -> Result<Option<RolledForward>, LakeError> {
        let mut taken = 0;
        loop {
            let version = self.version + 1;
            match self.take_landed(manifest, version).await? {
                Some(Landed::Ours) => {
                    return self.find_committed(manifest, manifest.epoch as i64).await.map(Some);
                }
                Some(_) => taken += 1,
                None if taken > 0 => return Ok(None),
                None => {
                    let path = self.store.name(&entry_path(&self.spec.name, version));
                    return FileMissingSnafu { path }.fail();
                }
            }
            if taken == LOOK_AHEAD_AFTER && self.is_behind(FAR_BEHIND).await? {
                self.reload().await?;
                let known = self.transaction(&manifest.chain.to_string()).await?;
                if let Some(known) = known.filter(|known| *known >= manifest.epoch as i64) {
                    return self.find_committed(manifest, known).await.map(Some);
                }
            }
        }
    }

    /// Reads what took a version that we wanted, and takes note of it unless it forbids to go on. `None`: the
    /// version is free.
    async fn take_landed(&mut self, manifest: &Manifest, version: u64) -> Result<Option<Landed>, LakeError> {
        let path = entry_path(&self.spec.name, version);
        let entry = match self.read_entry(version).await? {
            Read::Entry(entry) => entry,
            Read::Torn => {
                return LogEntryTornSnafu { table: &self.spec.name, path: self.store.name(&path) }.fail();
            }
            Read::Absent => return Ok(None),
        };
        let landed = Landed::judge(&entry, manifest);
        match landed {
            Landed::Rival { found } => return self.foreign_writer(manifest, version, found),
            Landed::Redefined => {
                self.check_definition(entry.metadata.as_ref(), entry.protocol.as_ref(), &path)?;
            }
            Landed::Ours | Landed::Foreign => {}
        }
        self.absorb(&entry, landed == Landed::Ours);
        Ok(Some(landed))
    }

    /// Finds the version that holds a manifest whose epoch the table says it has.
    ///
    /// Only the manifest's own id proves that it was this manifest, and not another one of the same epoch.
    pub(super) async fn find_committed(
        &self,
        manifest: &Manifest,
        known: i64,
    ) -> Result<RolledForward, LakeError> {
        let application = manifest.chain.to_string();
        for version in (0..=self.version).rev().take(SEARCHED) {
            let Read::Entry(entry) = self.read_entry(version).await? else { break };
            if entry.manifest == Some(manifest.id) {
                return Ok(RolledForward::found(&entry, manifest, &self.spec.name, version));
            }
            if let Some(found) = entry.transactions.get(&application)
                && *found <= manifest.epoch as i64
            {
                return self.foreign_writer(manifest, version, *found);
            }
        }
        if known > manifest.epoch as i64 {
            return self.foreign_writer(manifest, self.version, known);
        }
        tracing::debug!(
            table = self.spec.name,
            epoch = manifest.epoch,
            "log entry of a committed epoch has expired"
        );
        Ok(RolledForward::AlreadyThere { version: None })
    }

    async fn read_entry(&self, version: u64) -> Result<Read, LakeError> {
        let path = entry_path(&self.spec.name, version);
        let Some(content) = self.store.read_if_exists(&path).await? else { return Ok(Read::Absent) };
        match LogEntry::parse(&content) {
            Ok(entry) => Ok(Read::Entry(Box::new(entry))),
            Err(Defect::Torn) => Ok(Read::Torn),
            Err(Defect::Strange(error)) => {
                Err(error).context(UnreadableSnafu { path: self.store.name(&path) })
            }
        }
    }

    /// Whether the log goes on for more than so many versions.
    async fn is_behind(&self, versions: u64) -> Result<bool, LakeError> {
        let head = head::find(&self.store, &self.spec.name).await?;
        Ok(head.is_some_and(|head| head.version > self.version + versions))
    }

    fn foreign_writer<T>(&self, manifest: &Manifest, version: u64, found: i64) -> Result<T, LakeError> {
        let application = manifest.chain.to_string();
        ForeignWriterSnafu { table: &self.spec.name, version, application, found, epoch: manifest.epoch }
            .fail()
    }

    fn failpoint(&self, when: &str) -> String {
        format!("{when}_commit_{}", self.spec.name.replace('/', "_"))
    }
}

enum Read {
    Entry(Box<LogEntry>),
    Torn,
    Absent,
}

/// Lets the others go first, so that writers do not run in step.
async fn pause(attempt: u32) {
    let longest = (u128::from(attempt) * 5).min(100);
    let millis = Uuid::new_v4().as_u128() % (longest + 1);
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis as u64)).await;
    }
}
