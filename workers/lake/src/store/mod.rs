//! [`Store`]: the files of a lake, by path relative to its root, with errors that name them.

mod abandoned;
mod address;
mod durable_local;
mod probe;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use deltalake::logstore::{LogStore, StorageConfig, default_logstore};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};
use url::Url;

use crate::error::{InvalidUriSnafu, LakeError};
use durable_local::DurableLocal;

/// Bytes of a file that are read together where it is read in pieces, and pieces that are read at once.
const READ_PIECE: u64 = 8 << 20;
const PIECES_READ_AHEAD: usize = 2;

/// Whether a name was free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The file is there now, with our content.
    Created,
    /// Somebody has the name, perhaps an earlier try of ours whose answer was lost.
    AlreadyExists,
}

/// A file, as the storage lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFile {
    /// Path relative to the lake's root.
    pub(crate) path: String,
    /// Size.
    pub(crate) bytes: u64,
    /// When it was stored, by the storage's clock.
    pub(crate) stored_at_ms: i64,
}

/// The files of a lake. Every write is durable when it returns. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store(Arc<Files>);

struct Files {
    whole: Arc<dyn ObjectStore>,
    lake: Arc<dyn ObjectStore>,
    prefix: Path,
    url: Url,
    uri: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("uri", &self.0.uri).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the storage at `uri` and proves that it can be trusted with fences.
    pub(crate) async fn open(uri: &str) -> Result<Self, LakeError> {
        let invalid = |reason: String| InvalidUriSnafu { uri, reason }.build();
        let url = address::parse(uri).map_err(invalid)?;
        let (whole, prefix): (Arc<dyn ObjectStore>, Path) = if url.scheme() == "file" {
            let root = url.to_file_path().map_err(|()| invalid("it is not an absolute path".to_owned()))?;
            let local = DurableLocal::create(root.clone())
                .await
                .map_err(|source| LakeError::from_store("create", root.display().to_string(), source))?;
            let prefix = Path::from_absolute_path(&root).map_err(|error| invalid(error.to_string()))?;
            (Arc::new(local), prefix)
        } else {
            let options = credentials(std::env::vars());
            let (store, prefix) = object_store::parse_url_opts(&url, options).map_err(|source| {
                LakeError::InvalidStoreVariables { uri: uri.to_owned(), source: Box::new(source) }
            })?;
            (Arc::from(store), prefix)
        };
        let store = Self::with(whole, prefix, url);
        probe::create_if_absent(&store).await?;
        Ok(store)
    }

    /// A store in an object store whose root is that of the URL.
    pub(crate) fn with(whole: Arc<dyn ObjectStore>, prefix: Path, url: Url) -> Self {
        let lake = Arc::new(PrefixStore::new(Arc::clone(&whole), prefix.clone()));
        let uri = url.as_str().trim_end_matches('/').to_owned();
        Self(Arc::new(Files { whole, lake, prefix, url, uri }))
    }

    /// The URI of the root, without trailing slash.
    pub(crate) fn uri(&self) -> &str {
        &self.0.uri
    }

