//! [`StagedFile`]: a file without its name yet. Dropped before it has got it, it leaves nothing behind.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use snafu::ResultExt;
use uuid::Uuid;

use super::directory::Directories;
use super::{FileError, FileSnafu};

/// Files from this size on are data, which this process does not read again.
const DATA: u64 = 1024 * 1024;

/// A file that is being written beside its place.
#[derive(Debug)]
pub(super) struct StagedFile {
    file: File,
    staged: PathBuf,
    target: PathBuf,
}

impl StagedFile {
    /// Opens a new temporary file beside `target`.
    pub(super) fn create(directories: &Directories, target: PathBuf) -> io::Result<Self> {
        let directory = target.parent().map(Path::to_owned).unwrap_or_default();
        directories.create(&directory)?;
        let mut staged = target.clone().into_os_string();
        staged.push(format!("#{}", Uuid::new_v4().as_u128()));
        let staged = PathBuf::from(staged);
        let file = match File::create_new(&staged) {
            // Somebody removed the directory since we made it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                directories.forget(&directory);
                directories.create(&directory)?;
                File::create_new(&staged)?
            }
            outcome => outcome?,
        };
        Ok(Self { file, staged, target })
    }

    /// Writes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Makes the content durable, and lets the system have the memory of its cached copy back.
    ///
    /// A worker writes without end: what it would leave in the page cache drives out what others read, and each
    /// file takes fresh memory, which costs a virtual machine more than writing it does.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()?;
        #[cfg(target_os = "linux")]
        if self.file.metadata()?.len() >= DATA {
            // Advice: a file system that does not take it keeps its copy.
            let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        }
        Ok(())
    }

    /// Gives the file its name, if nobody else has it.
    pub(super) fn link(self, directories: &Directories) -> io::Result<()> {
        self.sync()?;
        match fs::hard_link(&self.staged, &self.target) {
            // Whoever was faster may not have synced the name yet: nobody may build on it before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                directories.sync_parent(&self.target)?;
                Err(error)
            }
            // The file could be created, so this is not about rights.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) =>
            {
                Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this file system has no hard links, which make that a name is created only once",
                ))
            }
            Err(error) => Err(error),
            Ok(()) => directories.sync_parent(&self.target),
        }
    }

    /// Gives the file its name, whoever has it now.
    pub(super) fn rename(self, directories: &Directories) -> io::Result<()> {
        self.sync()?;
        fs::rename(&self.staged, &self.target)?;
        directories.sync_parent(&self.target)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Absent after a rename; otherwise what is left is invisible and only costs space.
        let _ = fs::remove_file(&self.staged);
    }
}

/// An upload in parts, for files that others (delta-rs) write through the store.
#[derive(Debug)]
pub(super) struct StagedUpload {
    staged: Option<Arc<StagedFile>>,
    directories: Arc<Directories>,
    offset: u64,
}

impl StagedUpload {
    /// An upload without parts.
    pub(super) fn new(staged: StagedFile, directories: Arc<Directories>) -> Self {
        Self { staged: Some(Arc::new(staged)), directories, offset: 0 }
    }
}

#[async_trait]
impl MultipartUpload for StagedUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let Some(staged) = self.staged.as_ref().map(Arc::clone) else {
            return Box::pin(async { Err(ended()) });
        };
        let mut offset = self.offset;
        self.offset += payload.content_length() as u64;
        Box::pin(async move {
            blocking(move || {
                for chunk in &payload {
                    let context = FileSnafu { action: "write", path: staged.target.clone() };
                    staged.write_at(chunk, offset).context(context)?;
                    offset += chunk.len() as u64;
                }
                Ok(())
            })
            .await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().and_then(Arc::into_inner).ok_or_else(ended)?;
        let directories = Arc::clone(&self.directories);
        blocking(move || {
            let context = FileSnafu { action: "write", path: staged.target.clone() };
            staged.rename(&directories).context(context)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged = None;
        Ok(())
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), FileError> + Send + 'static) -> Result<()> {
    let outcome = tokio::task::spawn_blocking(work).await;
    Ok(outcome.map_err(|source| Error::JoinError { source })??)
}

fn ended() -> Error {
    Error::Generic {
        store: "DurableLocal",
        source: "the upload has ended, or a part of it is still being written".into(),
    }
}
