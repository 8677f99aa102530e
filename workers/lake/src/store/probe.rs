//! Proves, on the actual storage, that a name can be created only once.

use bytes::Bytes;
use snafu::ensure;
use uuid::Uuid;

use super::{Created, Store};
use crate::error::{LakeError, NoCreateIfAbsentSnafu};

/// Creates a name twice and expects the second attempt to be refused.
///
/// Some file systems and S3 imitations accept both: on them two writers could win the same epoch.
pub(super) async fn create_if_absent(store: &Store) -> Result<(), LakeError> {
    let path = format!("_sluice/probe-{}", Uuid::new_v4());
    // The client repeats a write whose answer it lost, and then finds its own name taken.
    store.create(&path, Bytes::from_static(b"first")).await?;
    let second = store.create(&path, Bytes::from_static(b"second")).await?;
    let content = store.read(&path).await?;
    store.delete(&path).await?;
    let trusted = second == Created::AlreadyExists && content.as_ref() == b"first";
    ensure!(trusted, NoCreateIfAbsentSnafu { uri: store.uri(), path: store.name(&path) });
    Ok(())
}