    /// The full name of a file, for people.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.0.uri)
    }

    /// The log of a Delta table below the root, as delta-rs wants it.
    pub(crate) fn delta_log(&self, table: &str) -> Arc<dyn LogStore> {
        let mut url = self.0.url.clone();
        url.set_path(&format!("{}/{table}/", self.0.url.path().trim_end_matches('/')));
        let prefix = table.split('/').fold(self.0.prefix.clone(), Path::join);
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&self.0.whole), prefix));
        default_logstore(prefixed, Arc::clone(&self.0.whole), &url, &StorageConfig::default())
    }

    /// Creates a file, if the name is free.
    pub(crate) async fn create(&self, path: &str, content: Bytes) -> Result<Created, LakeError> {
        let location = self.location("create", path)?;
        match self.0.lake.put_opts(&location, content.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Created::Created),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Created::AlreadyExists)
            }
            Err(source) => Err(LakeError::from_store("create", self.name(path), source)),
        }
    }

    /// Writes a file, whether or not it exists.
    pub(crate) async fn put(&self, path: &str, content: Bytes) -> Result<(), LakeError> {
        let location = self.location("write", path)?;
        match self.0.lake.put(&location, content.into()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(LakeError::from_store("write", self.name(path), source)),
        }
    }

    /// Writes a file that comes in pieces, of which storages want all but the last to have at least 5 MiB, whether or not
    /// it exists; gives its size. It is there when all of it is durable, and not before.
    pub(crate) async fn put_in_pieces(
        &self,
        path: &str,
        mut pieces: impl Stream<Item = Vec<u8>> + Unpin,
    ) -> Result<u64, LakeError> {
        let first = pieces.next().await.unwrap_or_default();
        let Some(second) = pieces.next().await else {
            let bytes = first.len() as u64;
            return self.put(path, first.into()).await.map(|()| bytes);
        };
        let failed = |source| LakeError::from_store("write", self.name(path), source);
        let location = self.location("write", path)?;
        let mut upload = self.0.lake.put_multipart(&location).await.map_err(failed)?;
        let pieces = futures::stream::iter([first, second]).chain(pieces);
        match upload_all(upload.as_mut(), pieces).await {
            Ok(bytes) => Ok(bytes),
            Err(source) => {
                // Storages keep the parts of an upload, at their price, until they are told.
                if let Err(error) = upload.abort().await {
                    tracing::warn!(path, %error, "failed to give up an upload");
                }
                Err(failed(source))
            }
        }
    }

    /// Reads a file that must exist.
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, LakeError> {
        self.get(path).await.map_err(|source| LakeError::from_store("read", self.name(path), source))
    }

    /// Reads a file that must exist, in pieces that follow each other: as a whole it may be too large for main memory.
    pub(crate) async fn read_in_pieces(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, LakeError>> + Send + use<>, LakeError> {
        let failed = |source| LakeError::from_store("read", self.name(path), source);
        let location = self.location("read", path)?;
        let size = self.0.lake.head(&location).await.map_err(failed)?.size;
        let (store, path) = (self.clone(), path.to_owned());
        let read = move |start| {
            let (store, path, location) = (store.clone(), path.clone(), location.clone());
            async move {
                let piece = store.0.lake.get_range(&location, start..size.min(start + READ_PIECE)).await;
                piece.map_err(|source| LakeError::from_store("read", store.name(&path), source))
            }
        };
        let starts = (0..size).step_by(READ_PIECE as usize);
        Ok(futures::stream::iter(starts).map(read).buffered(PIECES_READ_AHEAD))
    }

    /// Reads a file that may not exist.
    pub(crate) async fn read_if_exists(&self, path: &str) -> Result<Option<Bytes>, LakeError> {
        match self.get(path).await {
            Ok(content) => Ok(Some(content)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(LakeError::from_store("read", self.name(path), source)),
        }
    }

    /// The files directly in `directory` whose names sort after `after`, in no order.
    pub(crate) async fn list_after(
        &self,
        directory: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectMeta>, LakeError> {
        let prefix = self.location("list", directory)?;
        let listing = match after {
            Some(name) => self.0.lake.list_with_offset(Some(&prefix), &prefix.clone().join(name)),
            None => self.0.lake.list(Some(&prefix)),
        };
        listing
            .try_collect()
            .await
            .map_err(|source| LakeError::from_store("list", self.name(directory), source))
    }

    /// All files below `directory`, however deep, in no order.
    pub(crate) fn walk<'a>(
        &'a self,
        directory: &'a str,
    ) -> Result<impl Stream<Item = Result<StoredFile, LakeError>> + Send + 'a, LakeError> {
        let prefix = self.location("list", directory)?;
        let files = self.0.lake.list(Some(&prefix)).map(move |found| match found {
            Ok(found) => Ok(StoredFile {
                stored_at_ms: found.last_modified.timestamp_millis(),
                bytes: found.size,
                path: found.location.into(),
            }),
            Err(source) => Err(LakeError::from_store("list", self.name(directory), source)),
        });
        Ok(files)
    }

    /// The names of the directories directly in `directory`, in no order.
    pub(crate) async fn list_directories(&self, directory: &str) -> Result<Vec<String>, LakeError> {
        let prefix = self.location("list", directory)?;
        let listing = self.0.lake.list_with_delimiter(Some(&prefix)).await;
        let listing =
            listing.map_err(|source| LakeError::from_store("list", self.name(directory), source))?;
        let names = listing.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned));
        Ok(names.collect())
    }

    /// Deletes many files, in batches where the storage can, whether or not they exist.
    pub(crate) async fn delete_all(&self, paths: &[String]) -> Result<(), LakeError> {
        let locations: Vec<Path> =
            paths.iter().map(|path| self.location("delete", path)).collect::<Result<_, _>>()?;
        let locations = futures::stream::iter(locations.into_iter().map(Ok)).boxed();
        let mut deleted = self.0.lake.delete_stream(locations);
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(LakeError::from_store("delete", self.uri(), source)),
            }
        }
        Ok(())
    }

    /// Deletes temporary files that were last written before a time, where the storage has such; how many.
    pub(crate) async fn delete_abandoned(&self, before_ms: i64) -> Result<u64, LakeError> {
        let url = Some(&self.0.url).filter(|url| url.scheme() == "file");
        let Some(root) = url.and_then(|url| url.to_file_path().ok()) else { return Ok(0) };
        let before = UNIX_EPOCH + Duration::from_millis(u64::try_from(before_ms).unwrap_or_default());
        let deleted = tokio::task::spawn_blocking(move || abandoned::delete_abandoned(&root, before)).await;
        let deleted =
            deleted.map_err(|source| object_store::Error::JoinError { source }).and_then(|deleted| {
                deleted.map_err(|source| object_store::Error::Generic {
                    store: "DurableLocal",
                    source: Box::new(source),
                })
            });
        deleted.map_err(|source| LakeError::from_store("clean", self.uri(), source))
    }

    /// Deletes a file, whether or not it exists.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), LakeError> {
        let location = self.location("delete", path)?;
        match self.0.lake.delete(&location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(LakeError::from_store("delete", self.name(path), source)),
        }
    }

    async fn get(&self, path: &str) -> Result<Bytes, object_store::Error> {
        let location = Path::parse(path).map_err(object_store::Error::from)?;
        self.0.lake.get(&location).await?.bytes().await
    }

    fn location(&self, action: &'static str, path: &str) -> Result<Path, LakeError> {
        Path::parse(path).map_err(|source| LakeError::from_store(action, self.name(path), source.into()))
    }
}

/// Uploads the parts of a file; gives their size.
async fn upload_all(
    upload: &mut dyn MultipartUpload,
    mut pieces: impl Stream<Item = Vec<u8>> + Unpin,
) -> object_store::Result<u64> {
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        bytes += piece.len() as u64;
        upload.put_part(piece.into()).await?;
    }
    upload.complete().await?;
    Ok(bytes)
}

/// The variables that object stores' own tools read, as object_store wants them.
fn credentials(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    variables
        .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

#[cfg(test)]
mod tests;
