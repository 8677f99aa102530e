//! [`written`]: a file that a thread writes piece by piece while they are stored, so that it is never whole in memory.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use sluice_lake::LakeError;
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
