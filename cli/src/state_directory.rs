//! [`StateDirectory`]: where local mode keeps its files, and the lock by which one `sluice up` owns it.
//!
//! ```text
//! .sluice/
//!   up.lock                      locked while `sluice up` runs; holds its process id
//!   snapshot.json                what runs and what was last seen of it, for `get` and `status`
//!   services/broker  registry    data of the embedded services
//!   lake/<namespace>/<name>      lakes with --lake local
//!   <namespace>/config secrets tmp    the files of the workers
//!   logs/<process>.log           output of each process, of this run; <process>.previous.log of the one before
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use snafu::{ResultExt, Snafu};

/// Why the state directory cannot be used.
#[derive(Debug, Snafu)]
pub(crate) enum StateError {
    #[snafu(display("failed to {operation} {}: {source}", path.display()))]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[snafu(display(
        "failed to lock {}: another `sluice up` (process {owner}) runs there; stop it with `sluice down --state {}`, \
         or choose another directory with --state",
        path.display(), path.display()
    ))]
    InUse { path: PathBuf, owner: String },
}

/// The directory of everything that local mode keeps.
#[derive(Clone, Debug)]
pub(crate) struct StateDirectory {
    root: PathBuf,
}

/// Held by the one `sluice up` of a state directory; given back when it is dropped or its process dies.
#[derive(Debug)]
pub(crate) struct UpLock {
    _file: File,
}

impl StateDirectory {
    /// Names a directory, by its absolute path. It need not exist.
    pub(crate) fn new(path: &Path) -> Result<Self, StateError> {
        let root = std::path::absolute(path).context(FileSnafu { operation: "find", path })?;
        Ok(Self { root })
    }

    /// The absolute path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Data of an embedded service.
    pub(crate) fn service(&self, name: &str) -> PathBuf {
        self.root.join("services").join(name)
    }

    /// Lakes of `--lake local`.
    pub(crate) fn lakes(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// Output of a process.
    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// What `get` and `status` read.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.root.join("snapshot.json")
    }

    /// Creates the directory and takes it, or says who has it.
    pub(crate) fn lock(&self) -> Result<UpLock, StateError> {
        create_directory(&self.root)?;
        let path = self.lock_path();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(FileSnafu { operation: "open", path: &path })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).context(FileSnafu { operation: "read", path: &path })?;
                return InUseSnafu { path: &self.root, owner: owner.trim() }.fail();
            }
            Err(TryLockError::Error(source)) => {
                return Err(StateError::File { operation: "lock", path, source });
            }
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()))
            .context(FileSnafu { operation: "write", path: &path })?;
        Ok(UpLock { _file: file })
    }

    /// The process id of the `sluice up` that runs here, if one does.
    pub(crate) fn owner(&self) -> Result<Option<i32>, StateError> {
        let path = self.lock_path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::File { operation: "open", path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).context(FileSnafu { operation: "read", path: &path })?;
                Ok(owner.trim().parse().ok())
            }
            Err(TryLockError::Error(source)) => Err(StateError::File { operation: "lock", path, source }),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join("up.lock")
    }
}

/// Creates a directory and those above it.
pub(crate) fn create_directory(path: &Path) -> Result<(), StateError> {
    fs::create_dir_all(path).context(FileSnafu { operation: "create the directory", path })
}

/// Replaces a file as a whole: a reader sees the old text or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    write_and_rename(path, bytes, 0o644)
}

/// Replaces a file that only this user may read, in a directory that only this user may enter.
pub(crate) fn replace_secret_file(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .context(FileSnafu { operation: "create the directory", path: directory })?;
    }
    write_and_rename(path, bytes, 0o600)
}

fn write_and_rename(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    if let Some(directory) = path.parent() {
        create_directory(directory)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .context(FileSnafu { operation: "create", path: &temporary })?;
    // An old temporary file keeps its mode when it is opened.
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(bytes))
        .context(FileSnafu { operation: "write", path: &temporary })?;
    fs::rename(&temporary, path).context(FileSnafu { operation: "replace", path })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{StateDirectory, StateError, replace_secret_file};

    #[test]
    fn a_second_owner_is_refused_with_the_first_ones_process_id() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let state = StateDirectory::new(directory.path()).expect("a path");
        assert_eq!(state.owner().expect("readable"), None);
        let lock = state.lock().expect("free");
        let error = state.lock().expect_err("taken");
        assert!(matches!(&error, StateError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        assert_eq!(state.owner().expect("readable"), i32::try_from(std::process::id()).ok());
        drop(lock);
        assert_eq!(state.owner().expect("readable"), None);
        state.lock().expect("free again");
    }

    #[test]
    fn secrets_are_for_this_user_only() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("secrets/kafka/password");
        replace_secret_file(&path, b"one").expect("writes");
        replace_secret_file(&path, b"two").expect("writes again");
        assert_eq!(fs::read(&path).expect("reads"), b"two");
        let mode = |path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(path.as_path()), 0o600);
        assert_eq!(mode(path.parent().expect("has one")), 0o700);
    }
}
