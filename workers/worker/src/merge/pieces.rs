//! Files of windows, which are never whole in memory: a thread writes or reads them piece by piece while the lake stores or
//! fetches them.

use std::pin::pin;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sluice_engine::StateError;
use sluice_engine::gold::Merge;
use sluice_lake::{Lake, LakeError};
use snafu::ResultExt;
use tokio::sync::mpsc;

use super::error::{LakeSnafu, MergeError};
use super::memory::blocking;

/// Has `write` give the pieces of a file, and `store` take them; gives what storing gave.
pub(super) async fn written<T, S>(
    write: impl FnOnce(&mut dyn FnMut(Vec<u8>)) + Send + 'static,
    store: impl FnOnce(BoxStream<'static, Vec<u8>>) -> S,
) -> Result<T, MergeError>
where
    S: Future<Output = Result<T, LakeError>>,
{
    let (give, mut given) = mpsc::channel(1);
    let writing = blocking(move || {
        // Nobody takes what cannot be stored: the error is told there.
        write(&mut |piece| drop(give.blocking_send(piece)));
    });
    let pieces = stream::poll_fn(move |context| given.poll_recv(context)).boxed();
    let (written, stored) = futures::join!(writing, store(pieces));
    // A file whose writer failed is cut short: it is nobody's, whatever became of storing it.
    written?;
    stored.context(LakeSnafu)
}

/// Checks a file of windows as a whole, and gives its size in bytes. What is damaged must not be [read].
pub(super) async fn check(lake: &Lake, path: &str) -> Result<Result<u64, StateError>, MergeError> {
    let check = |pieces: &mut dyn Iterator<Item = Bytes>| {
        let mut bytes = 0;
        Merge::check(pieces.inspect(|piece| bytes += piece.len() as u64)).map(|()| bytes)
    };
    read(lake, path, check).await
}

/// Has `take` take the pieces of a file, and gives what it gives.
pub(super) async fn read<T: Send + 'static>(
    lake: &Lake,
    path: &str,
    take: impl FnOnce(&mut dyn Iterator<Item = Bytes>) -> T + Send + 'static,
) -> Result<T, MergeError> {
    let (give, mut given) = mpsc::channel(1);
    let taking = blocking(move || take(&mut std::iter::from_fn(|| given.blocking_recv())));
    // Ends what is given with it, of an error as well: that is told first.
    let giving = async move {
        let mut pieces = pin!(lake.read_in_pieces(path).await?);
        while let Some(piece) = pieces.try_next().await? {
            if give.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let (taken, gave) = futures::join!(taking, giving);
    gave.context(LakeSnafu)?;
    taken
}
