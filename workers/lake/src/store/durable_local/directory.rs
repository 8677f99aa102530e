//! [`Directories`]: creates and syncs directories, each no more often than it must be.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// Remembering more durable directories than this would cost more than syncing them again.
const REMEMBERED: usize = 10_000;

/// The directories below a base, and which of them are known to survive a power loss.
#[derive(Debug)]
pub(super) struct Directories {
    base: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Knows no directory yet.
    pub(super) fn new(base: PathBuf) -> Self {
        Self { base, durable: Mutex::default() }
    }

    /// Makes sure that a directory exists and that its name, and those of its ancestors up to the base,
    /// are durable.
    ///
    /// A directory that is there already is synced too, once: the process that made it may have died, or
    /// be about to, before it did so.
    pub(super) fn create(&self, directory: &Path) -> io::Result<()> {
        if self.lock().contains(directory) {
            return Ok(());
        }
        let parent = directory.parent();
        match (fs::create_dir(directory), parent) {
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                self.create(parent)?;
                create_unless_there(directory)?;
            }
            (Err(error), _) if !directory.is_dir() => return Err(not_a_directory(error)),
            _ => {}
        }
        if let Some(parent) = parent {
            if directory != self.base && directory.starts_with(&self.base) {
                self.create(parent)?;
            }
            sync_name(parent)?;
        }
        let mut durable = self.lock();
        if durable.len() >= REMEMBERED {
            durable.clear();
        }
        durable.insert(directory.to_owned());
        Ok(())
    }

    /// Takes note that a directory turned out to be missing.
    pub(super) fn forget(&self, directory: &Path) {
        self.lock().retain(|known| !known.starts_with(directory) && !directory.starts_with(known));
    }

    /// Makes the name of a file durable.
    pub(super) fn sync_parent(&self, file: &Path) -> io::Result<()> {
        let Some(parent) = file.parent() else { return Ok(()) };
        self.create(parent)?;
        sync_directory(parent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn create_unless_there(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if !directory.is_dir() => Err(not_a_directory(error)),
        _ => Ok(()),
    }
}

/// "Already exists" would mean the file that was to be written, not a file in the place of its directory.
fn not_a_directory(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => error,
    }
}

/// Syncs the directory that holds a new name. Directories above the lake may be closed to us (the mount
/// point of a volume, for one): their names are not ours to keep.
fn sync_name(parent: &Path) -> io::Result<()> {
    match sync_directory(parent) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some network file systems have no fsync of directories; they keep them by themselves.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        outcome => outcome,
    }
}
