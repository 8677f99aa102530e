//! [`DurableLocal`]: a local file system whose writes survive a power loss once they have returned.
//!
//! object_store's own local file system never calls fsync. Here a write goes to a temporary file, which
//! is synced, then gets its name in one step (a hard link where the name must be new, a rename where it
//! need not), and then the directory is synced. New directories are synced up to the root. A name
//! therefore never shows half a file, not even after a crash or on a full disk.
//!
//! Temporary files are called `<name>#<number>`, which object_store leaves out of listings.

mod directory;
mod staged;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use snafu::{ResultExt, Snafu};

use directory::Directories;
use staged::{StagedFile, StagedUpload};

/// The local file system, from its root, with durable writes.
#[derive(Clone, Debug)]
pub(crate) struct DurableLocal {
    files: LocalFileSystem,
    directories: Arc<Directories>,
}

/// A failed call of the operating system.
#[derive(Debug, Snafu)]
#[snafu(display("failed to {action} '{}': {source}", path.display()))]
struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error.source.kind() {
            io::ErrorKind::AlreadyExists => {
                Self::AlreadyExists { path: error.path.display().to_string(), source: error.into() }
            }
            _ => Self::Generic { store: "DurableLocal", source: error.into() },
        }
    }
}

impl DurableLocal {
    /// Creates the directory `base` if need be. Everything below it is kept durably.
    pub(crate) async fn create(base: PathBuf) -> Result<Self> {
        let directories = Arc::new(Directories::new(base.clone()));
        let local = Self { files: LocalFileSystem::new(), directories };
        local
            .blocking(move |directories| {
                directories.create(&base).context(FileSnafu { action: "create directory", path: base })
            })
            .await?;
        Ok(local)
    }

    /// Runs file system calls where they may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directories) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T> {
        let directories = Arc::clone(&self.directories);
        let outcome = tokio::task::spawn_blocking(move || work(&directories)).await;
        Ok(outcome.map_err(|source| Error::JoinError { source })??)
    }

    async fn sync_parent(&self, location: &Path) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        self.blocking(move |directories| {
            directories.sync_parent(&path).context(FileSnafu { action: "sync the directory of", path })
        })
        .await
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DurableLocal")
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let path = self.files.path_to_filesystem(location)?;
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "put with PutMode::Update".to_owned(),
                    implementer: self.to_string(),
                });
            }
        };
        self.blocking(move |directories| {
            let context = FileSnafu { action: "write", path: path.clone() };
            if create && path.exists() {
                // Whoever made the name may not have synced it yet: nobody may build on it before.
                directories
                    .sync_parent(&path)
                    .context(FileSnafu { action: "sync the directory of", path })?;
                return Err(io::Error::from(io::ErrorKind::AlreadyExists)).context(context);
            }
            let mut staged = StagedFile::create(directories, path).context(context.clone())?;
            payload.iter().try_for_each(|chunk| staged.append(chunk)).context(context.clone())?;
            if create { staged.link(directories) } else { staged.rename(directories) }.context(context)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.files.path_to_filesystem(location)?;
        let staged = self
            .blocking(move |directories| {
                let context = FileSnafu { action: "write", path: path.clone() };
                StagedFile::create(directories, path).context(context)
            })
            .await?;
        Ok(Box::new(StagedUpload::new(staged, Arc::clone(&self.directories))))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await?;
        self.sync_parent(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await?;
        self.sync_parent(to).await
    }
}

#[cfg(test)]
mod tests;
